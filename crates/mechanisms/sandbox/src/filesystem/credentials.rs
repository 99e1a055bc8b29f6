//! Acting on the sandbox with IDs that its ID map knows.

use crate::error::{Context, Result};
use crate::id_map::SILO_BASE;
use crate::sys;

/// Runs `action` with the silo's ID 0 as file system IDs and every capability.
///
/// Root's own IDs have no place in the sandbox's ID map: files made with them would be refused.
pub(super) fn as_silo_root<T>(action: impl FnOnce() -> T) -> Result<T> {
    as_owner(SILO_BASE, action)
}

/// Runs `action` with the file system IDs of `owner`, user and group alike, and every capability
/// that this thread may have. What it makes belongs to `owner`.
///
/// # Errors
/// When the kernel refuses the capabilities; the result of `action` is within.
pub fn as_owner<T>(owner: u32, action: impl FnOnce() -> T) -> Result<T> {
    let operation = "become the silo's root for";
    let mut capabilities = rustix::thread::capabilities(None).context(operation, "mounting")?;
    let before = capabilities.effective;
    sys::set_file_system_ids(owner);
    // The change of IDs has taken the file system's capabilities away.
    capabilities.effective = capabilities.permitted;
    let raised = rustix::thread::set_capabilities(None, capabilities);
    let result = action();
    sys::set_file_system_ids(0);
    capabilities.effective = before;
    let restored = rustix::thread::set_capabilities(None, capabilities);
    raised.and(restored).context(operation, "mounting")?;
    Ok(result)
}
