//! Writes a layer's directory as an archive in Windows layer format.

use std::collections::HashMap;
use std::fs::{self, File, Metadata as FileMetadata};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use porthole_layer::{FileTime, LayerError, LayerPath, LayerWriter, Metadata};

use crate::error::{Error, IoContext, Result};

/// Writes `Files` of the layer in `directory` to `output`; `seen` is told of the bytes read.
pub(crate) fn write<W: Write>(directory: &Path, output: W, seen: &mut dyn FnMut(u64)) -> Result<W> {
    let mut archive = Archive {
        writer: LayerWriter::new(output),
        names: HashMap::new(),
        seen,
    };
    archive.directory(&directory.join("Files"), &path("Files")?)?;
    archive
        .writer
        .finish()
        .map_err(|error| failed("Files", error))
}

struct Archive<'a, W> {
    writer: LayerWriter<W>,
    /// The first name of each file that has several, by its inode.
    names: HashMap<u64, LayerPath>,
    seen: &'a mut dyn FnMut(u64),
}

impl<W: Write> Archive<'_, W> {
    fn directory(&mut self, directory: &Path, name: &LayerPath) -> Result<()> {
        let metadata = fs::metadata(directory).at("look at", directory)?;
        let described = Metadata::directory().at(time(&metadata));
        self.writer
            .directory(name, &described)
            .map_err(|error| failed(name.as_str(), error))?;
        let mut children: Vec<_> = fs::read_dir(directory)
            .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
            .at("list", directory)?
            .into_iter()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        children.sort();
        for child in children {
            let full = directory.join(&child);
            let name = name.join(&child).map_err(|error| {
                Error::malformed("name", full.display().to_string(), "not a name of Windows")
                    .with_source(error)
            })?;
            if full.is_dir() {
                self.directory(&full, &name)?;
            } else {
                self.file(&full, &name)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, full: &Path, name: &LayerPath) -> Result<()> {
        let mut file = File::open(full).at("open", full)?;
        let metadata = file.metadata().at("look at", full)?;
        // The layer's files also have names in the cache, so a count above 1 says nothing.
        if let Some(first) = self.names.get(&metadata.ino()) {
            return self
                .writer
                .hard_link(name, first)
                .map_err(|error| failed(name.as_str(), error));
        }
        let described = Metadata::file().at(time(&metadata));
        self.writer
            .file(name, &described, metadata.len(), &mut file)
            .map_err(|error| failed(name.as_str(), error))?;
        self.names.insert(metadata.ino(), name.clone());
        (self.seen)(metadata.len());
        Ok(())
    }
}

fn path(text: &str) -> Result<LayerPath> {
    LayerPath::new(text)
        .map_err(|error| Error::malformed("name", text, "not a path of a layer").with_source(error))
}

fn time(metadata: &FileMetadata) -> FileTime {
    FileTime::from_unix(metadata.mtime(), 0)
}

/// A full file system must stay recognisable behind the format's own error.
fn failed(name: &str, error: LayerError) -> Error {
    let is_full = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|source| source.kind() == std::io::ErrorKind::StorageFull);
    if is_full {
        let full: std::io::Result<()> = Err(std::io::ErrorKind::StorageFull.into());
        return full
            .at("write layer", name)
            .expect_err("the result is a failure");
    }
    Error::malformed("write layer", name, "it cannot be archived").with_source(error)
}

#[cfg(test)]
mod tests {
    use porthole_layer::{EntryKind, LayerReader};

    use super::*;

    #[test]
    fn files_are_stored_once_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let files = directory.path().join("Files/Windows");
        fs::create_dir_all(&files).unwrap();
        fs::write(files.join("b.dll"), "content").unwrap();
        fs::hard_link(files.join("b.dll"), files.join("c.dll")).unwrap();
        fs::write(files.join("a.dll"), "other").unwrap();
        let mut bytes = 0;
        let archive = write(directory.path(), Vec::new(), &mut |count| bytes += count).unwrap();
        assert_eq!(bytes, 12);
        let mut reader = LayerReader::new(archive.as_slice());
        let mut seen = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            let target = match entry.kind {
                EntryKind::HardLink { target } => format!(" = {target}"),
                _ => String::new(),
            };
            seen.push(format!("{}{target}", entry.path));
        }
        let expected = [
            "Files",
            "Files/Windows",
            "Files/Windows/a.dll",
            "Files/Windows/b.dll",
            "Files/Windows/c.dll = Files/Windows/b.dll",
        ];
        assert_eq!(seen, expected);
    }
}
