//! A fake system's drive C:, a directory of the host.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use porthole_archive::{Drive, Ownership};
use rustix::fs::{Mode, OFlags};

/// A drive; goes away with the script.
#[derive(Debug)]
pub(super) struct FakeDrive {
    directory: PathBuf,
    sockets: AtomicU32,
}

impl FakeDrive {
    /// An empty drive.
    pub(super) fn make() -> io::Result<Self> {
        static DRIVES: AtomicU32 = AtomicU32::new(0);
        let number = DRIVES.fetch_add(1, Ordering::Relaxed);
        let name = format!("porthole-fake-drive-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory)?;
        std::fs::create_dir(directory.join("c"))?;
        Ok(Self {
            directory,
            sockets: AtomicU32::new(0),
        })
    }

    pub(super) fn root(&self) -> PathBuf {
        self.directory.join("c")
    }

    /// Serves one connection, for one request.
    pub(super) fn listen(&self) -> io::Result<PathBuf> {
        let number = self.sockets.fetch_add(1, Ordering::Relaxed);
        let socket = self.directory.join(number.to_string());
        let listener = UnixListener::bind(&socket)?;
        let root = self.root();
        std::thread::spawn(move || {
            if let Ok((stream, _)) = listener.accept() {
                serve(stream, &root);
            }
        });
        Ok(socket)
    }
}

impl Drop for FakeDrive {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn serve(mut stream: UnixStream, root: &Path) {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(root) = rustix::fs::open(root, flags, Mode::empty()) else {
        return;
    };
    // A client that leaves is not the drive's business.
    let _ = porthole_archive::serve(&mut stream, |_| Ok(Drive::new(root, Ownership::Caller)));
}
