//! Files that get their name only once they are whole, and that are nobody else's to read.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use porthole_files::sync_names;
use tempfile::NamedTempFile;

/// A file that is being written. One that is not finished leaves nothing behind.
#[derive(Debug)]
pub(crate) struct WholeFile {
    temporary: NamedTempFile,
    directory: PathBuf,
    target: PathBuf,
}

impl WholeFile {
    /// Begins the file `path`; where that is a link, what it leads to is replaced, not the link.
    pub(crate) fn begin(path: &Path) -> io::Result<Self> {
        let target = target(path)?;
        let directory = match target.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return Err(ErrorKind::IsADirectory.into()),
        }
        .to_owned();
        // Its name is random and new, and its mode 0600.
        let temporary = NamedTempFile::new_in(&directory)?;
        Ok(Self {
            temporary,
            directory,
            target,
        })
    }

    /// What is written to.
    pub(crate) fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Gives it its name.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.temporary.as_file().sync_all()?;
        self.temporary.persist(&self.target)?;
        sync_names(&self.directory)
    }
}

/// Where a file is written that is named `path`. A link to what is not there is no place.
fn target(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error)
            if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_err() =>
        {
            Ok(path.to_owned())
        }
        target => target,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_link_stays_one_and_what_is_not_finished_leaves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "before").expect("a file");
        symlink("file", &link).expect("a link");
        let mut given_up = WholeFile::begin(&link).expect("begun");
        given_up.file().write_all(b"half").expect("written");
        drop(given_up);
        assert_eq!(fs::read(&file).expect("there"), b"before");
        let mut whole = WholeFile::begin(&link).expect("begun");
        whole.file().write_all(b"after").expect("written");
        whole.finish().expect("finished");
        assert_eq!(fs::read(&file).expect("there"), b"after");
        let of_link = fs::symlink_metadata(&link).expect("there");
        assert!(of_link.is_symlink());
        let mode = fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).expect("there").count(), 2);
        fs::remove_file(&file).expect("removed");
        assert!(WholeFile::begin(&link).is_err(), "it leads nowhere");
    }
}
