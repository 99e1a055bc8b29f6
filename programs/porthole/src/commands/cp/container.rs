//! What a path of a container leads to, and its parts.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bollard::errors::Error;
use hyper::{HeaderMap, Method};
use serde::Deserialize;

use crate::request;

/// Go's bits in a mode.
const DIRECTORY: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;

/// Links that are followed in a row.
const MOST_LINKS: usize = 10;

/// What a path leads to, as the daemon's header tells it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PathStat {
    pub(super) name: String,
    mode: u32,
    #[serde(rename = "linkTarget")]
    link_target: String,
}

impl PathStat {
    pub(super) const fn is_directory(&self) -> bool {
        self.mode & DIRECTORY != 0
    }

    /// Where a link leads.
    fn link(&self) -> Option<&str> {
        (self.mode & SYMLINK != 0).then_some(&*self.link_target)
    }

    #[cfg(test)]
    pub(super) fn for_tests(name: &str, is_directory: bool) -> Self {
        Self {
            name: name.to_owned(),
            mode: if is_directory { DIRECTORY } else { 0 },
            link_target: String::new(),
        }
    }

    /// Out of an answer's head.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self> {
        let value = headers.get("x-docker-container-path-stat");
        let value = value.context("the daemon does not tell what the path leads to")?;
        let json = STANDARD.decode(value.as_bytes());
        let json = json.context("cannot read what the path leads to")?;
        serde_json::from_slice(&json).context("cannot read what the path leads to")
    }
}

/// The endpoint for a path of a container.
pub(super) fn endpoint(container: &str, path: &str) -> String {
    let container = request::segment(container);
    let query = request::query(&[("path", path)]);
    format!("/containers/{container}/archive?{query}")
}

/// What a path leads to; nothing if that cannot be told, as for one that is not there.
pub(super) async fn look(host: &str, container: &str, path: &str) -> Result<Option<PathStat>> {
    match request::send(host, Method::HEAD, &endpoint(container, path), None).await {
        Ok(answer) => PathStat::of(answer.headers()).map(Some),
        Err(error) => match error.downcast_ref() {
            // The sentence does not come with a head: whatever is asked next brings it.
            Some(Error::DockerResponseServerError { .. }) => Ok(None),
            _ => Err(error),
        },
    }
}

/// The path that links at the end of `path` lead to, and what is there.
pub(super) async fn follow(
    host: &str,
    container: &str,
    path: &str,
) -> Result<(String, Option<PathStat>)> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let stat = look(host, container, &path).await?;
        match stat.as_ref().and_then(PathStat::link) {
            Some(target) => path = target.to_owned(),
            None => return Ok((path, stat)),
        }
    }
    anyhow::bail!("{container}:{path} is one of too many links in a row")
}

/// The directory and the name of a path, as Windows separates them.
pub(super) fn split(path: &str) -> (String, String) {
    let path = path.trim_end_matches(['/', '\\']);
    match path.rfind(['/', '\\']) {
        // With its separator, or the root of a drive would be its current directory.
        Some(last) => (path[..=last].to_owned(), path[last + 1..].to_owned()),
        None => ("/".to_owned(), path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn paths_are_separated_as_windows_does() {
        for (path, directory, name) in [
            (r"C:\app\file", r"C:\app\", "file"),
            ("C:/file", "C:/", "file"),
            ("/app/dir/", "/app/", "dir"),
            ("file", "/", "file"),
        ] {
            assert_eq!(split(path), (directory.to_owned(), name.to_owned()));
        }
    }
}
