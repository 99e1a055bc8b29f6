//! Changes on disk that outlive a crash of the machine.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Renames what has been synced, and syncs the name: a name that stands for half a file would pass
/// for a whole one ever after.
///
/// # Errors
/// The operating system's; the new name may be there already then.
pub fn rename_synced(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_names(to.parent().ok_or(io::ErrorKind::InvalidInput)?)
}

/// Makes what a directory's entries are called as durable as what is in them.
///
/// # Errors
/// The operating system's.
pub fn sync_names(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Syncs everything in a directory. There may be thousands of files, and a write for each would be
/// waited for: they are synced at once with their file system.
///
/// # Errors
/// The operating system's.
pub fn sync_tree(directory: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(directory)?)?)
}

/// Replaces a small file, or makes it with the permissions `mode`: it is there whole or not at all.
///
/// # Errors
/// The operating system's; a file that was there before is unharmed.
pub fn replace_synced(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = name.to_os_string();
    temporary.push(".tmp");
    let temporary = path.with_file_name(temporary);
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    rename_synced(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        for content in ["a longer first one", "second"] {
            replace_synced(&path, content.as_bytes(), 0o600).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
