//! Finding a path's component as Windows would: whatever its case.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

pub use porthole_winpath::name::folded;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags};
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
    find_other_case(directory, name)?
        .map(|found| open_entry(directory, &*found))
        .transpose()
}

/// How the entry of `directory` is spelt that Windows would find under `name`, a symbolic link
/// included; `name` must be one component.
///
/// # Errors
/// Whatever the kernel reports; an absent entry is no error but `None`.
pub fn find_name(directory: &OwnedFd, name: &str) -> rustix::io::Result<Option<CString>> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(CString::new(name).ok()),
        Err(Errno::NOENT) => find_other_case(directory, name),
        Err(error) => Err(error),
    }
}

fn find_other_case(directory: &OwnedFd, name: &str) -> rustix::io::Result<Option<CString>> {
    let wanted = folded(name);
    let mut found = None;
    each_name(directory, |entry| {
        let same = entry.to_str().is_ok_and(|text| folded(text) == wanted);
        if same {
            found = Some(entry.to_owned());
        }
        !same
    })?;
    Ok(found)
}

/// Tells `visit` the names in a directory, `.` and `..` apart, for as long as it says so.
///
/// # Errors
/// Whatever the kernel reports.
pub fn each_name(
    directory: &OwnedFd,
    mut visit: impl FnMut(&CStr) -> bool,
) -> rustix::io::Result<()> {
    let readable = rustix::fs::openat2(
        directory,
        ".",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        BENEATH,
    )?;
    for entry in Dir::read_from(&readable)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." && !visit(name) {
            break;
        }
    }
    Ok(())
}

fn open_entry(directory: &OwnedFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::openat2(directory, name, flags, Mode::empty(), BENEATH)
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
        assert_eq!(
            find_name(&c_drive, "äPFEL").unwrap().as_deref(),
            Some(c"ÄPFEL")
        );
        assert_eq!(find_name(&c_drive, "absent").unwrap(), None);
    }

    #[test]
    fn no_component_leads_out() {
        let temporary = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", temporary.path().join("link")).unwrap();
        let c_drive = directory(temporary.path());
        assert_eq!(find_component(&c_drive, "LINK").unwrap_err(), Errno::LOOP);
        let link = find_name(&c_drive, "LINK").unwrap();
        assert_eq!(link.as_deref(), Some(c"link"));
        assert!(find_component(&c_drive, "..").is_err());
        assert!(find_component(&c_drive, "../etc").is_err());
    }
}
