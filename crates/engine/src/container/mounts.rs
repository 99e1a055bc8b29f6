//! Bind mounts: from `source:C:\path[:ro|rw]` to what there is on the host.

use std::path::{Path, PathBuf};

use porthole_winpath::{Bind, BindSource, ContainerPath};

use crate::container::record::Mount;
use crate::error::{Error, Result};

/// The mounts that a client asks for.
pub(crate) fn mounts(binds: &[String]) -> Result<Vec<Mount>> {
    let mut targets: Vec<ContainerPath> = Vec::new();
    let mut mounts = Vec::new();
    for specification in binds {
        let bind = Bind::parse(specification)
            .map_err(|error| Error::invalid(error.to_string()).with_source(error))?;
        if targets.iter().any(|target| target.is_same(&bind.target)) {
            return Err(Error::invalid(format!(
                "Duplicate mount point: {}",
                bind.target
            )));
        }
        mounts.push(Mount {
            source: source(&bind.source)?,
            destination: bind.target.to_string(),
            writable: !bind.read_only,
        });
        targets.push(bind.target);
    }
    Ok(mounts)
}

fn source(source: &BindSource) -> Result<PathBuf> {
    match source {
        BindSource::Host(path) => {
            let path = PathBuf::from(path);
            check(&path)?;
            Ok(path)
        }
        BindSource::Volume(name) => Err(Error::unsupported(format!(
            "named volumes ({name}): give the absolute path of a directory of the host"
        ))),
        BindSource::Anonymous => Err(Error::unsupported("anonymous volumes")),
    }
}

/// A bind source is a directory, as on Windows, or a file, as on Linux.
fn check(path: &Path) -> Result<()> {
    let refused = |reason: &str| {
        let path = path.display();
        Error::invalid(format!(
            "invalid mount config for type \"bind\": {reason}: {path}"
        ))
    };
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() || metadata.is_file() => Ok(()),
        Ok(_) => Err(refused("source path must be a directory or a file")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(refused("bind source path does not exist"))
        }
        Err(error) => Err(refused("bind source path cannot be looked at").with_source(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(binds: &[&str]) -> String {
        let binds: Vec<String> = binds.iter().map(|bind| (*bind).to_owned()).collect();
        mounts(&binds).unwrap_err().to_string()
    }

    #[test]
    fn sources_must_be_there() {
        let there = mounts(&[r"/tmp:C:/a:ro".to_owned()]).unwrap();
        assert_eq!(
            (there[0].destination.as_str(), there[0].writable),
            (r"C:\a", false)
        );
        assert!(
            refused(&[r"/nowhere:C:\a"]).ends_with("bind source path does not exist: /nowhere")
        );
        assert!(mounts(&[r"/etc/passwd:C:\a.txt".to_owned()]).is_ok());
        assert!(refused(&[r"/dev/null:C:\a"]).contains("must be a directory or a file"));
        assert!(refused(&[r"data:C:\a"]).contains("does not support named volumes (data)"));
        assert_eq!(
            refused(&[r"/tmp:C:\a", r"/etc:C:\A"]),
            r"Duplicate mount point: C:\A"
        );
    }
}
