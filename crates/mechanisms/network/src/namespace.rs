//! Network namespaces: made in a thread of their own, bound to a file.
#![allow(unsafe_code)] // `unshare`: nothing else makes a namespace without a process.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::UnmountFlags;
use rustix::thread::UnshareFlags;

use crate::error::{Error, Result};
use crate::{link, sysctl};

/// The namespace of the calling thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// Makes a network namespace and binds it to `path`. Returns it, and a netlink connection into it
/// that the current runtime serves.
///
/// A thread of its own enters the new namespace and ends, because a thread that has left the
/// host's must not go back to serve other work. A socket stays in the namespace it was made in.
pub(crate) async fn create(path: &Path) -> Result<(File, rtnetlink::Handle)> {
    const OPERATION: &str = "create network namespace";
    let runtime = tokio::runtime::Handle::current();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let target = path.to_owned();
    let work = move || {
        let _guard = runtime.enter();
        // Fails only when the caller has gone; then reconciliation finds what was made.
        let _ = sender.send(enter_new(&target));
    };
    let failed = |error| Error::io(OPERATION, path, error);
    std::fs::create_dir_all(path.parent().unwrap_or(path)).map_err(failed)?;
    std::thread::Builder::new()
        .name("netns".to_owned())
        .spawn(work)
        .map_err(failed)?;
    let lost = |_| failed(io::Error::other("the thread panicked"));
    receiver.await.map_err(lost)?.map_err(failed)
}

fn enter_new(path: &Path) -> io::Result<(File, rtnetlink::Handle)> {
    // SAFETY: only the calling thread changes its namespace, and it ends after this.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
    let namespace = File::open(OWN)?;
    sysctl::disable_ipv6_of_new_interfaces()?;
    File::create(path)?;
    rustix::mount::mount_bind(OWN, path)?;
    Ok((namespace, link::connect()?))
}

/// Unbinds a namespace's file and removes it; what is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<()> {
    const OPERATION: &str = "remove network namespace";
    loop {
        match rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            // There may be more than one mount after a crash between bind and record.
            Ok(()) => {}
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => break,
            Err(error) => return Err(Error::io(OPERATION, path, error)),
        }
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(OPERATION, path, error))
        }
        _ => Ok(()),
    }
}

/// Whether a namespace is bound to `path`.
pub(crate) fn is_bound(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|file_system| file_system.f_type == NSFS_MAGIC)
}

/// `NSFS_MAGIC` of `linux/magic.h`.
const NSFS_MAGIC: rustix::fs::FsWord = 0x6e73_6673;

/// The directory of the namespaces' files.
pub(crate) fn directory(exec_root: &Path) -> PathBuf {
    exec_root.join("netns")
}

/// The namespaces' files.
pub(crate) fn list(exec_root: &Path) -> Result<Vec<PathBuf>> {
    let directory = directory(exec_root);
    let failed = |error| Error::io("list network namespaces", &directory, error);
    match std::fs::read_dir(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(failed),
    }
}

/// Removes the directory of the namespaces' files, which must be empty.
pub(crate) fn remove_directory(exec_root: &Path) -> Result<()> {
    let directory = directory(exec_root);
    match std::fs::remove_dir(&directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove directory", &directory, error))
        }
        _ => Ok(()),
    }
}
