//! The connection to the daemon.

use anyhow::{Result, bail};
use bollard::{ClientVersion, Docker};

/// The version of the API that this program speaks.
const VERSION: ClientVersion = ClientVersion {
    major_version: 1,
    minor_version: 50,
};

/// Seconds to wait for the head of an answer.
const TIMEOUT_SECONDS: u64 = 120;

/// Connects to the daemon that `host` names.
pub(crate) fn connect(host: &str) -> Result<Docker> {
    let path = match host.split_once("://") {
        None => host,
        Some(("unix", path)) => path,
        Some((scheme, _)) => {
            bail!("cannot connect to {host}: {scheme}:// is not supported, use unix://")
        }
    };
    Ok(Docker::connect_with_unix(path, TIMEOUT_SECONDS, &VERSION)?)
}
