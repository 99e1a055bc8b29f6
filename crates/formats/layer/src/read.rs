//! Reading a layer.

use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::entry::{Entry, EntryKind};
use crate::error::{LayerError, LayerErrorKind};
use crate::header::{BLOCK, Header, kind};
use crate::metadata::{Metadata, attributes};
use crate::path::{LayerPath, PathError};
use crate::pax::{self, Records};
use crate::time::FileTime;
use crate::write::is_stream_name;

/// Bytes that an entry's records and long names may have, all together.
const MAX_RECORDS: u64 = 1 << 20;
/// Bytes of records that hold for all entries.
const MAX_GLOBAL_RECORDS: usize = 1 << 14;
/// What marks a whiteout.
const WHITEOUT: &str = ".wh.";
/// The whiteout of everything below a directory.
pub(crate) const OPAQUE: &str = ".wh..wh..opq";

/// Reads a layer, entry by entry. After a file or stream its content can be read from the reader;
/// what is left of it is skipped.
#[derive(Debug)]
pub struct LayerReader<R> {
    input: R,
    /// Bytes of the current entry's content that have not been read.
    left: u64,
    /// Bytes behind the content up to the next block.
    padding: u64,
    /// Records that hold for all entries.
    global: Records,
    /// The file or directory that streams belong to.
    last: Option<LayerPath>,
    is_over: bool,
}

impl<R: Read> LayerReader<R> {
    /// A layer read from `input`, which is not compressed.
    pub fn new(input: R) -> Self {
        Self {
            input,
            left: 0,
            padding: 0,
            global: Records::new(),
            last: None,
            is_over: false,
        }
    }

    /// The next entry; `None` at the end of the layer.
    ///
    /// # Errors
    /// Anything that a layer may not hold. The reader is of no use afterwards.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, LayerError> {
        if self.is_over {
            return Ok(None);
        }
        let mut records = self.global.clone();
        let mut said = 0;
        loop {
            self.skip_content().map_err(|kind| kind.at(""))?;
            let Some(header) = self.header().map_err(|kind| kind.at(""))? else {
                self.is_over = true;
                return Ok(None);
            };
            let name = String::from_utf8_lossy(&header.name).into_owned();
            let is_about = self
                .about(&header, &mut records)
                .map_err(|kind| kind.at(name.as_str()))?;
            if is_about {
                said += header.size;
                if said > MAX_RECORDS {
                    return Err(LayerErrorKind::RecordsTooLarge.at(name));
                }
            } else {
                let name = records
                    .get(pax::PATH)
                    .map_or(name, |name| String::from_utf8_lossy(name).into_owned());
                return self
                    .entry(&header, &records)
                    .map(Some)
                    .map_err(|kind| kind.at(name));
            }
        }
    }

    /// The input, wherever it stands.
    pub fn into_inner(self) -> R {
        self.input
    }

    fn header(&mut self) -> Result<Option<Header>, LayerErrorKind> {
        let mut block = [0; BLOCK];
        // An archive may end without blocks of zeros, but not inside a block.
        let first = self.input.read(&mut block)?;
        if first == 0 {
            return Ok(None);
        }
        self.input.read_exact(&mut block[first..])?;
        Header::decode(&block)
    }

    /// Takes in an entry that says something of the next one, or of all; `false` if it is none.
    fn about(&mut self, header: &Header, records: &mut Records) -> Result<bool, LayerErrorKind> {
        match header.kind {
            kind::RECORDS => {
                let content = self.records_content(header)?;
                pax::decode(&content, records).ok_or(LayerErrorKind::Record)?;
            }
            kind::GLOBAL_RECORDS => {
                let content = self.records_content(header)?;
                pax::decode(&content, &mut self.global).ok_or(LayerErrorKind::Record)?;
                // They are kept, and copied for every entry.
                if pax::size(&self.global) > MAX_GLOBAL_RECORDS {
                    return Err(LayerErrorKind::RecordsTooLarge);
                }
                pax::decode(&content, records).ok_or(LayerErrorKind::Record)?;
            }
            kind::GNU_LONG_NAME | kind::GNU_LONG_LINK => {
                let mut content = self.records_content(header)?;
                content.truncate(
                    content
                        .iter()
                        .position(|&byte| byte == 0)
                        .unwrap_or(content.len()),
                );
                let key = if header.kind == kind::GNU_LONG_NAME {
                    pax::PATH
                } else {
                    pax::LINK_PATH
                };
                records.insert(key.to_owned(), content);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn records_content(&mut self, header: &Header) -> Result<Vec<u8>, LayerErrorKind> {
        if header.size > MAX_RECORDS {
            return Err(LayerErrorKind::RecordsTooLarge);
        }
        self.announce(header.size);
        let mut content = Vec::new();
        self.read_to_end(&mut content)?;
        if content.len() as u64 == header.size {
            Ok(content)
        } else {
            Err(LayerErrorKind::Truncated)
        }
    }

    fn announce(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip_content(&mut self) -> Result<(), LayerErrorKind> {
        let rest = self.left.saturating_add(self.padding);
        (self.left, self.padding) = (0, 0);
        let skipped = io::copy(&mut self.input.by_ref().take(rest), &mut io::sink())?;
        if skipped == rest {
            Ok(())
        } else {
            Err(LayerErrorKind::Truncated)
        }
    }

    fn entry(&mut self, header: &Header, records: &Records) -> Result<Entry, LayerErrorKind> {
        let bytes = records.get(pax::PATH).unwrap_or(&header.name);
        let (name, is_text) = lossy(bytes).ok_or(LayerErrorKind::Path(PathError::Encoding))?;
        let content = self.announce_content(header, records, &name)?;
        let stream = split_stream(&name);
        if !is_text {
            let owner = stream.map_or(name.as_str(), |(owner, _)| owner);
            self.last = self.last.take().filter(|_| stream.is_some());
            return set_aside(LayerPath::new(owner).map_err(LayerErrorKind::Path)?);
        }
        if let Some((owner, stream)) = stream {
            return self.stream(owner, stream, content.ok_or(LayerErrorKind::Stream)?);
        }
        let path = name.trim_end_matches('/');
        let last = path.rsplit('/').next().unwrap_or_default();
        if last.starts_with(WHITEOUT) {
            self.last = None;
            return whiteout(path, last, content.unwrap_or(0));
        }
        let path = LayerPath::new(&name).map_err(LayerErrorKind::Path)?;
        let Some(kind) = kind(header, records, content)? else {
            self.last = None;
            return set_aside(path);
        };
        let (last, metadata) = match kind {
            EntryKind::HardLink { .. } => (None, Metadata::default()),
            _ => (Some(path.clone()), metadata(header, &kind, records)?),
        };
        self.last = last;
        Ok(Entry {
            path,
            kind,
            metadata,
        })
    }

    /// The size of a file's content, which can be read from now on; none for other entries.
    fn announce_content(
        &mut self,
        header: &Header,
        records: &Records,
        name: &str,
    ) -> Result<Option<u64>, LayerErrorKind> {
        let size = match records.get(pax::SIZE) {
            Some(size) => text(size)?.parse().map_err(|_| LayerErrorKind::Record)?,
            None => header.size,
        };
        // Old archives mark directories only by the end of their names.
        let is_file = matches!(header.kind, kind::FILE | kind::OLD_FILE) && !name.ends_with('/');
        // Some writers give a hard link the size of its file, but never the content.
        if !is_file && size != 0 && header.kind != kind::HARD_LINK {
            return Err(LayerErrorKind::Header);
        }
        self.announce(if is_file { size } else { 0 });
        Ok(is_file.then_some(size))
    }

    fn stream(&self, owner: &str, name: &str, size: u64) -> Result<Entry, LayerErrorKind> {
        let path = LayerPath::new(owner).map_err(LayerErrorKind::Path)?;
        let follows = self.last.as_ref() == Some(&path);
        if !follows || !is_stream_name(name) {
            return Err(LayerErrorKind::Stream);
        }
        let kind = EntryKind::Stream {
            name: name.to_owned(),
            size,
        };
        Ok(Entry {
            path,
            kind,
            metadata: Metadata::default(),
        })
    }
}

/// The content of the current entry.
impl<R: Read> Read for LayerReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.by_ref().take(self.left).read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "layer ends inside an entry",
            ));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// An entry that says no more than that there is something.
fn set_aside(path: LayerPath) -> Result<Entry, LayerErrorKind> {
    Ok(Entry {
        path,
        kind: EntryKind::SetAside,
        metadata: Metadata::default(),
    })
}

/// A name as text, and whether it is all of it: Windows' names may have halves of surrogate pairs,
/// which its archives hold as if they were characters (WTF-8); they become U+FFFD.
fn lossy(mut bytes: &[u8]) -> Option<(String, bool)> {
    let mut text = String::with_capacity(bytes.len());
    let mut is_text = true;
    loop {
        let valid = match std::str::from_utf8(bytes) {
            Ok(rest) => {
                text.push_str(rest);
                return Some((text, is_text));
            }
            Err(error) => error.valid_up_to(),
        };
        let (good, rest) = bytes.split_at(valid);
        text.push_str(std::str::from_utf8(good).ok()?);
        let [0xed, 0xa0..=0xbf, 0x80..=0xbf, after @ ..] = rest else {
            return None;
        };
        text.push(char::REPLACEMENT_CHARACTER);
        is_text = false;
        bytes = after;
    }
}

fn text(bytes: &[u8]) -> Result<&str, LayerErrorKind> {
    std::str::from_utf8(bytes).map_err(|_| LayerErrorKind::Path(PathError::Encoding))
}

/// Takes `file:stream` apart; `:$DATA`, the type that all streams have, may follow.
fn split_stream(name: &str) -> Option<(&str, &str)> {
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let colon = name[last..].find(':')?;
    let (owner, stream) = (&name[..last + colon], &name[last + colon + 1..]);
    Some((owner, stream.strip_suffix(":$DATA").unwrap_or(stream)))
}

fn whiteout(name: &str, last: &str, size: u64) -> Result<Entry, LayerErrorKind> {
    let parent = name.strip_suffix(last).unwrap_or_default();
    let parent = LayerPath::new(parent).map_err(LayerErrorKind::Path)?;
    if size != 0 || !parent.takes_whiteouts() {
        return Err(LayerErrorKind::Whiteout);
    }
    let metadata = Metadata::default();
    if last == OPAQUE {
        return Ok(Entry {
            path: parent,
            kind: EntryKind::Opaque,
            metadata,
        });
    }
    let path = parent
        .join(&last[WHITEOUT.len()..])
        .map_err(LayerErrorKind::Path)?;
    Ok(Entry {
        path,
        kind: EntryKind::Whiteout,
        metadata,
    })
}

/// What an entry is; `None` where it leads to a name that is no text.
fn kind(
    header: &Header,
    records: &Records,
    content: Option<u64>,
) -> Result<Option<EntryKind>, LayerErrorKind> {
    let link = || {
        let bytes = records.get(pax::LINK_PATH).unwrap_or(&header.link);
        let (link, is_text) = lossy(bytes).ok_or(LayerErrorKind::Path(PathError::Encoding))?;
        if link.contains('\0') {
            return Err(LayerErrorKind::Path(PathError::Character('\0')));
        }
        Ok(is_text.then_some(link))
    };
    Ok(Some(match (header.kind, content) {
        (kind::FILE | kind::OLD_FILE, Some(size)) => EntryKind::File { size },
        (kind::FILE | kind::OLD_FILE | kind::DIRECTORY, _) => EntryKind::Directory,
        (kind::HARD_LINK, _) => {
            let Some(link) = link()? else { return Ok(None) };
            EntryKind::HardLink {
                target: LayerPath::new(&link).map_err(LayerErrorKind::Path)?,
            }
        }
        (kind::SYMLINK, _) => {
            let Some(link) = link()? else { return Ok(None) };
            let target = link.replace('/', "\\");
            if records.contains_key(pax::MOUNT_POINT) {
                EntryKind::Junction { target }
            } else {
                EntryKind::Symlink { target }
            }
        }
        (other, _) => return Err(LayerErrorKind::Type(char::from(other))),
    }))
}

fn metadata(
    header: &Header,
    kind: &EntryKind,
    records: &Records,
) -> Result<Metadata, LayerErrorKind> {
    let record = |key: &str| records.get(key).map(|value| text(value)).transpose();
    let time = |key: &str| {
        record(key)?
            .map(|time| FileTime::from_pax(time).ok_or(LayerErrorKind::Record))
            .transpose()
    };
    let modified = time(pax::MODIFIED)?.unwrap_or_else(|| FileTime::from_unix(header.modified, 0));
    let attributes = match record(pax::ATTRIBUTES)? {
        Some(attributes) => attributes.parse().map_err(|_| LayerErrorKind::Record)?,
        None => default_attributes(kind),
    };
    let security = records
        .get(pax::SECURITY)
        .map(|value| decode(value))
        .transpose()?;
    let mut extended = std::collections::BTreeMap::new();
    for (key, value) in records {
        if let Some(name) = key.strip_prefix(pax::EXTENDED_PREFIX) {
            if name.contains(['\0', '\n']) {
                return Err(LayerErrorKind::Record);
            }
            extended.insert(name.to_owned(), decode(value)?);
        }
    }
    let created = time(pax::CREATED)?.unwrap_or(modified);
    let sddl = record(pax::SDDL)?.map(str::to_owned);
    Ok(Metadata {
        attributes,
        security,
        sddl,
        modified,
        created,
        extended,
    })
}

const fn default_attributes(kind: &EntryKind) -> u32 {
    match kind {
        EntryKind::Directory => attributes::DIRECTORY,
        EntryKind::Symlink { .. } => attributes::REPARSE_POINT,
        EntryKind::Junction { .. } => attributes::REPARSE_POINT | attributes::DIRECTORY,
        _ => attributes::ARCHIVE,
    }
}

fn decode(base64: &[u8]) -> Result<Vec<u8>, LayerErrorKind> {
    STANDARD.decode(base64).map_err(|_| LayerErrorKind::Record)
}
