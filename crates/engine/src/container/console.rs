//! Resizing consoles.

use porthole_compute_service as compute;
use porthole_compute_service::system::Process;
use porthole_hcs as hcs;

use crate::error::{Error, Result};

/// Gives a process's console another size.
pub(crate) async fn resize(process: &dyn Process, height: u16, width: u16) -> Result<()> {
    let request = hcs::ProcessModifyRequest {
        operation: hcs::ModifyOperation::ConsoleSize,
        console_size: Some(hcs::ConsoleSize { height, width }),
        close_handle: None,
    };
    process
        .modify(&request)
        .await
        .map_err(|error| match error.kind() {
            compute::ErrorKind::NotSupported => {
                Error::invalid("cannot resize: the process has no console").with_source(error)
            }
            compute::ErrorKind::ProcessAlreadyStopped => {
                Error::conflict("cannot resize: the process is not running").with_source(error)
            }
            _ => Error::system(format!("cannot resize the console: {error}")).with_source(error),
        })
}
