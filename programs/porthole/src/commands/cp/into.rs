//! Into a container.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use bollard::Docker;
use bollard::query_parameters::UploadToContainerOptions;
use bytes::Bytes;
use futures::Stream;
use tokio::sync::mpsc;

use super::container::{self, PathStat};
use super::meter::Meter;
use super::{asserts_directory, local_name, means_content, pipe};
use crate::arguments::Cp;

/// Where an archive goes.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    /// The directory that it is unpacked into.
    directory: String,
    /// The name of what is copied, there.
    name: String,
}

/// Copies a file or a directory of this host.
pub(super) async fn send(
    client: &Docker,
    host: &str,
    source: PathBuf,
    (name, path): (&str, &str),
    copy: &Cp,
) -> Result<()> {
    let shown = source.display().to_string();
    let of_what =
        |error: io::Error| anyhow::Error::new(error).context(format!("cannot read {shown}"));
    let found = if copy.follow_link || asserts_directory(&shown) {
        fs::metadata(&source)
    } else {
        fs::symlink_metadata(&source)
    };
    let found = found.map_err(of_what)?;
    ensure!(
        found.is_dir() || !asserts_directory(&shown),
        "{shown} is a file and not a directory"
    );
    let called = if means_content(&shown) {
        ".".to_owned()
    } else {
        local_name(&source)?
    };
    let source = if copy.follow_link {
        fs::canonicalize(&source).map_err(of_what)?
    } else {
        source
    };
    let (place, there) = container::follow(host, name, path).await?;
    let target = target(&place, there.as_ref(), found.is_dir(), &called)?;
    let entry = target.name.clone();
    let (mut writer, pieces) = pipe::writer();
    let packed = tokio::task::spawn_blocking(move || {
        let packed = pack(&source, &entry, &mut writer);
        if let Err(error) = &packed {
            writer.fail(error);
        }
        packed
    });
    let sent = upload(client, name, &target.directory, pieces, copy).await;
    // Why the archive is not whole tells more than that it broke off.
    let packed = packed.await?;
    match (sent, packed) {
        (Err(error), Ok(())) => Err(error),
        (_, Err(error)) if !is_broken_pipe(&error) => Err(error),
        (sent, _) => sent.map(|meter| meter.finish(&format!("{name}:{path}"))),
    }
}

/// Unpacks the archive on standard input.
pub(super) async fn stream(
    client: &Docker,
    host: &str,
    name: &str,
    path: &str,
    copy: &Cp,
) -> Result<()> {
    let (place, there) = container::follow(host, name, path).await?;
    ensure!(
        there.is_none_or(|there| there.is_directory()),
        "{name}:{path} is a file: an archive is unpacked into a directory"
    );
    let (mut writer, pieces) = pipe::writer();
    let read = tokio::task::spawn_blocking(move || {
        let copied = io::copy(&mut io::stdin().lock(), &mut writer).and_then(|_| writer.flush());
        if let Err(error) = copied {
            writer.fail(&error.into());
        }
    });
    let meter = upload(client, name, &place, pieces, copy).await?;
    read.await?;
    meter.finish(&format!("{name}:{path}"));
    Ok(())
}

/// Docker's rules, which are those of `cp -a`.
fn target(
    place: &str,
    there: Option<&PathStat>,
    is_directory: bool,
    called: &str,
) -> Result<Target> {
    let (directory, name) = container::split(place);
    match there {
        Some(there) if there.is_directory() => Ok(Target {
            directory: place.to_owned(),
            name: called.to_owned(),
        }),
        Some(_) if is_directory => {
            bail!("{place} is a file: a directory cannot take its place")
        }
        Some(_) => Ok(Target { directory, name }),
        None if !is_directory && asserts_directory(place) => {
            bail!(
                "there is no directory {place} in the container: make it first, or leave the separator at the end out"
            )
        }
        None => Ok(Target { directory, name }),
    }
}

/// Writes a file or a directory as an archive in which it is called `name`.
fn pack(source: &Path, name: &str, output: &mut impl Write) -> Result<()> {
    let mut builder = tar::Builder::new(output);
    builder.follow_symlinks(false);
    // The daemon takes no sparse files: a few bytes could claim to be any number of them.
    builder.sparse(false);
    let packed = if source.is_dir() && !source.is_symlink() {
        builder.append_dir_all(name, source)
    } else {
        builder.append_path_with_name(source, name)
    };
    packed.with_context(|| format!("cannot archive {}", source.display()))?;
    builder.into_inner()?.flush()?;
    Ok(())
}

async fn upload(
    client: &Docker,
    name: &str,
    directory: &str,
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    copy: &Cp,
) -> Result<Meter> {
    let options = UploadToContainerOptions {
        path: directory.to_owned(),
        no_overwrite_dir_non_dir: Some("true".to_owned()),
        copy_uidgid: copy.archive.then(|| "true".to_owned()),
    };
    let (counted, mut counts) = mpsc::unbounded_channel();
    let body = bollard::body_try_stream(counting(pieces, counted));
    let sent = client.upload_to_container(name, Some(options), body);
    tokio::pin!(sent);
    let mut meter = Meter::new(copy.quiet);
    loop {
        tokio::select! {
            sent = &mut sent => {
                sent?;
                while let Ok(bytes) = counts.try_recv() {
                    meter.advance(bytes);
                }
                return Ok(meter);
            }
            Some(bytes) = counts.recv() => meter.advance(bytes),
        }
    }
}

/// The pieces; tells how long each is.
fn counting(
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    counted: mpsc::UnboundedSender<usize>,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    futures::stream::unfold((pieces, counted), |(mut pieces, counted)| async move {
        let piece = pieces.recv().await?;
        // Nobody counts any more once the answer is there.
        let _ = counted.send(piece.as_ref().map_or(0, Bytes::len));
        Some((piece, (pieces, counted)))
    })
}

/// Whether the daemon had answered before the archive's end.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes
        .into_iter()
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(place: &str, there: Option<bool>, is_directory: bool) -> Option<(String, String)> {
        let there = there.map(|is_directory| PathStat::for_tests("x", is_directory));
        let target = target(place, there.as_ref(), is_directory, "src").ok()?;
        Some((target.directory, target.name))
    }

    #[test]
    fn places_are_those_of_cp() {
        let at = |directory: &str, name: &str| Some((directory.to_owned(), name.to_owned()));
        assert_eq!(placed(r"C:\app", Some(true), true), at(r"C:\app", "src"));
        assert_eq!(placed("C:/new", None, true), at("C:/", "new"));
        assert_eq!(placed("C:/new", None, false), at("C:/", "new"));
        assert_eq!(placed(r"C:\a\f", Some(false), false), at(r"C:\a\", "f"));
        assert_eq!(placed("C:/f", Some(false), true), None);
        assert_eq!(placed("C:/new/", None, false), None);
        assert_eq!(placed("C:/new/", None, true), at("C:/", "new"));
    }

    #[test]
    fn a_directory_is_archived_under_its_new_name() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("d")).unwrap();
        fs::write(home.path().join("d/f"), "x").unwrap();
        for (name, expected) in [("new", ["new/", "new/f"]), (".", ["./", "f"])] {
            let mut archive = Vec::new();
            pack(&home.path().join("d"), name, &mut archive).unwrap();
            let mut archive = tar::Archive::new(archive.as_slice());
            let names: Vec<_> = archive
                .entries()
                .unwrap()
                .map(|entry| String::from_utf8(entry.unwrap().path_bytes().into_owned()).unwrap())
                .collect();
            assert_eq!(names, expected);
        }
    }
}
