//! What has passed through an endpoint.

use std::fs;
use std::path::Path;

use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::link;

/// Where the kernel shows the host's interfaces.
const INTERFACES: &str = "/sys/class/net";

/// What a container has received and sent since its endpoint was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// What it received.
    pub received: Counters,
    /// What it sent.
    pub sent: Counters,
}

/// One direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes, frames' headers included.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets with an error.
    pub errors: u64,
    /// Packets that were thrown away.
    pub dropped: u64,
}

/// Reads an endpoint's counters; nothing for one that has no interface.
pub(crate) fn of(endpoint: &Endpoint) -> Result<Option<Traffic>> {
    let Some(address) = &endpoint.address else {
        return Ok(None);
    };
    let interface = Path::new(INTERFACES).join(link::host_end(address.ip));
    // What the host's end has sent the container has received.
    Ok(Some(Traffic {
        received: read(&interface, "tx")?,
        sent: read(&interface, "rx")?,
    }))
}

fn read(interface: &Path, direction: &str) -> Result<Counters> {
    let counter = |name: &str| {
        let path = interface.join(format!("statistics/{direction}_{name}"));
        let text = fs::read_to_string(&path).map_err(|error| Error::io("read", &path, error))?;
        // The kernel writes nothing but a number.
        Ok(text.trim().parse().unwrap_or_default())
    };
    Ok(Counters {
        bytes: counter("bytes")?,
        packets: counter("packets")?,
        errors: counter("errors")?,
        dropped: counter("dropped")?,
    })
}
