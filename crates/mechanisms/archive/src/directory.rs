//! A directory that many entries are unpacked into, one after another.

use std::collections::HashMap;
use std::ffi::{CStr, CString};

use porthole_sandbox::filesystem::{each_name, folded};
use rustix::fs::AtFlags;
use rustix::io::Errno;

use crate::drive::{Node, Trail, open_node};
use crate::error::{Context, Result};

/// Names of a directory that are remembered.
const MOST_NAMES: usize = 1 << 20;

/// A directory with the names in it, read at most once: to look through it again for each entry
/// would take time that grows with the square of their number.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) trail: Trail,
    /// How names are spelt, by what Windows takes for the same.
    spellings: Option<HashMap<String, CString>>,
}

impl Directory {
    pub(crate) const fn new(trail: Trail) -> Self {
        Self {
            trail,
            spellings: None,
        }
    }

    pub(crate) fn node(&self) -> &Node {
        self.trail.last()
    }

    /// What is there under a name, in whatever case.
    pub(crate) fn find(&mut self, name: &str) -> Result<Option<Node>> {
        let exact = CString::new(name).map_err(std::io::Error::from);
        let exact = exact.at("look up", name)?;
        if self.has(&exact).at("look up", name)? {
            return self.open(exact).map(Some);
        }
        let found = self.spellings(name)?.get(&folded(name)).cloned();
        match found {
            // It may have gone since.
            Some(found) if self.has(&found).at("look up", name)? => self.open(found).map(Some),
            _ => Ok(None),
        }
    }

    /// Remembers a name that was made.
    pub(crate) fn made(&mut self, name: &CStr) {
        if let (Some(spellings), Ok(text)) = (&mut self.spellings, name.to_str()) {
            spellings.insert(folded(text), name.to_owned());
        }
    }

    fn open(&self, name: CString) -> Result<Node> {
        open_node(&self.node().descriptor, name)
    }

    fn has(&self, name: &CStr) -> rustix::io::Result<bool> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        match rustix::fs::statat(&self.node().descriptor, name, flags) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn spellings(&mut self, name: &str) -> Result<&HashMap<String, CString>> {
        if self.spellings.is_none() {
            let mut read = HashMap::new();
            each_name(&self.node().descriptor, |entry| {
                if let Ok(text) = entry.to_str() {
                    read.insert(folded(text), entry.to_owned());
                }
                read.len() < MOST_NAMES
            })
            .at("look up", name)?;
            self.spellings = Some(read);
        }
        Ok(self.spellings.get_or_insert_default())
    }
}
