//! Writing a layer.

use std::collections::HashSet;
use std::io::{self, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{LayerError, LayerErrorKind};
use crate::header::{BLOCK, Header, fits, kind, size_fits};
use crate::metadata::Metadata;
use crate::path::LayerPath;
use crate::pax::{self, Records};
use crate::read::OPAQUE;

/// Bits of the mode that say what an entry is, which Windows tools write beside the type.
const MODE_DIRECTORY: u32 = 0o040_755;
const MODE_FILE: u32 = 0o100_644;
const MODE_LINK: u32 = 0o120_777;

/// Writes a layer, entry by entry. Directories that lead to an entry and that were not written
/// before get entries of their own, which Windows needs, with default metadata.
#[derive(Debug)]
pub struct LayerWriter<W> {
    output: W,
    /// Directories written so far, in lower case.
    directories: HashSet<String>,
    /// The file or directory that streams would belong to.
    last: Option<LayerPath>,
    /// What directories get that the caller did not write.
    implied: Metadata,
}

impl<W: Write> LayerWriter<W> {
    /// A layer written to `output`.
    pub fn new(output: W) -> Self {
        Self {
            output,
            directories: HashSet::new(),
            last: None,
            implied: Metadata::directory(),
        }
    }

    /// The same, with other metadata for directories that the caller does not write.
    #[must_use]
    pub fn with_implied_directories(self, implied: Metadata) -> Self {
        Self { implied, ..self }
    }

    /// Writes a directory.
    ///
    /// # Errors
    /// Those of the output.
    pub fn directory(&mut self, path: &LayerPath, metadata: &Metadata) -> Result<(), LayerError> {
        self.parents(path)?;
        self.directories.insert(path.as_str().to_lowercase());
        self.entry(path, kind::DIRECTORY, metadata, 0, "", false)
    }

    /// Writes a file with exactly `size` bytes of `content`.
    ///
    /// # Errors
    /// Those of the output and of `content`, and `Length` when it is shorter.
    pub fn file(
        &mut self,
        path: &LayerPath,
        metadata: &Metadata,
        size: u64,
        content: &mut impl Read,
    ) -> Result<(), LayerError> {
        self.parents(path)?;
        self.entry(path, kind::FILE, metadata, size, "", false)?;
        self.content(path.as_str(), size, content)
    }

    /// Writes an alternate data stream of the file or directory written before.
    ///
    /// # Errors
    /// As [`file`](Self::file); `Stream` when nothing was written that can have one, or the name
    /// cannot be one.
    pub fn stream(
        &mut self,
        name: &str,
        size: u64,
        content: &mut impl Read,
    ) -> Result<(), LayerError> {
        let owner = self.last.clone().filter(|_| is_stream_name(name));
        let owner = owner.ok_or_else(|| LayerErrorKind::Stream.at(name))?;
        let path = format!("{owner}:{name}");
        let header = header(kind::FILE, MODE_FILE, size);
        self.header(&path, "", &header, Records::new())?;
        self.content(&path, size, content)
    }

    /// Writes a symbolic link; one to a directory has the attribute `DIRECTORY`.
    ///
    /// # Errors
    /// Those of the output.
    pub fn symlink(
        &mut self,
        path: &LayerPath,
        metadata: &Metadata,
        target: &str,
    ) -> Result<(), LayerError> {
        self.parents(path)?;
        self.entry(path, kind::SYMLINK, metadata, 0, target, false)
    }

    /// Writes a junction.
    ///
    /// # Errors
    /// Those of the output.
    pub fn junction(
        &mut self,
        path: &LayerPath,
        metadata: &Metadata,
        target: &str,
    ) -> Result<(), LayerError> {
        self.parents(path)?;
        self.entry(path, kind::SYMLINK, metadata, 0, target, true)
    }

    /// Writes another name of a file of this layer or one below.
    ///
    /// # Errors
    /// Those of the output.
    pub fn hard_link(&mut self, path: &LayerPath, target: &LayerPath) -> Result<(), LayerError> {
        self.parents(path)?;
        self.last = None;
        let header = header(kind::HARD_LINK, MODE_FILE, 0);
        self.header(path.as_str(), target.as_str(), &header, Records::new())
    }

    /// Removes a file or directory of the layers below.
    ///
    /// # Errors
    /// Those of the output; `Whiteout` outside `Files` and `UtilityVM/Files`.
    pub fn whiteout(&mut self, path: &LayerPath) -> Result<(), LayerError> {
        let parent = path.parent().filter(LayerPath::takes_whiteouts);
        let parent = parent.ok_or_else(|| LayerErrorKind::Whiteout.at(path.as_str()))?;
        self.parents(path)?;
        self.last = None;
        let name = format!("{parent}/.wh.{}", path.name());
        self.header(&name, "", &header(kind::FILE, MODE_FILE, 0), Records::new())
    }

    /// Removes everything in a directory of the layers below. Where it is known what that is,
    /// [`whiteout`](Self::whiteout)s say it to every reader.
    ///
    /// # Errors
    /// As [`whiteout`](Self::whiteout).
    pub fn opaque(&mut self, path: &LayerPath) -> Result<(), LayerError> {
        if !path.takes_whiteouts() {
            return Err(LayerErrorKind::Whiteout.at(path.as_str()));
        }
        self.parents(path)?;
        self.last = None;
        let name = format!("{path}/{OPAQUE}");
        self.header(&name, "", &header(kind::FILE, MODE_FILE, 0), Records::new())
    }

    /// Ends the layer and gives the output back.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(mut self) -> Result<W, LayerError> {
        let end = self
            .output
            .write_all(&[0; 2 * BLOCK])
            .and_then(|()| self.output.flush());
        end.map_err(|error| LayerErrorKind::Io(error).at(""))?;
        Ok(self.output)
    }

    fn parents(&mut self, path: &LayerPath) -> Result<(), LayerError> {
        match path.parent() {
            Some(parent) if !self.directories.contains(&parent.as_str().to_lowercase()) => {
                let implied = self.implied.clone();
                self.directory(&parent, &implied)
            }
            _ => Ok(()),
        }
    }

    fn entry(
        &mut self,
        path: &LayerPath,
        kind: u8,
        metadata: &Metadata,
        size: u64,
        target: &str,
        is_junction: bool,
    ) -> Result<(), LayerError> {
        let mode = match kind {
            kind::DIRECTORY => MODE_DIRECTORY,
            kind::SYMLINK => MODE_LINK,
            _ => MODE_FILE,
        };
        let mut header = header(kind, mode, size);
        let records = records(metadata).ok_or_else(|| LayerErrorKind::Record.at(path.as_str()));
        let mut records = records?;
        if is_junction {
            records.insert(pax::MOUNT_POINT.to_owned(), b"1".to_vec());
        }
        let (seconds, nanoseconds) = metadata.modified.to_unix();
        header.modified = seconds;
        if nanoseconds != 0 || seconds < 0 {
            records.insert(
                pax::MODIFIED.to_owned(),
                metadata.modified.to_pax().into_bytes(),
            );
        }
        self.last = Some(path.clone());
        let slash = if kind == kind::DIRECTORY { "/" } else { "" };
        self.header(
            &format!("{path}{slash}"),
            &target.replace('\\', "/"),
            &header,
            records,
        )
    }

    /// Writes the entry's records, where it needs some, and its header.
    fn header(
        &mut self,
        name: &str,
        link: &str,
        header: &Header,
        mut records: Records,
    ) -> Result<(), LayerError> {
        if !fits(name) {
            records.insert(pax::PATH.to_owned(), name.as_bytes().to_vec());
        }
        if !fits(link) {
            records.insert(pax::LINK_PATH.to_owned(), link.as_bytes().to_vec());
        }
        if !size_fits(header.size) {
            records.insert(pax::SIZE.to_owned(), header.size.to_string().into_bytes());
        }
        let header = Header {
            name: name.into(),
            link: link.into(),
            ..header.clone()
        };
        self.blocks(&header, &records)
            .map_err(|error| LayerErrorKind::Io(error).at(name))
    }

    fn blocks(&mut self, header: &Header, records: &Records) -> io::Result<()> {
        if !records.is_empty() {
            let content = pax::encode(records);
            let about = Header {
                name: records_name(&header.name),
                kind: kind::RECORDS,
                size: content.len() as u64,
                ..self::header(kind::RECORDS, 0, 0)
            };
            self.output.write_all(&about.encode())?;
            self.output.write_all(&content)?;
            self.output.write_all(padding(content.len() as u64))?;
        }
        self.output.write_all(&header.encode())
    }

    fn content(
        &mut self,
        name: &str,
        size: u64,
        content: &mut impl Read,
    ) -> Result<(), LayerError> {
        let copied = io::copy(&mut content.take(size), &mut self.output);
        let copied = copied.map_err(|error| LayerErrorKind::Io(error).at(name))?;
        if copied != size {
            return Err(LayerErrorKind::Length.at(name));
        }
        let padded = self.output.write_all(padding(size));
        padded.map_err(|error| LayerErrorKind::Io(error).at(name))
    }
}

fn header(kind: u8, mode: u32, size: u64) -> Header {
    Header {
        name: Vec::new(),
        kind,
        mode,
        size,
        modified: 0,
        link: Vec::new(),
    }
}

/// The name of the entry that holds another's records, as Go gives it.
fn records_name(name: &[u8]) -> Vec<u8> {
    let name = name.strip_suffix(b"/").unwrap_or(name);
    let split = name
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |slash| slash + 1);
    [&name[..split], b"PaxHeaders.0/", &name[split..]].concat()
}

/// The records of an entry; `None` if an extended attribute has a name that no record can hold.
fn records(metadata: &Metadata) -> Option<Records> {
    let mut records = Records::new();
    let mut put = |key: &str, value: String| records.insert(key.to_owned(), value.into_bytes());
    put(pax::ATTRIBUTES, metadata.attributes.to_string());
    put(pax::CREATED, metadata.created.to_pax());
    match (&metadata.security, &metadata.sddl) {
        (Some(security), _) => put(pax::SECURITY, STANDARD.encode(security)),
        (None, Some(sddl)) => put(pax::SDDL, sddl.clone()),
        (None, None) => None,
    };
    for (name, value) in &metadata.extended {
        if name.contains(['=', '\0', '\n']) {
            return None;
        }
        put(
            &format!("{}{name}", pax::EXTENDED_PREFIX),
            STANDARD.encode(value),
        );
    }
    Some(records)
}

/// Whether a stream may be called this.
#[must_use]
pub fn is_stream_name(name: &str) -> bool {
    !name.is_empty() && name.encode_utf16().count() <= 255 && !name.contains([':', '/', '\\', '\0'])
}

/// Zeros up to the next block.
fn padding(size: u64) -> &'static [u8] {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    if over == 0 { &[] } else { &ZEROS[over..] }
}
