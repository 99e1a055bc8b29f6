//! Bind mounts: from `source:C:\path[:ro|rw]` to what there is on the host.

use std::path::{Path, PathBuf};
use std::time::Duration;

use porthole_winpath::{Bind, BindSource, ContainerPath};

use crate::container::record::Mount;
use crate::error::{Error, Result};

/// How long a source's file system may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What no mount may hide.
const SYSTEM_DIRECTORY: &str = r"C:\Windows\System32";

/// The mounts that a client asks for.
pub(crate) fn mounts(binds: &[String]) -> Result<Vec<Mount>> {
    let mut mounts = Vec::new();
    for specification in binds {
        let bind = Bind::parse(specification)
            .map_err(|error| Error::invalid(error.to_string()).with_source(error))?;
        mounts.push(Mount {
            source: source(&bind.source)?,
            destination: bind.target.to_string(),
            writable: !bind.read_only,
        });
    }
    Ok(mounts)
}

/// Refuses the same place twice, whatever is put there, and the place that every program is run
/// from.
pub(crate) fn check_targets<'a>(targets: impl Iterator<Item = &'a str>) -> Result<()> {
    let parse = |target: &str| {
        ContainerPath::parse(target)
            .map_err(|error| Error::invalid(format!("invalid mount point {target:?}: {error}")))
    };
    let system = parse(SYSTEM_DIRECTORY)?;
    let mut taken: Vec<ContainerPath> = Vec::new();
    for target in targets {
        let path = parse(target)?;
        if path.contains(&system) {
            return Err(Error::invalid(format!(
                "invalid mount point {path}: it would hide {system}, without which nothing runs; choose another directory"
            )));
        }
        if taken.iter().any(|other| other.is_same(&path)) {
            return Err(Error::invalid(format!("Duplicate mount point: {path}")));
        }
        taken.push(path);
    }
    Ok(())
}

/// Refuses sources that cannot be mounted.
pub(crate) async fn check_sources(mounts: &[Mount]) -> Result<()> {
    for mount in mounts {
        let path = mount.source.clone();
        // A file server that has gone away holds up whoever asks it, without end.
        let checked = tokio::task::spawn_blocking(move || check(&path));
        match tokio::time::timeout(PATIENCE, checked).await {
            Ok(Ok(checked)) => checked?,
            Ok(Err(error)) => {
                return Err(
                    Error::system("the look at a bind source was cut short").with_source(error)
                );
            }
            Err(_) => return Err(refused(&mount.source, "the file system does not answer")),
        }
    }
    Ok(())
}

fn source(source: &BindSource) -> Result<PathBuf> {
    match source {
        BindSource::Host(path) => Ok(PathBuf::from(path)),
        BindSource::Volume(name) => Err(Error::unsupported(format!(
            "named volumes ({name}): give the absolute path of a directory of the host"
        ))),
        BindSource::Anonymous => Err(Error::unsupported("anonymous volumes")),
    }
}

/// A bind source is a directory, as on Windows, or a file, as on Linux.
fn check(path: &Path) -> Result<()> {
    let refused = |reason| refused(path, reason);
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() || metadata.is_file() => Ok(()),
        Ok(_) => Err(refused("source path must be a directory or a file")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(refused("bind source path does not exist"))
        }
        Err(error) => Err(refused("bind source path cannot be looked at").with_source(error)),
    }
}

fn refused(path: &Path, reason: &str) -> Error {
    let path = path.display();
    Error::invalid(format!(
        "invalid mount config for type \"bind\": {reason}: {path}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn checked(bind: &str) -> Result<Vec<Mount>> {
        let mounts = mounts(&[bind.to_owned()])?;
        check_sources(&mounts).await?;
        Ok(mounts)
    }

    async fn refused(bind: &str) -> String {
        checked(bind).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn sources_must_be_there() {
        let there = checked(r"/tmp:C:/a:ro").await.unwrap();
        assert_eq!(
            (there[0].destination.as_str(), there[0].writable),
            (r"C:\a", false)
        );
        let missing = refused(r"/nowhere:C:\a").await;
        assert!(missing.ends_with("bind source path does not exist: /nowhere"));
        assert!(checked(r"/etc/passwd:C:\a.txt").await.is_ok());
        let device = refused(r"/dev/null:C:\a").await;
        assert!(device.contains("must be a directory or a file"));
        let volume = refused(r"data:C:\a").await;
        assert!(volume.contains("does not support named volumes (data)"));
    }

    #[test]
    fn a_place_is_taken_once() {
        let refused = |targets: &[&str]| {
            let checked = check_targets(targets.iter().copied());
            checked.err().map(|error| error.to_string())
        };
        assert_eq!(refused(&[r"C:\a", r"C:\b", r"C:\a\b"]), None);
        assert_eq!(
            refused(&[r"C:\ä", r"C:\b", r"C:\Ä"]).as_deref(),
            Some(r"Duplicate mount point: C:\Ä")
        );
    }

    #[test]
    fn the_system_is_not_hidden() {
        let check = |target: &str| check_targets([target].into_iter());
        for target in [r"C:\Windows", "c:/windows/system32"] {
            let refused = check(target).unwrap_err().to_string();
            assert!(refused.contains("choose another directory"), "{refused}");
        }
        assert!(check(r"C:\Windows\System32\drivers").is_ok());
        assert!(check(r"C:\WindowsApps").is_ok());
    }
}
