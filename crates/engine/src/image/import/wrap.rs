//! An archive of C: as a layer of an image.

use std::io::{self, Cursor, PipeReader, PipeWriter, Read, Write};

use porthole_layer::{FileTime, LayerPath, LayerWriter, Metadata, attributes};
use tar::{Archive, Entry, EntryType};

use crate::error::{Error, Result};
use crate::image::decompress::{broken, decompressed};
use crate::image::tar_heads;

/// How much of an archive is looked at to find out what it is.
const BEGINNING: u64 = 1 << 20;

/// Permission bits without which nobody may write.
const WRITE: u32 = 0o222;

/// Gives `take` the archive as a layer. One that has the layers' trees at its top is one already.
pub(super) fn as_layer<T>(
    archive: impl Read + Send,
    take: impl FnOnce(&mut (dyn Read + Send)) -> Result<T>,
) -> Result<T> {
    let mut archive = decompressed(archive)?;
    let mut beginning = Vec::new();
    archive
        .by_ref()
        .take(BEGINNING)
        .read_to_end(&mut beginning)
        .map_err(broken)?;
    let is_layer = is_layer(&beginning)?;
    let mut archive = Cursor::new(beginning).chain(archive);
    if is_layer {
        return take(&mut archive);
    }
    let (mut reader, writer) =
        io::pipe().map_err(|error| Error::system("cannot make a pipe").with_source(error))?;
    std::thread::scope(|scope| {
        let wrapping = scope.spawn(move || wrap(archive, writer));
        let taken = take(&mut reader);
        // What is not read any more cannot be written either, so that the thread ends.
        drop::<PipeReader>(reader);
        let wrapped = wrapping
            .join()
            .map_err(|_| Error::system("the archive's reader failed"))?;
        // What is wrong with the archive comes before what became of it.
        match (wrapped, taken) {
            (Err(Failure::Archive(error)), _) => Err(error),
            (_, taken) => taken,
        }
    })
}

/// Why an archive was not wrapped.
enum Failure {
    /// It holds what it may not.
    Archive(Error),
    /// Nobody read on.
    Output,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Archive(error)
    }
}

/// Whether the first entry is in one of the trees of a layer.
fn is_layer(beginning: &[u8]) -> Result<bool> {
    let mut archive = Archive::new(beginning);
    let mut entries = archive.entries().map_err(broken)?;
    let Some(first) = entries.next() else {
        return Err(Error::invalid("the archive is empty"));
    };
    let first = first.map_err(broken)?;
    let path = String::from_utf8_lossy(&first.path_bytes()).into_owned();
    let path = path.trim_start_matches("./");
    let tree = path.split('/').next().unwrap_or_default();
    Ok(["Files", "Hives", "UtilityVM"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(tree)))
}

fn wrap(archive: impl Read, output: PipeWriter) -> Result<(), Failure> {
    let mut layer = LayerWriter::new(output);
    let (archive, heads) = tar_heads::limited(archive);
    let mut archive = Archive::new(archive);
    let mut entries = archive.entries().map_err(broken)?;
    while let Some(mut entry) = heads.next(&mut entries)? {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if let Some(path) = path(&name)? {
            add(&mut layer, &mut entry, &name, &path)?;
        }
        tar_heads::rest(entry)?;
    }
    let mut output = layer.finish().map_err(|_| Failure::Output)?;
    output.flush().map_err(|_| Failure::Output)
}

fn add(
    layer: &mut LayerWriter<PipeWriter>,
    entry: &mut Entry<'_, impl Read>,
    name: &str,
    path: &LayerPath,
) -> Result<(), Failure> {
    let metadata = metadata(entry)?;
    let written = match entry.header().entry_type() {
        EntryType::Directory => layer.directory(path, &metadata),
        EntryType::Regular | EntryType::Continuous => {
            let size = entry.size();
            layer.file(path, &metadata, size, entry)
        }
        EntryType::Symlink => {
            let target = link_name(entry);
            layer.symlink(path, &metadata, &target.replace('/', "\\"))
        }
        EntryType::Link => {
            let target = link_name(entry);
            let target = self::path(&target)?.ok_or_else(|| bad(name, "a link to the root"))?;
            layer.hard_link(path, &target)
        }
        EntryType::XGlobalHeader => return Ok(()),
        other => {
            return Err(bad(name, &format!("entries of type {other:?} are not imported")).into());
        }
    };
    written.map_err(|error| match error.kind {
        porthole_layer::LayerErrorKind::Io(_) => Failure::Output,
        _ => bad(name, &error.to_string()).into(),
    })
}

fn link_name(entry: &Entry<'_, impl Read>) -> String {
    let target = entry.link_name_bytes().unwrap_or_default();
    String::from_utf8_lossy(&target).into_owned()
}

/// Where an entry of C: is in a layer; none for the root.
fn path(name: &str) -> Result<Option<LayerPath>> {
    let below = name.trim_start_matches("./").trim_start_matches('/');
    let below = below.trim_end_matches('/');
    if matches!(below, "" | ".") {
        return Ok(None);
    }
    let path = LayerPath::new(&format!("Files/{below}"));
    path.map(Some)
        .map_err(|error| bad(name, &error.to_string()).with_source(error))
}

fn metadata(entry: &Entry<'_, impl Read>) -> Result<Metadata> {
    let header = entry.header();
    let mut metadata = if header.entry_type() == EntryType::Directory {
        Metadata::directory()
    } else {
        Metadata::file()
    };
    if header.mode().map_err(broken)? & WRITE == 0 {
        metadata.attributes |= attributes::READ_ONLY;
    }
    let modified = i64::try_from(header.mtime().map_err(broken)?).unwrap_or(i64::MAX);
    Ok(metadata.at(FileTime::from_unix(modified, 0)))
}

fn bad(name: &str, why: &str) -> Error {
    Error::invalid(format!("entry {name:?} of the archive: {why}"))
}

#[cfg(test)]
mod tests {
    use porthole_layer::LayerReader;

    use super::*;

    fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(if *name == "readonly" { 0o444 } else { 0o644 });
            header.set_mtime(1_700_000_000);
            if matches!(kind, EntryType::Symlink | EntryType::Link) {
                header.set_size(0);
                builder.append_link(&mut header, name, text).unwrap();
            } else {
                header.set_size(text.len() as u64);
                builder
                    .append_data(&mut header, name, text.as_bytes())
                    .unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    fn paths(archive: &[u8]) -> Result<Vec<String>> {
        as_layer(archive, |layer| {
            let mut reader = LayerReader::new(layer);
            let mut paths = Vec::new();
            while let Some(entry) = reader
                .next_entry()
                .map_err(|e| Error::invalid(e.to_string()))?
            {
                let mark = match entry.metadata.attributes & attributes::READ_ONLY {
                    0 => "",
                    _ => " (read-only)",
                };
                paths.push(format!("{}{mark}", entry.path));
            }
            Ok(paths)
        })
    }

    #[test]
    fn files_of_c_get_into_the_tree_of_files() {
        let plain = archive(&[
            ("./app/", EntryType::Directory, ""),
            ("app/a.txt", EntryType::Regular, "hello"),
            ("app/b.txt", EntryType::Link, "app/a.txt"),
            ("readonly", EntryType::Regular, ""),
            ("app/link", EntryType::Symlink, "a.txt"),
        ]);
        let expected = [
            "Files",
            "Files/app",
            "Files/app/a.txt",
            "Files/app/b.txt",
            "Files/readonly (read-only)",
            "Files/app/link",
        ];
        assert_eq!(paths(&plain).unwrap(), expected);
        let mut packed = Vec::new();
        let mut encoder = flate2::read::GzEncoder::new(&plain[..], flate2::Compression::fast());
        encoder.read_to_end(&mut packed).unwrap();
        assert_eq!(paths(&packed).unwrap(), expected);
    }

    #[test]
    fn a_layer_stays_one() {
        let layer = archive(&[
            ("Files/", EntryType::Directory, ""),
            ("Files/a", EntryType::Regular, "x"),
        ]);
        assert_eq!(paths(&layer).unwrap(), ["Files", "Files/a"]);
    }

    #[test]
    fn what_leads_out_or_is_none_is_refused() {
        for entries in [
            &[("a:stream", EntryType::Regular, "")][..],
            &[("NUL", EntryType::Regular, "")],
            &[("dev", EntryType::Char, "")],
            &[],
        ] {
            let refused = paths(&archive(entries)).unwrap_err();
            assert_eq!(
                refused.kind(),
                crate::ErrorKind::InvalidParameter,
                "{refused}"
            );
        }
        assert!(paths(b"no archive at all, but long enough to be looked at").is_err());
    }
}
