//! The connection to the daemon.

use anyhow::{Result, bail};
use bollard::{ClientVersion, Docker};

/// The version of the API that this program speaks.
pub(crate) const VERSION: ClientVersion = ClientVersion {
    major_version: 1,
    minor_version: 50,
};

/// Seconds to wait for the head of an answer.
const TIMEOUT_SECONDS: u64 = 120;

/// The path of the socket that `host` names.
pub(crate) fn socket(host: &str) -> Result<&str> {
    match host.split_once("://") {
        None => Ok(host),
        Some(("unix", path)) => Ok(path),
        Some((scheme, _)) => {
            bail!("cannot connect to {host}: {scheme}:// is not supported, use unix://")
        }
    }
}

/// Connects to the daemon that `host` names.
pub(crate) fn connect(host: &str) -> Result<Docker> {
    Ok(Docker::connect_with_unix(
        socket(host)?,
        TIMEOUT_SECONDS,
        &VERSION,
    )?)
}
