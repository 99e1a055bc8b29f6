//! Directories in memory, Docker's `--tmpfs`: from `C:\\t` and its options to what a silo is given.

use std::collections::BTreeMap;

use porthole_compute_service::settings::TemporaryDirectory;
use porthole_winpath::ContainerPath;

use crate::error::{Error, Result};

/// Docker's permissions: of everybody, and what is in it is removed by its owner alone.
const MODE: u32 = 0o1777;

/// The directories, or why one cannot be.
pub(crate) fn directories(asked: &BTreeMap<String, String>) -> Result<Vec<TemporaryDirectory>> {
    let mut directories: Vec<TemporaryDirectory> = Vec::new();
    for (key, value) in asked {
        let (path, options) = rejoin(key, value);
        let target = ContainerPath::parse(&path)
            .map_err(|error| Error::invalid(format!("invalid tmpfs {path:?}: {error}")))?;
        if target.is_root() {
            let message = format!("invalid tmpfs {path:?}: it cannot be the whole of C:\\");
            return Err(Error::invalid(message));
        }
        directories.push(directory(target.to_string(), options)?);
    }
    Ok(directories)
}

/// Docker's clients split `C:\t:size=1m` at its first colon, which is the drive's.
fn rejoin<'a>(key: &str, value: &'a str) -> (String, &'a str) {
    let is_drive = key.len() == 1 && key.as_bytes()[0].is_ascii_alphabetic();
    if !is_drive || !value.starts_with(['\\', '/']) {
        return (key.to_owned(), value);
    }
    let (path, options) = value.split_once(':').unwrap_or((value, ""));
    (format!("{key}:{path}"), options)
}

fn directory(target: String, options: &str) -> Result<TemporaryDirectory> {
    let mut directory = TemporaryDirectory {
        target,
        size: None,
        files: None,
        mode: MODE,
    };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let wrong = || Error::invalid(format!("invalid tmpfs option {option:?}"));
        match name {
            // What it is in any case.
            "rw" | "nosuid" | "nodev" | "exec" if value.is_empty() => {}
            "size" => directory.size = Some(amount(value).ok_or_else(wrong)?),
            "nr_inodes" => directory.files = Some(amount(value).ok_or_else(wrong)?),
            "mode" => {
                let mode = u32::from_str_radix(value, 8).ok();
                directory.mode = mode.filter(|mode| *mode <= 0o7777).ok_or_else(wrong)?;
            }
            _ => {
                return Err(Error::invalid(format!(
                    "invalid tmpfs option {option:?}: size, nr_inodes and mode are supported"
                )));
            }
        }
    }
    Ok(directory)
}

/// A number with the kernel's suffixes, at least 1: no limit is said by leaving it out.
fn amount(text: &str) -> Option<u64> {
    let (number, shift) = match text.char_indices().next_back()? {
        (end, 'k' | 'K') => (&text[..end], 10),
        (end, 'm' | 'M') => (&text[..end], 20),
        (end, 'g' | 'G') => (&text[..end], 30),
        _ => (text, 0),
    };
    let number: u64 = number.parse().ok()?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(asked: &[(&str, &str)]) -> Result<Vec<TemporaryDirectory>> {
        let asked = asked
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        directories(&asked.collect())
    }

    #[test]
    fn what_a_client_split_at_the_drives_colon_is_one_path() {
        for asked in [
            ("C", r"\t"),
            ("c", "/t"),
            (r"C:\t", ""),
            ("C", r"\t:rw,nosuid"),
        ] {
            let read = read(&[asked]).unwrap();
            assert_eq!(read[0].target.to_ascii_lowercase(), r"c:\t", "{asked:?}");
            assert_eq!((read[0].size, read[0].mode), (None, 0o1777));
        }
        let sized = read(&[("C", r"\t:size=64m,mode=700,nr_inodes=1k")]).unwrap();
        assert_eq!(sized[0].size, Some(64 << 20));
        assert_eq!((sized[0].files, sized[0].mode), (Some(1024), 0o700));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            ("C", r"\"),
            ("D", r"\t"),
            ("/t", ""),
            ("C", r"\t:size=much"),
            ("C", r"\t:size=0"),
            ("C", r"\t:uid=5"),
            ("C", r"\t:mode=99"),
        ] {
            assert!(read(&[wrong]).is_err(), "{wrong:?}");
        }
    }
}
