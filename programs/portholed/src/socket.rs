//! The API's sockets: who may use them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, UnixListener};

use crate::address::TcpAddress;

/// Binds a socket that root, and the members of `group` if there is one, may use.
///
/// # Errors
/// When somebody listens there, or the file system refuses.
pub(crate) fn bind(path: &Path, group: &str) -> Result<UnixListener> {
    let context = || format!("cannot listen on {}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(context)?;
    }
    // Nobody else may connect in the moment before the owner is set.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = porthole_api::bind(path);
    rustix::process::umask(before);
    let listener = listener.with_context(context)?;
    if let Some(id) = group_id(&fs::read_to_string("/etc/group").unwrap_or_default(), group) {
        std::os::unix::fs::chown(path, None, Some(id)).with_context(context)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o660)).with_context(context)?;
    }
    Ok(listener)
}

/// Binds a TCP port.
///
/// # Errors
/// When the host is not known or not this one, or somebody listens there.
pub(crate) async fn bind_tcp(address: &TcpAddress, tls: bool) -> Result<TcpListener> {
    let (host, port) = (address.host.as_str(), address.port(tls));
    TcpListener::bind((host, port))
        .await
        .with_context(|| format!("cannot listen on port {port} of {host}"))
}

/// A group's ID in the text of `/etc/group`.
fn group_id(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::group_id;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let text = "root:x:0:\nporthole:x:991:ada\nports:x:5:\n";
        assert_eq!(group_id(text, "porthole"), Some(991));
        assert_eq!(group_id(text, "port"), None);
    }
}
