//! Reading and writing the files of a cgroup.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::error::{Context, Result};

/// Writes a value into an existing file of a cgroup.
pub(super) fn write(directory: &Path, file: &str, value: &str) -> Result<()> {
    let path = directory.join(file);
    let mut options = fs::OpenOptions::new();
    options
        .write(true)
        .open(&path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .context("write", format!("{value} to {}", path.display()))
}

/// A file's content, or nothing where it does not exist.
pub(super) fn read(directory: &Path, file: &str) -> Option<String> {
    fs::read_to_string(directory.join(file)).ok()
}

/// The only number of a file; 0 where there is none.
pub(super) fn number(directory: &Path, file: &str) -> u64 {
    read(directory, file)
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// The number behind `key ` in a file of such lines; 0 where there is none.
pub(super) fn keyed(text: &str, key: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(name, _)| *name == key)
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}
