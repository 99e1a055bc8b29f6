//! Copying files into and out of a container, as `docker cp` does, whether it runs or not.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use porthole_compute_service::files::{Answering, Files, FilesError, Place, Request};
use porthole_winpath::path::is_drive_relative;
use porthole_winpath::{PathError, name};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

pub use porthole_compute_service::files::{Archive, FailureKind, Kind, Stat};

use crate::container::copies::Copy;
use crate::container::document;
use crate::container::handle::Handle;
use crate::container::state::Phase;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};

/// Pieces of an archive that wait for the client.
const PIECES: usize = 4;

/// How often a container that ends, or is started, while somebody copies is looked at anew.
const ATTEMPTS: u32 = 3;

/// How long it may take until a container that has ended is recorded so.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// What a path of a container leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStat {
    /// The last part of the path, as the client spelt it.
    pub name: String,
    /// What is there.
    pub stat: Stat,
}

/// A client's path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ClientPath<'a> {
    /// As the client spelt it.
    text: &'a str,
    place: Place,
    /// Its last part: `.` if it ends so, nothing for the root.
    last: String,
    /// Whether it has a part that no file can be called.
    is_impossible: bool,
}

/// Describes a path of a container.
pub(crate) async fn stat(
    context: &Context,
    handle: &Handle,
    called: &str,
    path: &str,
) -> Result<PathStat> {
    let path = ClientPath::parse(path)?;
    path.check(called)?;
    let _copy = handle.copies.begin().await;
    let answering = ask(context, handle, Request::Stat(path.place.clone())).await?;
    let stat = match answering {
        Ok(answering) => answering.stat().await,
        Err(error) => Err(error),
    };
    let stat = stat.map_err(|error| path.failed(error, called))?;
    Ok(path.described(stat))
}

/// Archives what a path of a container leads to.
pub(crate) async fn read(
    context: &Context,
    handle: &Handle,
    called: &str,
    path: &str,
) -> Result<(PathStat, Archive)> {
    let path = ClientPath::parse(path)?;
    path.check(called)?;
    let copy = handle.copies.begin().await;
    let request = Request::Read {
        place: path.place.clone(),
        name: path.last.clone(),
    };
    let read = match ask(context, handle, request).await? {
        Ok(answering) => answering.archive().await,
        Err(error) => Err(error),
    };
    let (stat, archive) = read.map_err(|error| path.failed(error, called))?;
    Ok((path.described(stat), revocable(archive, copy)))
}

/// Archives the whole drive C:, without what is mapped into it.
pub(crate) async fn read_all(context: &Context, handle: &Handle, called: &str) -> Result<Archive> {
    let path = ClientPath::parse("/")?;
    let copy = handle.copies.begin().await;
    let read = match ask(context, handle, Request::ReadAll).await? {
        Ok(answering) => answering.archive().await,
        Err(error) => Err(error),
    };
    let (_, archive) = read.map_err(|error| path.failed(error, called))?;
    Ok(revocable(archive, copy))
}

/// Unpacks an archive into the directory that a path of a container leads to.
pub(crate) async fn write(
    context: &Context,
    handle: &Handle,
    called: &str,
    path: &str,
    keeps_kinds: bool,
    archive: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
) -> Result<()> {
    let path = ClientPath::parse(path)?;
    path.check(called)?;
    let mut copy = handle.copies.begin().await;
    let request = Request::Write {
        place: path.place.clone(),
        keeps_kinds,
    };
    let written = async {
        match ask(context, handle, request).await? {
            Ok(answering) => answering.unpack(archive).await,
            Err(error) => Err(error),
        }
        .map_err(|error| path.failed(error, called))
    };
    tokio::select! {
        written = written => written,
        () = copy.revoked() => Err(broken_off()),
    }
}

/// Opens the container's files, and asks for something. A container that has ended before its
/// files were reached is asked again, as one that does not run.
async fn ask(
    context: &Context,
    handle: &Handle,
    request: Request,
) -> Result<Result<Answering, FilesError>> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match open(context, handle).await?.ask(&request).await {
            Err(FilesError::Refused(failure))
                if failure.kind == FailureKind::NotRunning
                    && attempts < ATTEMPTS
                    && has_ended(handle).await => {}
            asked => return Ok(asked),
        }
    }
}

async fn open(context: &Context, handle: &Handle) -> Result<Files> {
    let container = handle.ledger.read();
    if matches!(container.state.phase, Phase::Removing | Phase::Dead) {
        return Err(Error::conflict(
            "container is marked for removal and its files cannot be copied",
        ));
    }
    let storage = context.records.storage(&container.id).await?;
    let document = document::system(&container, &storage, context.facts.processors);
    let host_zone = context.facts.time_zone.as_deref();
    let settings = document::settings(&container, None, host_zone)?;
    let compute = &context.compute;
    let opened = compute
        .open_files(&container.id, &document, &settings)
        .await;
    opened.map_err(|error| Error::system("cannot open the container's files").with_source(error))
}

/// Whether a container that ran does no longer, or soon.
async fn has_ended(handle: &Handle) -> bool {
    let mut snapshots = handle.ledger.watch();
    let ended = snapshots.wait_for(|snapshot| {
        let phase = snapshot.container.state.phase;
        !matches!(phase, Phase::Running | Phase::Paused)
    });
    tokio::time::timeout(ENDS_WITHIN, ended).await.is_ok()
}

/// The archive, in the care of a task of its own: a client that reads nothing must not keep others
/// from what they wait for until the copy is over.
fn revocable(mut archive: Archive, mut copy: Copy) -> Archive {
    let (sender, pieces) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        let forwarded = async {
            while let Some(piece) = archive.next().await {
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        };
        let is_revoked = tokio::select! {
            () = forwarded => false,
            () = copy.revoked() => true,
        };
        drop((archive, copy));
        if is_revoked {
            let error = io::Error::other(broken_off());
            // Fails when the client has left.
            let _ = sender.send(Err(error)).await;
        }
    });
    Box::pin(ReceiverStream::new(pieces))
}

fn broken_off() -> Error {
    Error::conflict("the copy broke off: the container was started or removed")
}

impl<'a> ClientPath<'a> {
    /// Reads a path: `C:\a`, `c:/a`, `\a`, `/a`, or `a`, which is below the root as in dockerd.
    fn parse(text: &'a str) -> Result<Self> {
        let invalid = |error: PathError| Error::invalid(error.to_string());
        if is_drive_relative(text) {
            return Err(invalid(PathError::DriveRelative(text.to_owned())));
        }
        if text.starts_with(r"\\") || text.starts_with("//") || text.starts_with(r"\??\") {
            return Err(invalid(PathError::Namespace(text.to_owned())));
        }
        let rest = match text.as_bytes() {
            [b'c' | b'C', b':', ..] => &text[2..],
            [letter, b':', ..] if letter.is_ascii_alphabetic() => {
                let message = "The specified path is not on the system drive (C:)";
                return Err(Error::invalid(message));
            }
            _ => text,
        };
        let mut components: Vec<String> = Vec::new();
        let mut last = "";
        for part in rest.split(['\\', '/']) {
            match part {
                "" | "." => {}
                // What is above the root is the root, as in dockerd.
                ".." => drop(components.pop()),
                part => components.push(part.to_owned()),
            }
            last = part;
        }
        let name = components.last().cloned().unwrap_or_default();
        Ok(Self {
            text,
            last: if last == "." { last.to_owned() } else { name },
            is_impossible: components.iter().any(|part| name::check(part).is_err()),
            place: Place {
                components,
                is_directory: matches!(last, "" | "." | ".."),
            },
        })
    }

    fn check(&self, called: &str) -> Result<()> {
        if self.is_impossible {
            return Err(self.not_found(called));
        }
        Ok(())
    }

    fn described(&self, stat: Stat) -> PathStat {
        let name = if self.last.is_empty() {
            "/"
        } else {
            &self.last
        };
        PathStat {
            name: name.to_owned(),
            stat,
        }
    }

    fn not_found(&self, called: &str) -> Error {
        let message = format!(
            "Could not find the file {} in container {called}",
            self.text
        );
        Error::new(ErrorKind::NotFound, message)
    }

    fn failed(&self, error: FilesError, called: &str) -> Error {
        let failure = match error {
            FilesError::Refused(failure) => failure,
            FilesError::BrokenOff(_) => {
                return Error::invalid("the archive broke off").with_source(error);
            }
            FilesError::Connection(_) => {
                return Error::system("cannot copy files").with_source(error);
            }
        };
        match failure.kind {
            FailureKind::NotFound => self.not_found(called),
            FailureKind::NotADirectory | FailureKind::BadArchive => Error::invalid(failure.message),
            FailureKind::ReadOnly => Error::new(ErrorKind::Forbidden, failure.message),
            FailureKind::NotRunning | FailureKind::Host => Error::system(failure.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(path: &str) -> (String, bool, String) {
        let path = ClientPath::parse(path).unwrap();
        let place = path.place.components.join("/");
        (place, path.place.is_directory, path.last)
    }

    #[test]
    fn paths_are_read_as_windows_and_dockerd_read_them() {
        for (path, place, is_directory, last) in [
            (r"C:\App\file", "App/file", false, "file"),
            ("c:/App/file", "App/file", false, "file"),
            (r"\App\file", "App/file", false, "file"),
            ("/App/file", "App/file", false, "file"),
            ("App/file", "App/file", false, "file"),
            (r"C:\App\", "App", true, "App"),
            ("C:/App/.", "App", true, "."),
            (r"App\.", "App", true, "."),
            ("/a/../../b", "b", false, "b"),
            ("/a/b/..", "a", true, "a"),
            ("/", "", true, ""),
            (r"C:\", "", true, ""),
            ("C:", "", true, ""),
            (".", "", true, "."),
            ("/.", "", true, "."),
        ] {
            let expected = (place.to_owned(), is_directory, last.to_owned());
            assert_eq!(parsed(path), expected, "{path}");
        }
    }

    #[test]
    fn what_is_not_on_c_is_refused() {
        let refused = |path: &str| ClientPath::parse(path).unwrap_err().to_string();
        let drive = "The specified path is not on the system drive (C:)";
        assert_eq!(refused(r"D:\x"), drive);
        assert_eq!(refused("d:/x"), drive);
        assert!(refused("C:app").contains("single quotes"));
        assert!(refused(r"\\server\share").contains("share or a device"));
        assert!(refused(r"\??\C:\x").contains("share or a device"));
        for path in [r"C:\a:stream", r"C:\NUL", r"C:\*"] {
            let missing = ClientPath::parse(path).unwrap().check("web").unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::NotFound);
            let text = format!("Could not find the file {path} in container web");
            assert_eq!(missing.to_string(), text);
        }
    }
}
