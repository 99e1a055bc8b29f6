//! Job objects: a program with all its descendants.
#![allow(unsafe_code)] // Wraps job calls.

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::ERROR_MORE_DATA;
use windows_sys::Win32::System::JobObjects::{
    CreateJobObjectW, JobObjectBasicProcessIdList, QueryInformationJobObject, TerminateJobObject,
};

use crate::error::{Failure, Outcome};

/// A job object.
#[derive(Debug)]
pub(crate) struct Job(OwnedHandle);

impl Job {
    /// A new job without processes.
    pub(crate) fn new() -> Outcome<Self> {
        // SAFETY: no name and no attributes are passed.
        let handle = unsafe { CreateJobObjectW(ptr::null(), ptr::null()) };
        if handle.is_null() {
            return Err(Failure::last("CreateJobObject"));
        }
        // SAFETY: the call succeeded, so the handle is ours.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// The handle, to start processes in the job.
    pub(crate) fn handle(&self) -> &OwnedHandle {
        &self.0
    }

    /// Ends every process of the job at once.
    pub(crate) fn terminate(&self, exit_code: u32) -> Outcome<()> {
        // SAFETY: the handle is a job's.
        let done = unsafe { TerminateJobObject(self.0.as_raw_handle(), exit_code) };
        Failure::check_bool("TerminateJobObject", done)
    }

    /// The IDs of the processes in the job.
    pub(crate) fn processes(&self) -> Outcome<Vec<u32>> {
        // Two 32-bit counts, then one pointer-sized ID each.
        let mut list = vec![0_usize; 1 + 64];
        loop {
            let bytes = u32::try_from(list.len() * size_of::<usize>()).unwrap_or(u32::MAX);
            // SAFETY: the list is `bytes` bytes long and aligned for the structure.
            let done = unsafe {
                QueryInformationJobObject(
                    self.0.as_raw_handle(),
                    JobObjectBasicProcessIdList,
                    list.as_mut_ptr().cast(),
                    bytes,
                    ptr::null_mut(),
                )
            };
            let failure = (done == 0).then(|| Failure::last("QueryInformationJobObject"));
            match failure {
                None => break,
                Some(failure) if failure.code() == ERROR_MORE_DATA => {
                    list.resize(list.len() * 2, 0);
                }
                Some(failure) => return Err(failure),
            }
        }
        let listed = list[0] >> 32;
        let ids = list[1..].iter().take(listed);
        Ok(ids.filter_map(|&id| u32::try_from(id).ok()).collect())
    }
}
