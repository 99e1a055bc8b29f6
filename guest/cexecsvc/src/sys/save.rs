//! Writing roots of the registry to files.
#![allow(unsafe_code)] // Calls native functions.

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS};

use super::nt::ObjectName;
use crate::error::{Failure, Outcome};

#[link(name = "ntdll")]
unsafe extern "system" {
    fn NtOpenKey(
        handle: *mut HANDLE,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
    ) -> NTSTATUS;
    fn NtSaveKey(key: HANDLE, file: HANDLE) -> NTSTATUS;
    fn RtlAdjustPrivilege(privilege: u32, enable: u8, thread: u8, before: *mut u8) -> NTSTATUS;
    fn RtlOpenCurrentUser(access: u32, handle: *mut HANDLE) -> NTSTATUS;
}

const KEY_READ: u32 = 0x0002_0019;

/// A root of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// `HKEY_LOCAL_MACHINE`.
    Machine,
    /// `HKEY_CURRENT_USER`.
    User,
    /// `HKEY_USERS\.Default`.
    DefaultUser,
}

/// Lets this process read all of the registry whatever the security of its keys, which saving wants.
pub(crate) fn allow() -> Outcome<()> {
    const BACKUP: u32 = 17;
    let mut before = 0;
    // SAFETY: `before` is writable.
    let status = unsafe { RtlAdjustPrivilege(BACKUP, 1, 0, &raw mut before) };
    Failure::check("RtlAdjustPrivilege", status)
}

/// Writes a root to `file`. Wineserver does, in one go: nothing in the root changes meanwhile.
pub(crate) fn save(root: Root, file: &OwnedHandle) -> Outcome<()> {
    let key = open(root)?;
    // SAFETY: both handles are open.
    let status = unsafe { NtSaveKey(key.as_raw_handle(), file.as_raw_handle()) };
    Failure::check("NtSaveKey", status)
}

fn open(root: Root) -> Outcome<OwnedHandle> {
    let mut handle = ptr::null_mut();
    let path = match root {
        Root::Machine => Some(r"\Registry\Machine"),
        Root::DefaultUser => Some(r"\Registry\User\.Default"),
        Root::User => None,
    };
    let status = match path.map(|path| ObjectName::new(path, None)) {
        // SAFETY: the name's pointers live until the end of this arm.
        Some(name) => unsafe { NtOpenKey(&raw mut handle, KEY_READ, name.attributes()) },
        // SAFETY: the handle is writable.
        None => unsafe { RtlOpenCurrentUser(KEY_READ, &raw mut handle) },
    };
    Failure::check("NtOpenKey", status)?;
    // SAFETY: the call succeeded, so the handle is ours.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}
