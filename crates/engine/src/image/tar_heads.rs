//! Entries of archives from clients. What stands before an entry (long names, extended headers) is read
//! into memory, and the archive says how long it is; so it has a limit.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use tar::{Entries, Entry};

use crate::error::Result;
use crate::image::decompress::broken;

/// Bytes that may stand before an entry's content: a long name, a long link and an extended header.
const MOST_BYTES: u64 = 4 << 20;

/// An archive's bytes, of which no more than were allowed can be read while an entry is looked for.
pub(crate) struct Limited<R> {
    archive: R,
    allowed: Allowed,
}

/// What may still be read; anything when it is none.
#[derive(Clone, Default)]
struct Allowed(Rc<Cell<Option<u64>>>);

/// Looks for the entries of an archive.
pub(crate) struct Heads(Allowed);

/// An archive to give to [`tar::Archive`], and what looks for its entries.
pub(crate) fn limited<R: Read>(archive: R) -> (Limited<R>, Heads) {
    let allowed = Allowed::default();
    let heads = Heads(allowed.clone());
    (Limited { archive, allowed }, heads)
}

impl Heads {
    /// The next entry. That before must have been read by [`rest`].
    ///
    /// # Errors
    /// `InvalidParameter` for an archive that cannot be read, or more before an entry than it may have.
    pub(crate) fn next<'a, R: Read>(
        &self,
        entries: &mut Entries<'a, Limited<R>>,
    ) -> Result<Option<Entry<'a, Limited<R>>>> {
        self.0.0.set(Some(MOST_BYTES));
        let entry = entries.next().transpose().map_err(broken);
        self.0.0.set(None);
        entry
    }
}

/// Reads what is left of an entry.
///
/// # Errors
/// `InvalidParameter` for an archive that cannot be read.
pub(crate) fn rest(mut entry: impl Read) -> Result<()> {
    io::copy(&mut entry, &mut io::sink())
        .map(drop)
        .map_err(broken)
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(allowed) = self.allowed.0.get() else {
            return self.archive.read(buffer);
        };
        if allowed == 0 {
            let reason = format!("more than {MOST_BYTES} bytes stand before an entry");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let most = usize::try_from(allowed).unwrap_or(usize::MAX);
        let length = buffer.len().min(most);
        let count = self.archive.read(&mut buffer[..length])?;
        self.allowed.0.set(Some(allowed - count as u64));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use tar::{Archive, EntryType, Header};

    use super::*;

    fn header(kind: EntryType, size: u64) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.set_path("a").unwrap();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    fn sizes(archive: impl Read) -> Result<Vec<u64>> {
        let (archive, heads) = limited(archive);
        let mut archive = Archive::new(archive);
        let mut entries = archive.entries().map_err(broken)?;
        let mut sizes = Vec::new();
        while let Some(entry) = heads.next(&mut entries)? {
            sizes.push(entry.size());
            rest(entry)?;
        }
        Ok(sizes)
    }

    #[test]
    fn contents_may_be_large_and_what_stands_before_them_not() {
        let large = 2 * MOST_BYTES;
        let file = || {
            let head = io::Cursor::new(header(EntryType::Regular, large));
            head.chain(io::repeat(0).take(large))
        };
        assert_eq!(sizes(file().chain(file())).unwrap(), [large, large]);
        for kind in [
            EntryType::GNULongName,
            EntryType::GNULongLink,
            EntryType::XHeader,
        ] {
            // An archive of this size would be read into memory whole.
            let endless = header(kind, 1 << 40);
            let endless = io::Cursor::new(endless).chain(io::repeat(b'x'));
            let error = sizes(endless).unwrap_err();
            assert!(error.to_string().contains("before an entry"), "{error}");
        }
    }
}
