//! Finding a path's component as Windows would: whatever its case.

use std::os::fd::OwnedFd;

use rustix::fs::{Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// What lies beneath: neither a symbolic link, however it came there, nor `..` leads out.
pub(super) const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// Opens (without access to its content) the entry of `directory` that Windows would find under
/// `name`: the one of this spelling, else any that differs from it only in case.
///
/// # Errors
/// Whatever the kernel reports, [`Errno::LOOP`] for a symbolic link among them; an absent entry
/// is no error but `None`.
pub fn find_component(directory: &OwnedFd, name: &str) -> rustix::io::Result<Option<OwnedFd>> {
    match open_entry(directory, name) {
        Err(Errno::NOENT) => {}
        result => return result.map(Some),
    }
    let readable = rustix::fs::openat2(
        directory,
        ".",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        BENEATH,
    )?;
    let wanted = folded(name);
    for entry in Dir::read_from(&readable)? {
        let entry = entry?;
        let found = entry
            .file_name()
            .to_str()
            .is_ok_and(|text| folded(text) == wanted);
        if found {
            return open_entry(directory, entry.file_name()).map(Some);
        }
    }
    Ok(None)
}

fn open_entry(directory: &OwnedFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::openat2(directory, name, flags, Mode::empty(), BENEATH)
}

/// Upper case one character to one, as NTFS's table has it: what becomes several stays as it is.
fn folded(name: &str) -> String {
    name.chars()
        .map(|character| {
            let mut upper = character.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(single), None) => single,
                _ => character,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn directory(path: &std::path::Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    #[test]
    fn a_component_is_found_in_any_case_and_the_exact_spelling_wins() {
        let temporary = tempfile::tempdir().unwrap();
        for name in ["Users", "ÄPFEL", "both", "BOTH"] {
            fs::create_dir(temporary.path().join(name)).unwrap();
        }
        fs::write(temporary.path().join("BOTH/mark"), "").unwrap();
        let c_drive = directory(temporary.path());
        assert!(find_component(&c_drive, "uSERS").unwrap().is_some());
        assert!(find_component(&c_drive, "äpfel").unwrap().is_some());
        assert!(find_component(&c_drive, "absent").unwrap().is_none());
        let exact = find_component(&c_drive, "BOTH").unwrap().unwrap();
        assert!(find_component(&exact, "mark").unwrap().is_some());
    }

    #[test]
    fn no_component_leads_out() {
        let temporary = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", temporary.path().join("link")).unwrap();
        let c_drive = directory(temporary.path());
        assert_eq!(find_component(&c_drive, "LINK").unwrap_err(), Errno::LOOP);
        assert!(find_component(&c_drive, "..").is_err());
        assert!(find_component(&c_drive, "../etc").is_err());
    }
}
