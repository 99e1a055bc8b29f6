//! The page that the kernel shares with every process (`KUSER_SHARED_DATA`), as far as a boot
//! fills it. Wine keeps it in a section that one process may map for writing.
#![allow(unsafe_code)] // Maps the section and writes into it.

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS};
use windows_sys::Win32::System::Memory::{
    FILE_MAP_READ, FILE_MAP_WRITE, MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFile, UnmapViewOfFile,
};
use windows_sys::Win32::System::SystemInformation::OSVERSIONINFOEXW;

use super::nt::ObjectName;
use crate::error::{Failure, Outcome};

#[link(name = "ntdll")]
unsafe extern "system" {
    fn NtOpenSection(
        handle: *mut HANDLE,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
    ) -> NTSTATUS;
    fn RtlGetVersion(version: *mut OSVERSIONINFOEXW) -> NTSTATUS;
}

const SIZE: usize = 0x1000;

/// The mapped page.
#[derive(Debug)]
pub(crate) struct SharedData(*mut u8);

impl SharedData {
    /// Maps the page for writing.
    pub(crate) fn map() -> Outcome<Self> {
        const SECTION_MAP: u32 = 0x02 | 0x04;
        let name = ObjectName::new(r"\KernelObjects\__wine_user_shared_data", None);
        let mut handle = ptr::null_mut();
        // SAFETY: the name's pointers live until the end of this function.
        let status = unsafe { NtOpenSection(&raw mut handle, SECTION_MAP, name.attributes()) };
        Failure::check("NtOpenSection", status)?;
        // SAFETY: the call succeeded, so the handle is ours.
        let section = unsafe { OwnedHandle::from_raw_handle(handle) };
        // SAFETY: maps the section's first page wherever there is room.
        let view = unsafe {
            MapViewOfFile(
                section.as_raw_handle(),
                FILE_MAP_READ | FILE_MAP_WRITE,
                0,
                0,
                SIZE,
            )
        };
        if view.Value.is_null() {
            return Err(Failure::last("MapViewOfFile"));
        }
        Ok(Self(view.Value.cast()))
    }

    /// Writes `bytes` at `offset`; what would leave the page is not written.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        if offset.checked_add(bytes.len()).is_none_or(|end| end > SIZE) {
            return;
        }
        // SAFETY: the range lies inside the mapped page. Readers are other processes, which
        // tolerate any order of these writes: they are done before any program starts.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.0.add(offset), bytes.len()) };
    }
}

impl Drop for SharedData {
    fn drop(&mut self) {
        // SAFETY: the view was mapped by `map` and is not used again.
        unsafe {
            UnmapViewOfFile(MEMORY_MAPPED_VIEW_ADDRESS {
                Value: self.0.cast(),
            })
        };
    }
}

/// The version of Windows that the registry names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version {
    /// For example 10.
    pub(crate) major: u32,
    /// For example 0.
    pub(crate) minor: u32,
    /// For example 20348.
    pub(crate) build: u32,
    /// 1 workstation, 2 domain controller, 3 server.
    pub(crate) product_type: u8,
    /// `VER_SUITE_…` bits.
    pub(crate) suite: u16,
}

/// Asks for the version of Windows.
pub(crate) fn version() -> Version {
    let mut info = OSVERSIONINFOEXW {
        dwOSVersionInfoSize: u32::try_from(size_of::<OSVERSIONINFOEXW>()).unwrap_or(0),
        ..Default::default()
    };
    // SAFETY: the structure is writable and says its size. The call cannot fail.
    unsafe { RtlGetVersion(&raw mut info) };
    Version {
        major: info.dwMajorVersion,
        minor: info.dwMinorVersion,
        build: info.dwBuildNumber,
        product_type: info.wProductType,
        suite: info.wSuiteMask,
    }
}
