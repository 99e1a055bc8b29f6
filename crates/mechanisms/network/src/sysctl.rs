//! Kernel settings: those of our own bridge, and the one of the host's that we cannot do without.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Settings of our bridge alone: addresses of the loopback network may cross it (that is how
/// 127.0.0.1 reaches a published port; the firewall keeps containers from using it), and it has no
/// IPv6.
pub(crate) fn configure_bridge(bridge: &str) -> Result<()> {
    set(
        &PathBuf::from(format!("/proc/sys/net/ipv4/conf/{bridge}/route_localnet")),
        "1",
    )?;
    let ipv6 = PathBuf::from(format!("/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6"));
    if ipv6.exists() {
        set(&ipv6, "1")
    } else {
        Ok(())
    }
}

/// Lets interfaces that come into the calling thread's namespace go without IPv6; loopback, which
/// is there already, keeps it.
pub(crate) fn disable_ipv6_of_new_interfaces() -> std::io::Result<()> {
    let path = Path::new("/proc/sys/net/ipv6/conf/default/disable_ipv6");
    if path.exists() {
        fs::write(path, "1")
    } else {
        Ok(())
    }
}

/// Whether the host can listen on IPv6.
pub(crate) fn has_ipv6() -> bool {
    std::net::UdpSocket::bind("[::]:0").is_ok()
}

/// Whether the host forwards packets.
pub(crate) fn is_forwarding() -> Result<bool> {
    let path = Path::new(FORWARDING);
    let value = fs::read_to_string(path).map_err(|error| Error::io("read setting", path, error))?;
    Ok(value.trim() != "0")
}

/// Lets the host forward, or not.
///
/// Forwarding cannot be had for our bridge alone: an answer comes in by the uplink, which must
/// forward too, and which interface that is may change at any time.
pub(crate) fn set_forwarding(on: bool) -> Result<()> {
    set(Path::new(FORWARDING), if on { "1" } else { "0" })
}

fn set(path: &Path, value: &str) -> Result<()> {
    fs::write(path, value).map_err(|error| Error::io("change setting", path, error))
}
