//! The files of a container's registry: what wineserver has written there is what the container's
//! programs wanted.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::{DEFAULT_USER_FILE, SYSTEM_FILE, USER_FILE, is_complete};
use crate::error::{Error, ErrorKind, IoContext, Result};

/// The three roots of a registry, as Wine's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryTexts {
    /// `REGISTRY\Machine`.
    pub machine: Vec<u8>,
    /// `HKEY_CURRENT_USER`.
    pub user: Vec<u8>,
    /// `HKEY_USERS\.Default`.
    pub default_user: Vec<u8>,
}

impl RegistryTexts {
    /// The most that is taken of each, in bytes.
    pub const MAX_SIZE: u64 = 64 << 20;

    /// Reads the files in `directory`, which a container may have written, while nobody writes them.
    /// Nothing when there is no whole registry, and the container's next start makes a new one.
    ///
    /// # Errors
    /// `Malformed` for one beyond [`RegistryTexts::MAX_SIZE`]; a failure of the file system.
    pub fn read(directory: &Path) -> Result<Option<Self>> {
        if !is_complete(directory) {
            return Ok(None);
        }
        Ok(Some(Self {
            machine: read(directory, SYSTEM_FILE)?,
            user: read(directory, USER_FILE)?,
            default_user: read(directory, DEFAULT_USER_FILE)?,
        }))
    }
}

/// Reads a file, neither through a link nor of a FIFO.
fn read(directory: &Path, name: &str) -> Result<Vec<u8>> {
    let path = directory.join(name);
    let refused =
        |message: String| Error::new(ErrorKind::Malformed, "read registry", &path, message);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(CWD, &path, flags, Mode::empty()) {
        Err(Errno::LOOP) => return Err(refused("a link".to_owned())),
        opened => File::from(opened.at("open registry", &path)?),
    };
    let metadata = file.metadata().at("look at registry", &path)?;
    let limit = RegistryTexts::MAX_SIZE;
    if !metadata.is_file() || metadata.len() > limit {
        return Err(refused(format!("not a file of at most {limit} bytes")));
    }
    let mut text = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    file.take(limit)
        .read_to_end(&mut text)
        .at("read registry", &path)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_a_container_put_in_the_place_of_its_registry_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        assert_eq!(RegistryTexts::read(directory).unwrap(), None);
        for name in super::super::FILES {
            fs::write(directory.join(name), "WINE REGISTRY Version 2\n").unwrap();
        }
        assert!(RegistryTexts::read(directory).unwrap().is_some());
        let system = directory.join(SYSTEM_FILE);
        let file = fs::OpenOptions::new().write(true).open(&system).unwrap();
        file.set_len(RegistryTexts::MAX_SIZE + 1).unwrap();
        let error = RegistryTexts::read(directory).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        fs::remove_file(&system).unwrap();
        std::os::unix::fs::symlink(directory.join(USER_FILE), &system).unwrap();
        assert_eq!(RegistryTexts::read(directory).unwrap(), None);
    }
}
