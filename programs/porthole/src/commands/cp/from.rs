//! Out of a container.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, Response};
use tar::{Archive, Entry, EntryType};

use super::container::{self, PathStat};
use super::meter::Meter;
use super::{asserts_directory, means_content, pipe};
use crate::arguments::Cp;
use crate::request;

/// Writes the archive to standard output.
pub(super) async fn stream(host: &str, name: &str, path: &str, copy: &Cp) -> Result<()> {
    ensure!(
        !io::stdout().is_terminal(),
        "an archive is nothing for a terminal: redirect it, or pipe it into 'tar t'"
    );
    let (_, mut body) = open(host, name, path, copy).await?;
    while let Some(bytes) = next(&mut body).await? {
        io::stdout().lock().write_all(&bytes)?;
    }
    Ok(io::stdout().lock().flush()?)
}

/// Writes what a path leads to, to a path of this host.
pub(super) async fn extract(
    host: &str,
    name: &str,
    path: &str,
    target: PathBuf,
    copy: &Cp,
) -> Result<()> {
    let (stat, mut body) = open(host, name, path, copy).await?;
    // The name that the copy would have: of the path that was asked for, not of where it led.
    let (_, asked) = container::split(path);
    let root = root(&stat, path, asked, &target)?;
    let (sender, reader) = pipe::reader();
    let unpacked = tokio::task::spawn_blocking(move || unpack(reader, &stat.name, &root));
    let mut meter = Meter::new(copy.quiet);
    loop {
        let piece = next(&mut body).await;
        let piece = piece.map_err(|error| io::Error::other(format!("{error:#}")));
        let Some(piece) = piece.transpose() else {
            break;
        };
        meter.advance(piece.as_ref().map_or(0, bytes::Bytes::len));
        // Whoever unpacks may have stopped; it says why.
        if sender.send(piece).await.is_err() {
            break;
        }
    }
    drop(sender);
    unpacked.await??;
    meter.finish(&target.display().to_string());
    Ok(())
}

/// Asks for an archive; with `-L` of what a link leads to.
async fn open(
    host: &str,
    name: &str,
    path: &str,
    copy: &Cp,
) -> Result<(PathStat, Response<Incoming>)> {
    let path = if copy.follow_link {
        container::follow(host, name, path).await?.0
    } else {
        path.to_owned()
    };
    let endpoint = container::endpoint(name, &path);
    let answer = request::send(host, Method::GET, &endpoint, None).await?;
    Ok((PathStat::of(answer.headers())?, answer))
}

async fn next(body: &mut Response<Incoming>) -> Result<Option<bytes::Bytes>> {
    while let Some(frame) = body.body_mut().frame().await {
        let frame = frame.context("the archive broke off")?;
        if let Ok(bytes) = frame.into_data() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// Where what the archive begins with goes.
fn root(stat: &PathStat, path: &str, asked: String, target: &Path) -> Result<PathBuf> {
    let shown = target.display();
    let there = fs::metadata(target).ok();
    match there {
        Some(there) if there.is_dir() => {
            let is_content = means_content(path) || stat.name == "/";
            Ok(if is_content {
                target.to_owned()
            } else {
                target.join(asked)
            })
        }
        Some(_) if stat.is_directory() => {
            bail!("{shown} is a file, and {path} a directory: a directory cannot take its place")
        }
        Some(_) => Ok(target.to_owned()),
        None => {
            let asserts = asserts_directory(&target.to_string_lossy());
            ensure!(
                stat.is_directory() || !asserts,
                "there is no directory {shown}: make it first, or leave the / out"
            );
            let parent = target.parent().filter(|parent| *parent != Path::new(""));
            ensure!(
                parent.is_none_or(Path::is_dir),
                "there is no directory for {shown}: make it first"
            );
            Ok(target.to_owned())
        }
    }
}

/// Unpacks an archive whose names begin with `name`. It may come from a hostile container.
fn unpack(reader: impl Read, name: &str, root: &Path) -> Result<()> {
    let mut archive = Archive::new(reader);
    let mut times = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry.context("the archive broke off")?;
        let path = below(&entry.path_bytes(), name)?;
        let target = if path == Path::new("") {
            root.to_owned()
        } else {
            root.join(&path)
        };
        make_parents(root, &path)?;
        place(&mut entry, &target).with_context(|| format!("cannot write {}", target.display()))?;
        if entry.header().entry_type() == EntryType::Directory {
            times.push((target, entry.header().mtime()?));
        }
    }
    // Last, for making something in a directory changes its time.
    for (directory, modified) in times.iter().rev() {
        let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(*modified);
        let set = fs::File::open(directory).and_then(|file| file.set_modified(modified));
        set.with_context(|| format!("cannot set the time of {}", directory.display()))?;
    }
    Ok(())
}

/// An entry's path below what the archive begins with.
fn below(path: &[u8], name: &str) -> Result<PathBuf> {
    let shown = String::from_utf8_lossy(path);
    let mut parts = path.split(|byte| *byte == b'/').peekable();
    if !matches!(name, "." | "/") {
        let first = parts.next();
        ensure!(
            first == Some(name.as_bytes()),
            "the archive holds {shown:?}, which was not asked for"
        );
    }
    let mut below = PathBuf::new();
    for part in parts {
        match part {
            b"" | b"." => {}
            b".." => bail!("the archive holds {shown:?}, which leads elsewhere"),
            part => below.push(OsStr::from_bytes(part)),
        }
    }
    Ok(below)
}

/// Makes the directories that lead to a path, none of which may be a link.
fn make_parents(root: &Path, path: &Path) -> Result<()> {
    let mut here = root.to_owned();
    let parents = path.parent().into_iter().flat_map(Path::components);
    for part in parents {
        here.push(part);
        match fs::symlink_metadata(&here) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => bail!(
                "{} is no directory, and something goes into it",
                here.display()
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&here)
                .with_context(|| format!("cannot make the directory {}", here.display()))?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn place<R: Read>(entry: &mut Entry<'_, R>, target: &Path) -> Result<()> {
    let is_directory = entry.header().entry_type() == EntryType::Directory;
    match fs::symlink_metadata(target) {
        Ok(found) if found.is_dir() && is_directory => return Ok(()),
        Ok(found) if found.is_dir() => bail!("a directory is there, and a file comes"),
        // A link that is the root is the user's own choice of place.
        Ok(_) if is_directory && fs::metadata(target).is_ok_and(|found| found.is_dir()) => {
            return Ok(());
        }
        Ok(_) if is_directory => bail!("a file is there, and a directory comes"),
        Ok(_) => fs::remove_file(target)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    match entry.header().entry_type() {
        EntryType::Directory | EntryType::Regular | EntryType::Symlink => {
            entry.unpack(target)?;
            Ok(())
        }
        other => bail!("the archive holds a thing of kind {other:?} there"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn archive(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (kind, name, link) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            header.set_size(0);
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_cksum();
            builder.append(&header, io::empty()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn what_comes_takes_the_name_that_it_is_given() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("copy");
        let content = archive(&[
            (EntryType::Directory, "App/", ""),
            (EntryType::Regular, "App/f", ""),
            (EntryType::Symlink, "App/link", "f"),
        ]);
        for _ in 0..2 {
            unpack(content.as_slice(), "App", &root).unwrap();
        }
        assert!(root.join("f").is_file() && root.join("link").is_symlink());
        let content = archive(&[
            (EntryType::Directory, "./", ""),
            (EntryType::Regular, "./g", ""),
        ]);
        unpack(content.as_slice(), ".", &root).unwrap();
        assert!(root.join("g").is_file());
        let content = archive(&[(EntryType::Regular, "f", "")]);
        unpack(content.as_slice(), "f", &home.path().join("file")).unwrap();
        assert!(home.path().join("file").is_file());
    }

    #[test]
    fn a_hostile_archive_writes_nowhere_else() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("copy");
        for bad in [
            &[(EntryType::Regular, "App/../../x", "")][..],
            &[(EntryType::Regular, "x", "")],
            &[(EntryType::Regular, "/etc/x", "")],
            &[
                (EntryType::Directory, "App/", ""),
                (EntryType::Symlink, "App/out", ".."),
                (EntryType::Regular, "App/out/x", ""),
            ],
            &[(EntryType::Fifo, "App", "")],
        ] {
            assert!(
                unpack(archive(bad).as_slice(), "App", &root).is_err(),
                "{bad:?}"
            );
            assert!(!home.path().join("x").exists());
        }
    }

    #[test]
    fn places_are_those_of_cp() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir(at("dir")).unwrap();
        fs::write(at("file"), "").unwrap();
        symlink("dir", at("link")).unwrap();
        let stat = |is_directory: bool| PathStat::for_tests("x", is_directory);
        let root = |stat: &PathStat, path: &str, target: &Path| {
            root(stat, path, "x".to_owned(), target).map_err(|error| error.to_string())
        };
        assert_eq!(root(&stat(true), "C:/x", &at("dir")), Ok(at("dir/x")));
        assert_eq!(root(&stat(true), "C:/x/.", &at("link")), Ok(at("link")));
        assert_eq!(root(&stat(true), "C:/x", &at("new")), Ok(at("new")));
        assert_eq!(root(&stat(false), "C:/x", &at("file")), Ok(at("file")));
        assert!(root(&stat(true), "C:/x", &at("file")).is_err());
        assert!(root(&stat(false), "C:/x", &at("new/")).is_err());
        assert!(root(&stat(false), "C:/x", &at("no/new")).is_err());
    }
}
