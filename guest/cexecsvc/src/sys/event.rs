//! Events, and waiting for several things at once.
#![allow(unsafe_code)] // Wraps handle calls.

use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{WAIT_FAILED, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::{
    CreateEventW, INFINITE, ResetEvent, SetEvent, WaitForMultipleObjects,
};

use crate::error::{Failure, Outcome};

/// A manual-reset event.
#[derive(Debug)]
pub(crate) struct Event(OwnedHandle);

impl Event {
    /// A new event, not signaled.
    pub(crate) fn new() -> Outcome<Self> {
        // SAFETY: no name and no attributes are passed.
        let handle = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
        if handle.is_null() {
            return Err(Failure::last("CreateEvent"));
        }
        // SAFETY: the call succeeded, so the handle is ours.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// Signals the event.
    pub(crate) fn set(&self) {
        // SAFETY: the handle is an event's. It cannot fail then.
        unsafe { SetEvent(self.0.as_raw_handle()) };
    }

    /// Takes the signal back.
    pub(crate) fn reset(&self) {
        // SAFETY: the handle is an event's. It cannot fail then.
        unsafe { ResetEvent(self.0.as_raw_handle()) };
    }

    /// The handle, to wait for.
    pub(crate) fn handle(&self) -> &OwnedHandle {
        &self.0
    }
}

/// Waits until one of `handles` (at most 64) is signaled; the first such one's place, or `None`
/// when `timeout` milliseconds have passed first (for ever without a timeout).
pub(crate) fn wait_any(
    handles: &[BorrowedHandle<'_>],
    timeout: Option<u32>,
) -> Outcome<Option<usize>> {
    let count = u32::try_from(handles.len()).unwrap_or(u32::MAX);
    let raw: Vec<_> = handles
        .iter()
        .map(|handle| handle.as_raw_handle())
        .collect();
    // SAFETY: the borrowed handles stay open during the call.
    let result =
        unsafe { WaitForMultipleObjects(count, raw.as_ptr(), 0, timeout.unwrap_or(INFINITE)) };
    match result {
        WAIT_TIMEOUT => Ok(None),
        WAIT_FAILED => Err(Failure::last("WaitForMultipleObjects")),
        index => Ok(Some((index - WAIT_OBJECT_0) as usize)),
    }
}
