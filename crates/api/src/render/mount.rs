//! Mounts.

use std::borrow::Cow;

use porthole_engine::container::record::Mount;
use serde::Serialize;

/// A directory of the host that appears inside.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MountPoint<'a> {
    r#type: &'static str,
    source: Cow<'a, str>,
    destination: &'a str,
    mode: &'static str,
    #[serde(rename = "RW")]
    writable: bool,
    propagation: &'static str,
}

impl<'a> MountPoint<'a> {
    fn of(mount: &'a Mount) -> Self {
        Self {
            r#type: "bind",
            source: mount.source.to_string_lossy(),
            destination: &mount.destination,
            mode: if mount.writable { "" } else { "ro" },
            writable: mount.writable,
            propagation: "",
        }
    }
}

/// A container's mounts.
pub(crate) fn mounts(mounts: &[Mount]) -> Vec<MountPoint<'_>> {
    mounts.iter().map(MountPoint::of).collect()
}
