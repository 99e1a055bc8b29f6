//! Changes on disk that outlive a crash of the machine.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Renames what has been synced, and syncs the name: a name that stands for half a file would pass
/// for a whole one ever after.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    let parent = to.parent().ok_or(io::ErrorKind::InvalidInput)?;
    File::open(parent)?.sync_all()
}

/// Replaces a small file in one step.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    io::Write::write_all(&mut file, content)?;
    file.sync_all()?;
    rename(&temporary, path)
}

/// Syncs everything in a directory. There may be thousands of files: they are synced at once with
/// their file system.
pub(crate) fn sync_tree(directory: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(directory)?)?)
}
