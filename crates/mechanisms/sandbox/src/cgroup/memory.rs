//! How much memory a silo may use and has used.

use std::path::{Path, PathBuf};

use super::files::{keyed, number, read};

/// The files in which a cgroup's memory is counted.
#[derive(Debug)]
struct Names {
    limit: &'static str,
    usage: &'static str,
    /// The file cache that was not used lately, in `memory.stat`.
    inactive_cache: &'static str,
}

const V1: Names = Names {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    inactive_cache: "total_inactive_file",
};

const V2: Names = Names {
    limit: "memory.max",
    usage: "memory.current",
    inactive_cache: "inactive_file",
};

/// Where a silo's memory is counted; can be asked as long as the cgroup exists.
#[derive(Debug)]
pub(crate) struct MemoryAccount {
    directory: PathBuf,
    names: &'static Names,
}

/// What a silo may use and has used, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryUse {
    /// At most this much; none without a limit.
    pub(crate) limit: Option<u64>,
    /// Without the cache that the kernel drops first, as `docker stats` counts it.
    pub(crate) used: u64,
}

impl MemoryAccount {
    pub(super) fn v1(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            names: &V1,
        }
    }

    pub(super) fn v2(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            names: &V2,
        }
    }

    /// Limit and use at this moment.
    pub(crate) fn read(&self) -> MemoryUse {
        let detail = read(&self.directory, "memory.stat").unwrap_or_default();
        let usage = number(&self.directory, self.names.usage);
        MemoryUse {
            // Version 2 says `max` where there is no limit.
            limit: read(&self.directory, self.names.limit)
                .and_then(|text| text.trim().parse().ok()),
            used: usage.saturating_sub(keyed(&detail, self.names.inactive_cache)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn fixture(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(root.path().join(name), content).unwrap();
        }
        root
    }

    #[test]
    fn both_versions_are_read_without_the_cache_that_goes_first() {
        let first = fixture(&[
            ("memory.limit_in_bytes", "1000000\n"),
            ("memory.usage_in_bytes", "5000\n"),
            (
                "memory.stat",
                "inactive_file 1\ntotal_inactive_file 2000\ntotal_active_file 500\n",
            ),
        ]);
        let expected = MemoryUse {
            limit: Some(1_000_000),
            used: 3000,
        };
        assert_eq!(MemoryAccount::v1(first.path()).read(), expected);
        let second = fixture(&[
            ("memory.max", "1000000\n"),
            ("memory.current", "5000\n"),
            ("memory.stat", "inactive_file 2000\nactive_file 500\n"),
        ]);
        assert_eq!(MemoryAccount::v2(second.path()).read(), expected);
    }

    #[test]
    fn a_limit_may_be_taken_away() {
        let root = fixture(&[("memory.max", "max\n"), ("memory.current", "5\n")]);
        let expected = MemoryUse {
            limit: None,
            used: 5,
        };
        assert_eq!(MemoryAccount::v2(root.path()).read(), expected);
    }
}
