//! The agent's own environment and working directory, by which Windows looks programs up.
#![allow(unsafe_code)] // Wraps environment calls.

use windows_sys::Win32::System::Environment::{SetCurrentDirectoryW, SetEnvironmentVariableW};

use super::text::wide;
use crate::error::{Failure, Outcome};

/// Sets a variable of the agent's own environment.
pub(crate) fn set(name: &str, value: &str) {
    let (name, value) = (wide(name), wide(value));
    // SAFETY: both strings are null-terminated. Nothing keeps pointers into the environment.
    unsafe { SetEnvironmentVariableW(name.as_ptr(), value.as_ptr()) };
}

/// Changes the agent's working directory.
pub(crate) fn change_directory(path: &str) -> Outcome<()> {
    let path = wide(path);
    // SAFETY: the path is null-terminated.
    let done = unsafe { SetCurrentDirectoryW(path.as_ptr()) };
    Failure::check_bool("SetCurrentDirectory", done)
}
