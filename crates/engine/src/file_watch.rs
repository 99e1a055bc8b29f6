//! Notices when files in directories are written. One inotify instance serves everybody: a host
//! gives a user 128 of them by default, and there may be more followers of logs than that. What the
//! kernel does not watch is looked at again and again, so that nobody is ever left waiting.

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// How often files that the kernel does not watch are looked at.
const POLL: Duration = Duration::from_millis(250);

/// Bytes of events that are read at once.
const BUFFER: usize = 4096;

/// The directories that are watched. Needs a tokio runtime.
#[derive(Debug, Default)]
pub(crate) struct FileWatches {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    watching: Mutex<Option<Watching>>,
}

/// What the kernel watches.
#[derive(Debug)]
struct Watching {
    inotify: Arc<AsyncFd<OwnedFd>>,
    /// Tells those who follow a directory, by the kernel's number for it.
    directories: BTreeMap<i32, watch::Sender<()>>,
    reader: AbortHandle,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// A watch on a directory.
#[derive(Debug)]
pub(crate) struct FileWatch {
    /// None when the kernel does not watch it.
    notices: Option<Notices>,
}

#[derive(Debug)]
struct Notices {
    changes: watch::Receiver<()>,
    /// Last, so that it goes when the receiver is gone.
    _place: Place,
}

/// A directory's place among those that are watched.
#[derive(Debug)]
struct Place {
    shared: Arc<Shared>,
    descriptor: i32,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.give_up(self.descriptor);
    }
}

impl FileWatches {
    /// Watches the files in `directory`, also those to come. What is written from now on is
    /// noticed.
    pub(crate) fn watch(&self, directory: &Path) -> FileWatch {
        let notices = Shared::add(&self.shared, directory)
            .inspect_err(|error| {
                tracing::warn!(
                    directory = %directory.display(), %error,
                    "the kernel does not watch a log; looking at it again and again"
                );
            })
            .ok();
        FileWatch { notices }
    }
}

impl FileWatch {
    /// Waits until something may have been written since the last call.
    pub(crate) async fn changed(&mut self) {
        let Some(notices) = &mut self.notices else {
            return tokio::time::sleep(POLL).await;
        };
        if notices.changes.changed().await.is_err() {
            // The directory is gone, or the kernel's events cannot be read any more.
            self.notices = None;
        }
    }
}

impl Shared {
    fn add(shared: &Arc<Self>, directory: &Path) -> io::Result<Notices> {
        let mut watching = shared.lock();
        let watching = match &mut *watching {
            Some(watching) => watching,
            none => none.insert(Self::open(shared)?),
        };
        let flags = WatchFlags::MODIFY | WatchFlags::CREATE;
        let descriptor = inotify::add_watch(watching.inotify.get_ref(), directory, flags)?;
        let sender = watching.directories.entry(descriptor).or_default();
        Ok(Notices {
            changes: sender.subscribe(),
            _place: Place {
                shared: Arc::clone(shared),
                descriptor,
            },
        })
    }

    fn open(shared: &Arc<Self>) -> io::Result<Watching> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "unsound only for types that change their descriptor; this one cannot"
        )]
        let inotify = Arc::new(AsyncFd::new(inotify)?);
        let reader = tokio::spawn(read(Arc::clone(&inotify), Arc::downgrade(shared)));
        Ok(Watching {
            inotify,
            directories: BTreeMap::new(),
            reader: reader.abort_handle(),
        })
    }

    /// One who followed a directory has gone; nobody may be left.
    fn give_up(&self, descriptor: i32) {
        let mut watching = self.lock();
        let Some(watching) = &mut *watching else {
            return;
        };
        let sender = watching.directories.get(&descriptor);
        if sender.is_some_and(|sender| sender.receiver_count() == 0) {
            watching.directories.remove(&descriptor);
            if let Err(error) = inotify::remove_watch(watching.inotify.get_ref(), descriptor) {
                tracing::debug!(%error, "a directory that was watched is gone");
            }
        }
    }

    fn tell(&self, descriptor: i32, events: ReadFlags) {
        let mut watching = self.lock();
        let Some(watching) = &mut *watching else {
            return;
        };
        if events.contains(ReadFlags::QUEUE_OVERFLOW) {
            // It names no directory: it may have been any.
            for sender in watching.directories.values() {
                sender.send_replace(());
            }
        } else if events.contains(ReadFlags::IGNORED) {
            watching.directories.remove(&descriptor);
        } else if let Some(sender) = watching.directories.get(&descriptor) {
            sender.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Watching>> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands the kernel's events on. Should they end, everybody looks for himself, and the next watch
/// begins anew.
async fn read(inotify: Arc<AsyncFd<OwnedFd>>, shared: Weak<Shared>) {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    loop {
        let read = match inotify.readable().await {
            Ok(mut ready) => ready.try_io(|inotify| batch(inotify.get_ref(), &mut buffer, &shared)),
            Err(error) => Ok(Err(error)),
        };
        if let Ok(Err(error)) = read {
            tracing::error!(%error, "cannot read what is written to logs");
            break;
        }
    }
    if let Some(shared) = shared.upgrade() {
        *shared.lock() = None;
    }
}

/// Reads as many events as the buffer holds.
fn batch(
    inotify: &OwnedFd,
    buffer: &mut [MaybeUninit<u8>],
    shared: &Weak<Shared>,
) -> io::Result<()> {
    let mut events = inotify::Reader::new(inotify, buffer);
    loop {
        let event = events.next()?;
        if let Some(shared) = shared.upgrade() {
            shared.tell(event.wd(), event.events());
        }
        if events.is_buffer_empty() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than there are inotify instances for one user.
    const FOLLOWERS: usize = 300;

    async fn within<T>(work: impl Future<Output = T>) -> T {
        let done = tokio::time::timeout(Duration::from_secs(20), work).await;
        done.expect("it took too long")
    }

    fn instances() -> usize {
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        let targets = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        let name = Path::new("anon_inode:inotify");
        targets.filter(|target| target == name).count()
    }

    #[tokio::test]
    async fn one_instance_serves_many_and_tells_each_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let watches = FileWatches::default();
        let mut followers: Vec<_> = (0..FOLLOWERS)
            .map(|number| {
                let directory = root.path().join(number.to_string());
                std::fs::create_dir(&directory).unwrap();
                (watches.watch(&directory), watches.watch(&directory))
            })
            .collect();
        // Other tests of this program may have some too.
        assert!(instances() < 10, "{}", instances());
        assert!(followers.iter().all(|(one, _)| one.notices.is_some()));
        std::fs::write(root.path().join("7/log"), "x").unwrap();
        within(followers[7].0.changed()).await;
        within(followers[7].1.changed()).await;
        let other = followers[8].0.notices.as_ref().unwrap();
        assert!(!other.changes.has_changed().unwrap());
        drop(followers);
        let left = watches.shared.lock();
        assert!(left.as_ref().unwrap().directories.is_empty());
    }

    #[tokio::test]
    async fn what_the_kernel_does_not_watch_is_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let watches = FileWatches::default();
        let mut missing = watches.watch(&root.path().join("nowhere"));
        within(missing.changed()).await;
        let directory = root.path().join("goes");
        std::fs::create_dir(&directory).unwrap();
        let mut goes = watches.watch(&directory);
        std::fs::remove_dir(&directory).unwrap();
        within(goes.changed()).await;
        assert!(goes.notices.is_none());
        within(goes.changed()).await;
    }
}
