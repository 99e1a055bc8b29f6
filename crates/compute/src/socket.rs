//! Unix sockets by path, however long.

use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tokio::net::UnixStream;

/// Bytes of a socket's address, its terminating zero included.
const MAX_ADDRESS: usize = 108;

/// Connects to the socket at `path`. An address holds 107 bytes; longer paths are reached through
/// an open directory.
pub(crate) async fn connect(path: &Path) -> io::Result<UnixStream> {
    if path.as_os_str().len() < MAX_ADDRESS {
        return UnixStream::connect(path).await;
    }
    let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
    let parent = path.parent().ok_or_else(invalid)?;
    let name = path.file_name().ok_or_else(invalid)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(parent, flags, Mode::empty())?;
    let mut short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    short.push(name);
    UnixStream::connect(short).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_long_path_is_reached() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let previous = tokio::net::UnixListener::bind(directory.path().join("s")).unwrap();
        std::fs::rename(directory.path().join("s"), deep.join("s")).unwrap();
        connect(&deep.join("s")).await.unwrap();
        drop(previous);
    }
}
