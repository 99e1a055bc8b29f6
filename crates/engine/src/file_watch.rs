//! Notices when files in a directory are written.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

/// A watch on a directory.
#[derive(Debug)]
pub(crate) struct FileWatch {
    inotify: AsyncFd<OwnedFd>,
}

impl FileWatch {
    /// Watches the files in `directory`, also those to come. What is written from now on is
    /// noticed.
    pub(crate) fn new(directory: &Path) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        inotify::add_watch(&inotify, directory, WatchFlags::MODIFY | WatchFlags::CREATE)?;
        #[expect(
            deprecated,
            reason = "unsound only for types that change their descriptor; this one cannot"
        )]
        let inotify = AsyncFd::new(inotify)?;
        Ok(Self { inotify })
    }

    /// Waits until something was written since the last call.
    pub(crate) async fn changed(&self) -> io::Result<()> {
        // What happened does not matter, only that something did.
        let mut events = [0; 4096];
        loop {
            let mut ready = self.inotify.readable().await?;
            let read = ready.try_io(|inotify| Ok(rustix::io::read(inotify, &mut events)?));
            if let Ok(read) = read {
                return read.map(drop);
            }
        }
    }
}
