//! Native calls that no import library of the Windows bindings declares, and object names.
#![allow(unsafe_code)] // Declares and calls native functions.

use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS, UNICODE_STRING};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use crate::error::{Failure, Outcome};

#[link(name = "ntdll")]
unsafe extern "system" {
    fn NtCreateFile(
        handle: *mut HANDLE,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
        io_status: *mut IO_STATUS_BLOCK,
        allocation: *const i64,
        file_attributes: u32,
        sharing: u32,
        disposition: u32,
        options: u32,
        ea: *const u8,
        ea_length: u32,
    ) -> NTSTATUS;
    fn NtDeviceIoControlFile(
        handle: HANDLE,
        event: HANDLE,
        routine: *const u8,
        context: *const u8,
        io_status: *mut IO_STATUS_BLOCK,
        code: u32,
        parameters: *const u8,
        parameters_size: u32,
        result: *mut u8,
        result_size: u32,
    ) -> NTSTATUS;
    fn NtCreateEvent(
        handle: *mut HANDLE,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
        kind: u32,
        signaled: u8,
    ) -> NTSTATUS;
    fn NtSetEvent(handle: HANDLE, previous: *mut i32) -> NTSTATUS;
    fn NtCreateSymbolicLinkObject(
        handle: *mut HANDLE,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
        target: *const UNICODE_STRING,
    ) -> NTSTATUS;
}

const OBJ_INHERIT: u32 = 0x02;
const OBJ_CASE_INSENSITIVE: u32 = 0x40;
const OBJ_OPENIF: u32 = 0x80;

/// An object's name, with what must stay alive while a call reads it.
pub(crate) struct ObjectName {
    units: Vec<u16>,
    string: UNICODE_STRING,
    attributes: OBJECT_ATTRIBUTES,
}

impl ObjectName {
    /// `name`, absolute or relative to `root`.
    pub(crate) fn new(name: &str, root: Option<BorrowedHandle<'_>>) -> Box<Self> {
        let units: Vec<u16> = name.encode_utf16().collect();
        let bytes = u16::try_from(units.len() * 2).unwrap_or(u16::MAX - 1);
        let string = UNICODE_STRING {
            Length: bytes,
            MaximumLength: bytes,
            Buffer: ptr::null_mut(),
        };
        let attributes = OBJECT_ATTRIBUTES {
            Length: u32::try_from(size_of::<OBJECT_ATTRIBUTES>()).unwrap_or(0),
            RootDirectory: root.map_or(ptr::null_mut(), |handle| handle.as_raw_handle()),
            ObjectName: ptr::null(),
            Attributes: OBJ_CASE_INSENSITIVE,
            SecurityDescriptor: ptr::null(),
            SecurityQualityOfService: ptr::null(),
        };
        let mut object = Box::new(Self {
            units,
            string,
            attributes,
        });
        object.string.Buffer = object.units.as_mut_ptr();
        object.attributes.ObjectName = &raw const object.string;
        object
    }

    /// Makes handles opened by this name inheritable.
    pub(crate) fn inheritable(mut self: Box<Self>) -> Box<Self> {
        self.attributes.Attributes |= OBJ_INHERIT;
        self
    }

    /// The attributes for a native call; valid while `self` lives.
    pub(crate) fn attributes(&self) -> *const OBJECT_ATTRIBUTES {
        &raw const self.attributes
    }
}

/// How [`open_device`] opens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeviceAccess {
    /// The access mask.
    pub(crate) access: u32,
    /// The sharing mode.
    pub(crate) sharing: u32,
    /// The create options.
    pub(crate) options: u32,
}

/// Opens a device object or an object below one.
pub(crate) fn open_device(name: &ObjectName, how: DeviceAccess) -> Outcome<OwnedHandle> {
    const FILE_OPEN: u32 = 1;
    let mut handle = ptr::null_mut();
    let mut io_status = IO_STATUS_BLOCK::default();
    // SAFETY: the name's pointers live as long as `name`; no extended attributes are passed.
    let status = unsafe {
        NtCreateFile(
            &raw mut handle,
            how.access,
            name.attributes(),
            &raw mut io_status,
            ptr::null(),
            0,
            how.sharing,
            FILE_OPEN,
            how.options,
            ptr::null(),
            0,
        )
    };
    Failure::check("NtCreateFile", status)?;
    // SAFETY: the call succeeded, so the handle is ours.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Opens a device for control requests in both directions.
pub(crate) const READ_WRITE: DeviceAccess =
    // GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE; share all; FILE_SYNCHRONOUS_IO_NONALERT.
    DeviceAccess {
        access: 0xc010_0000,
        sharing: 3,
        options: 0x20,
    };

/// Makes a control request of a device: its status, and at most `size` bytes of result.
pub(crate) fn control(
    device: &OwnedHandle,
    code: u32,
    parameters: &[u8],
    size: usize,
) -> (u32, Vec<u8>) {
    let mut result = vec![0; size];
    let mut io_status = IO_STATUS_BLOCK::default();
    // SAFETY: both buffers are as long as stated, and the handle is synchronous.
    let status = unsafe {
        NtDeviceIoControlFile(
            device.as_raw_handle(),
            ptr::null_mut(),
            ptr::null(),
            ptr::null(),
            &raw mut io_status,
            code,
            parameters.as_ptr(),
            u32::try_from(parameters.len()).unwrap_or(0),
            result.as_mut_ptr(),
            u32::try_from(size).unwrap_or(0),
        )
    };
    result.truncate(io_status.Information);
    (status.cast_unsigned(), result)
}

/// Creates the named notification event if it is missing, and signals it.
pub(crate) fn signal_named_event(name: &str) -> Outcome<OwnedHandle> {
    const EVENT_ALL_ACCESS: u32 = 0x001f_0003;
    const NOTIFICATION_EVENT: u32 = 0;
    let mut name = ObjectName::new(name, None);
    name.attributes.Attributes |= OBJ_OPENIF;
    let mut handle = ptr::null_mut();
    // SAFETY: the name's pointers live until the end of this function.
    let status = unsafe {
        NtCreateEvent(
            &raw mut handle,
            EVENT_ALL_ACCESS,
            name.attributes(),
            NOTIFICATION_EVENT,
            0,
        )
    };
    Failure::check("NtCreateEvent", status)?;
    // SAFETY: the call succeeded, so the handle is ours.
    let event = unsafe { OwnedHandle::from_raw_handle(handle) };
    // SAFETY: the handle is an event's; the previous state is not asked for.
    Failure::check("NtSetEvent", unsafe {
        NtSetEvent(event.as_raw_handle(), ptr::null_mut())
    })?;
    Ok(event)
}

/// Creates a symbolic link of the object namespace; it lives as long as the handle.
pub(crate) fn create_link(name: &str, target: &str) -> Outcome<OwnedHandle> {
    const SYMBOLIC_LINK_ALL_ACCESS: u32 = 0x000f_0001;
    let name = ObjectName::new(name, None);
    let target = ObjectName::new(target, None);
    let mut handle = ptr::null_mut();
    // SAFETY: the pointers of both names live until the end of this function.
    let status = unsafe {
        NtCreateSymbolicLinkObject(
            &raw mut handle,
            SYMBOLIC_LINK_ALL_ACCESS,
            name.attributes(),
            &raw const target.string,
        )
    };
    Failure::check("NtCreateSymbolicLinkObject", status)?;
    // SAFETY: the call succeeded, so the handle is ours.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}
