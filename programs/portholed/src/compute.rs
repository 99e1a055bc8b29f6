//! The Compute Service: found, or started.

use std::path::{Path, PathBuf};

use porthole_compute_service::launch::{self, Launch};
use porthole_compute_service::rpc::Client;

use crate::configuration::Configuration;

/// The service's program.
const PROGRAM: &str = "porthole-compute";

/// A client that starts the service whenever it is needed and does not run.
pub(crate) fn client(configuration: &Configuration) -> Client {
    launch::client(Launch {
        program: program(),
        data_root: configuration.data_root.clone(),
        exec_root: configuration.exec_root.clone(),
        log_level: Some(configuration.log_level.clone()),
    })
}

/// The program beside this one, so that a build or an installation stays together; else by its
/// name, to be found in `PATH`.
fn program() -> PathBuf {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| Some(own.parent()?.join(PROGRAM)));
    beside
        .filter(|path| path.is_file())
        .unwrap_or_else(|| Path::new(PROGRAM).to_owned())
}
