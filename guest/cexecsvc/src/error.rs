//! Failed calls, with Windows' own words for them.
#![allow(unsafe_code)] // `FormatMessageW` fills a raw buffer.

use porthole_protocol::WindowsError;
use windows_sys::Win32::Foundation::{GetLastError, NTSTATUS, RtlNtStatusToDosError};
use windows_sys::Win32::System::Diagnostics::Debug::{
    FORMAT_MESSAGE_FROM_SYSTEM, FORMAT_MESSAGE_IGNORE_INSERTS, FormatMessageW,
};

use crate::sys::text;

/// A call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    operation: &'static str,
    code: u32,
}

/// The outcome of a call.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// `operation` failed with this Win32 error code.
    pub(crate) const fn new(operation: &'static str, code: u32) -> Self {
        Self { operation, code }
    }

    /// `operation` has just failed; takes the thread's last error.
    pub(crate) fn last(operation: &'static str) -> Self {
        // SAFETY: reads a thread-local value.
        Self::new(operation, unsafe { GetLastError() })
    }

    /// Turns the status of a native call into an outcome.
    pub(crate) fn check(operation: &'static str, status: NTSTATUS) -> Outcome<()> {
        if status >= 0 {
            return Ok(());
        }
        // SAFETY: looks a number up in a table.
        Err(Self::new(operation, unsafe {
            RtlNtStatusToDosError(status)
        }))
    }

    /// Turns the result of a Win32 call into an outcome.
    pub(crate) fn check_bool(operation: &'static str, result: i32) -> Outcome<()> {
        if result != 0 {
            Ok(())
        } else {
            Err(Self::last(operation))
        }
    }

    /// The Win32 error code.
    pub(crate) const fn code(self) -> u32 {
        self.code
    }
}

impl From<Failure> for WindowsError {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code,
            operation: failure.operation.to_owned(),
            message: message(failure.code),
        }
    }
}

/// Windows' text for `code`. Wine words the errors that a user meets first differently from
/// Windows, and documentation, tests and people know Windows' words.
fn message(code: u32) -> String {
    let known = match code {
        2 => "The system cannot find the file specified.",
        3 => "The system cannot find the path specified.",
        5 => "Access is denied.",
        8 => "Not enough memory resources are available to process this command.",
        87 => "The parameter is incorrect.",
        123 => "The filename, directory name, or volume label syntax is incorrect.",
        161 => "The specified path is invalid.",
        193 => "%1 is not a valid Win32 application.",
        206 => "The filename or extension is too long.",
        216 => {
            "This version of %1 is not compatible with the version of Windows you're running. \
             Check your computer's system information and then contact the software publisher."
        }
        267 => "The directory name is invalid.",
        1168 => "Element not found.",
        _ => return system_message(code),
    };
    known.to_owned()
}

fn system_message(code: u32) -> String {
    let mut buffer = [0_u16; 512];
    // SAFETY: the buffer is as long as stated, and no inserts are read.
    let length = unsafe {
        FormatMessageW(
            FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS,
            std::ptr::null(),
            code,
            0,
            buffer.as_mut_ptr(),
            512,
            std::ptr::null(),
        )
    };
    if length == 0 {
        return format!("Unknown error (0x{code:x})");
    }
    text::narrow(&buffer).trim_end().to_owned()
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", WindowsError::from(*self))
    }
}
