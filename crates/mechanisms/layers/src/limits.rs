//! How much a layer may hold, and what of it cannot be on disk.

/// How much a layer may hold before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries of the archive.
    pub entries: u64,
    /// Bytes of the archive, uncompressed.
    pub bytes: u64,
    /// Directories that an entry may lie in, one below the other.
    pub levels: usize,
}

/// Several times what the largest images of Microsoft hold.
impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 1_000_000,
            bytes: 128 << 30,
            levels: 256,
        }
    }
}

/// What a layer holds that its directory does not, or a directory that its layer does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetAside {
    /// Entries whose names the other side cannot have.
    pub names: u64,
    /// Links that lead out of C:. They are there, and lead nowhere.
    pub links: u64,
    /// The first of them.
    pub example: Option<String>,
    lacking: Lacking,
}

/// Which side does not hold what was set aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Lacking {
    #[default]
    Directory,
    Archive,
}

impl SetAside {
    /// Nothing yet of what an archive is going to lack.
    pub(crate) fn of_archive() -> Self {
        Self {
            lacking: Lacking::Archive,
            ..Self::default()
        }
    }

    /// Whether nothing was set aside.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.names == 0 && self.links == 0
    }

    /// What to tell the user, if anything.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let example = self.example.as_ref()?;
        let mut parts = Vec::new();
        if self.names > 0 {
            let what = match self.lacking {
                Lacking::Directory => {
                    "entries whose names this host's file system cannot hold are kept in the archive only"
                }
                Lacking::Archive => "files that Windows cannot have are left out",
            };
            parts.push(format!("{} {what}", self.names));
        }
        if self.links > 0 {
            parts.push(format!(
                "{} links that lead out of C: lead nowhere",
                self.links
            ));
        }
        Some(format!("{}; the first is {example:?}", parts.join(", ")))
    }

    pub(crate) fn name(&mut self, entry: impl Into<String>) {
        self.names += 1;
        self.example.get_or_insert_with(|| entry.into());
    }

    pub(crate) fn link(&mut self, entry: impl Into<String>) {
        self.links += 1;
        self.example.get_or_insert_with(|| entry.into());
    }
}
