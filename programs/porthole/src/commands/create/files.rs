//! `--env-file`, `--label-file` and `--cidfile`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Bytes of a file of variables at most.
const LIMIT: u64 = 16 * 1024 * 1024;

/// The lines of files, without comments and empty ones.
pub(crate) fn lines(paths: &[PathBuf]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for path in paths {
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(LIMIT).read_to_string(&mut text))
            .with_context(|| format!("cannot read {}", path.display()))?;
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let name = line.split('=').next().unwrap_or_default();
            if name.is_empty() || name.contains(char::is_whitespace) {
                bail!(
                    "{}: line {}: a name is not empty and has no spaces",
                    path.display(),
                    number + 1
                );
            }
            lines.push(line.to_owned());
        }
    }
    Ok(lines)
}

/// A file for the ID of a container that is about to be made. Dropped before [`CidFile::write`], it
/// is gone again.
#[derive(Debug)]
pub(super) struct CidFile {
    path: PathBuf,
    file: Option<File>,
}

impl CidFile {
    /// Makes the file, before the container is made: a name that is taken must not cost one.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let file = file.with_context(|| {
            format!(
                "cannot make the container ID file {}: remove it or name another",
                path.display()
            )
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: Some(file),
        })
    }

    /// Writes the ID.
    pub(super) fn write(mut self, id: &str) -> Result<()> {
        let Some(mut file) = self.file.take() else {
            return Ok(());
        };
        file.write_all(id.as_bytes())
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Drop for CidFile {
    fn drop(&mut self) {
        if self.file.is_some() {
            // Nothing was written into it; one that stays is an empty file.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_variables_have_comments() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("env");
        std::fs::write(&path, "# said\n\nA=1\r\n  B=x y\nC\n").expect("a file");
        let read = lines(std::slice::from_ref(&path)).expect("lines");
        assert_eq!(read, ["A=1", "B=x y", "C"]);
        std::fs::write(&path, "A=1\na b=2\n").expect("a file");
        let error = lines(&[path]).expect_err("a name with a space");
        assert!(error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn the_file_of_an_id_stays_only_with_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("cid");
        drop(CidFile::create(&path).expect("a file"));
        assert!(!path.exists());
        let file = CidFile::create(&path).expect("a file");
        file.write("abc").expect("a write");
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "abc");
        assert!(CidFile::create(&path).is_err());
    }
}
