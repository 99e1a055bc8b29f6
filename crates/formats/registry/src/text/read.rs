//! Text to tree.

use super::escape::unescape;
use super::line::{Lines, value};
use super::{Architecture, Document, MAX_DEPTH, TextError, TextErrorKind};
use crate::filetime::FileTime;
use crate::key::Key;
use crate::name::Name;

/// Reads a registry file.
///
/// # Errors
/// The first line that wineserver would not have written, or that nests keys too deeply.
pub fn read(text: &[u8]) -> Result<Document, TextError> {
    let mut lines = Lines::new(text);
    let mut reader = Reader::default();
    let result = reader.read(&mut lines);
    result.map_err(|kind| TextError {
        line: lines.number.max(1),
        kind,
    })?;
    Ok(Document {
        root: reader.root,
        architecture: reader.architecture,
        tree: reader.tree,
    })
}

#[derive(Default)]
struct Reader {
    root: String,
    architecture: Option<Architecture>,
    tree: Key,
    /// The key whose lines are being read; none before the first key line.
    current: Option<Entry>,
}

/// A key and what its lines say.
struct Entry {
    /// Names that lead to the key.
    path: Vec<Name>,
    key: Key,
}

impl Reader {
    fn read(&mut self, lines: &mut Lines<'_>) -> Result<(), TextErrorKind> {
        if lines.next() != Some(b"WINE REGISTRY Version 2") {
            return Err(TextErrorKind::Header);
        }
        while let Some(line) = lines.next() {
            match line {
                [] => {}
                [b';', ..] => self.comment(line),
                [b'#', option @ ..] => self.option(option)?,
                [b'[', key @ ..] => {
                    self.finish_key();
                    self.current = Some(entry(key)?);
                }
                [b'@' | b'"', ..] => {
                    let (name, value) = value(line, lines)?;
                    self.key()?.set_value(name, value);
                }
                _ => return Err(TextErrorKind::Line),
            }
        }
        self.finish_key();
        Ok(())
    }

    fn comment(&mut self, line: &[u8]) {
        if let Some(root) = line.strip_prefix(b";; All keys relative to ") {
            self.root = String::from_utf8_lossy(root).replace(r"\\", r"\");
        }
    }

    fn key(&mut self) -> Result<&mut Key, TextErrorKind> {
        self.current
            .as_mut()
            .map(|entry| &mut entry.key)
            .ok_or(TextErrorKind::NoKey)
    }

    /// An option of the file, or of the current key; wineserver ignores those it does not know.
    fn option(&mut self, option: &[u8]) -> Result<(), TextErrorKind> {
        if let Some(name) = option.strip_prefix(b"arch=") {
            let known = [Architecture::Win32, Architecture::Win64];
            let found = known
                .into_iter()
                .find(|known| known.name().as_bytes() == name);
            self.architecture = Some(found.ok_or(TextErrorKind::Architecture)?);
        } else if let Some(digits) = option.strip_prefix(b"time=") {
            let digits = std::str::from_utf8(digits).map_err(|_| TextErrorKind::Line)?;
            let time = u64::from_str_radix(digits, 16).map_err(|_| TextErrorKind::Line)?;
            self.key()?.last_write = FileTime(time);
        } else if let Some(class) = option.strip_prefix(b"class=\"") {
            let (mut units, _) = unescape(class, b'"').ok_or(TextErrorKind::Class)?;
            // Wineserver counts the end of a class that it reads as part of it, and so writes one
            // more of them after each start.
            while units.last() == Some(&0) {
                units.pop();
            }
            self.key()?.class = Some(units.into());
        } else if option.starts_with(b"link") {
            self.key()?.symlink = true;
        }
        Ok(())
    }

    /// Puts the current key into the tree. Keys on the way that have no time yet take its time.
    fn finish_key(&mut self) {
        let Some(Entry { path, key }) = self.current.take() else {
            return;
        };
        let mut target = &mut self.tree;
        inherit_time(target, &key);
        for name in path {
            target = target.subkey_or_insert(name, Key::default());
            inherit_time(target, &key);
        }
        target.symlink |= key.symlink;
        if key.class.is_some() {
            target.class.clone_from(&key.class);
        }
        for (name, value) in key.into_parts().0 {
            target.set_value(name, value);
        }
    }
}

fn inherit_time(key: &mut Key, from: &Key) {
    if key.last_write == FileTime::default() {
        key.last_write = from.last_write;
    }
}

/// Reads a key line after its opening bracket.
fn entry(line: &[u8]) -> Result<Entry, TextErrorKind> {
    let (units, rest) = unescape(line, b']').ok_or(TextErrorKind::Key)?;
    let path: Vec<Name> = match units.as_slice() {
        [] => Vec::new(),
        units => units
            .split(|&unit| unit == u16::from(b'\\'))
            .map(Name::from_units)
            .collect(),
    };
    if path.iter().any(Name::is_empty) {
        return Err(TextErrorKind::Key);
    }
    if path.len() > MAX_DEPTH {
        return Err(TextErrorKind::Depth);
    }
    let seconds = std::str::from_utf8(rest.trim_ascii())
        .ok()
        .and_then(|text| text.parse().ok());
    let last_write = seconds.map(FileTime::from_unix_seconds).unwrap_or_default();
    Ok(Entry {
        path,
        key: Key::new(last_write),
    })
}
