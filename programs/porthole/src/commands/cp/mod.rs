//! `porthole cp`: files and directories into a container, and out of it.
//!
//! What ends up where are docker's rules, which are those of `cp -a`: into a directory that is there,
//! or under a name that is not.

mod container;
mod from;
mod into;
mod meter;
pub(super) mod pipe;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use bollard::Docker;

use crate::arguments::Cp;

/// One side of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Side {
    /// A path of a container.
    Container { name: String, path: String },
    /// A path of this host.
    Local(PathBuf),
    /// Standard input or output, as a tar archive.
    Stream,
}

impl Side {
    /// Docker's rules: a colon belongs to a container's name, unless the path is one of this host
    /// beyond doubt.
    fn parse(text: &str) -> Self {
        if text == "-" {
            return Self::Stream;
        }
        match text.split_once(':') {
            Some((name, path)) if !text.starts_with('/') && !name.starts_with('.') => {
                Self::Container {
                    name: name.to_owned(),
                    path: path.to_owned(),
                }
            }
            _ => Self::Local(PathBuf::from(text)),
        }
    }
}

/// Carries it out.
pub(super) async fn carry_out(client: &Docker, host: &str, copy: &Cp) -> Result<ExitCode> {
    match (Side::parse(&copy.source), Side::parse(&copy.destination)) {
        (Side::Container { .. }, Side::Container { .. }) => {
            bail!(
                "copying between containers is not supported: copy to this host first, or pipe one 'porthole cp … -' into another"
            )
        }
        (Side::Container { name, path }, Side::Stream) => {
            from::stream(host, &name, &path, copy).await?;
        }
        (Side::Container { name, path }, Side::Local(target)) => {
            from::extract(host, &name, &path, target, copy).await?;
        }
        (Side::Stream, Side::Container { name, path }) => {
            into::stream(client, host, &name, &path, copy).await?;
        }
        (Side::Local(source), Side::Container { name, path }) => {
            into::send(client, host, source, (&name, &path), copy).await?;
        }
        (Side::Local(_) | Side::Stream, Side::Local(_) | Side::Stream) => {
            bail!("one side must be a container's: CONTAINER:PATH")
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a path says that it is a directory, or what is in one.
fn asserts_directory(path: &str) -> bool {
    path.ends_with(['/', '\\']) || means_content(path)
}

/// Whether a path means what is in a directory, and not the directory.
fn means_content(path: &str) -> bool {
    path == "." || path.ends_with("/.") || path.ends_with("\\.")
}

/// The name that a path of this host gives its copy.
fn local_name(path: &Path) -> Result<String> {
    let full = match path.file_name() {
        Some(name) => return Ok(name.to_string_lossy().into_owned()),
        None => std::fs::canonicalize(path)?,
    };
    match full.file_name() {
        Some(name) => Ok(name.to_string_lossy().into_owned()),
        None => bail!("{} has no name that its copy could have", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_told_apart_as_docker_does() {
        let container = |name: &str, path: &str| Side::Container {
            name: name.to_owned(),
            path: path.to_owned(),
        };
        assert_eq!(Side::parse(r"web:C:\app"), container("web", r"C:\app"));
        assert_eq!(Side::parse("web:/app"), container("web", "/app"));
        for local in ["/a:b", "./a:b", "../a:b", "file"] {
            assert_eq!(Side::parse(local), Side::Local(PathBuf::from(local)));
        }
        assert_eq!(Side::parse("-"), Side::Stream);
    }

    #[test]
    fn endings_say_what_is_meant() {
        for path in ["dir/", r"C:\dir\", "dir/.", r"C:\dir\.", "."] {
            assert!(asserts_directory(path), "{path}");
        }
        assert!(!asserts_directory("dir/file.") && !means_content("dir/"));
    }
}
