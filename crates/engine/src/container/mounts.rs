//! Bind mounts: from `source:C:\path[:ro|rw]` to a directory of the host that is there.

use std::path::Path;

use crate::container::record::Mount;
use crate::error::{Error, Result};

/// The mounts that a client asks for.
pub(crate) fn mounts(binds: &[String]) -> Result<Vec<Mount>> {
    let mut mounts: Vec<Mount> = Vec::new();
    for bind in binds {
        let mount = mount(bind)?;
        if mounts
            .iter()
            .any(|other| other.destination.eq_ignore_ascii_case(&mount.destination))
        {
            return Err(Error::invalid(format!(
                "Duplicate mount point: {}",
                mount.destination
            )));
        }
        mounts.push(mount);
    }
    Ok(mounts)
}

fn mount(bind: &str) -> Result<Mount> {
    let invalid = || Error::invalid(format!("invalid volume specification: '{bind}'"));
    let (source, rest) = bind.split_once(':').ok_or_else(invalid)?;
    let (destination, writable) = match rest.rsplit_once(':') {
        Some((destination, "ro")) => (destination, false),
        Some((destination, "rw")) => (destination, true),
        _ => (rest, true),
    };
    let source = Path::new(source);
    check_source(source)?;
    Ok(Mount {
        source: source.to_owned(),
        destination: destination.replace('/', r"\"),
        writable,
    })
}

/// A bind source is an absolute path of a directory.
fn check_source(source: &Path) -> Result<()> {
    let text = source.display();
    let refused = |reason: &str| {
        Error::invalid(format!(
            "invalid mount config for type \"bind\": {reason}: {text}"
        ))
    };
    if !source.is_absolute() {
        return Err(refused(
            "volumes are not there yet, and a bind source path must be absolute",
        ));
    }
    match std::fs::metadata(source) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(refused("source path must be a directory")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(refused("bind source path does not exist"))
        }
        Err(error) => Err(refused("cannot look at bind source path").with_source(error)),
    }
}
