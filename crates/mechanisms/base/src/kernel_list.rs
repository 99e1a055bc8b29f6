//! The list of what the kernel package holds: `kernel_files.toml`.

use serde::Deserialize;

/// The list as it stands in the source, which is also part of what identifies a kernel package.
pub(crate) const TEXT: &str = include_str!("kernel_files.toml");

/// All packages that give files to the kernel package.
#[derive(Debug, Deserialize)]
pub(crate) struct KernelList {
    /// The packages.
    #[serde(rename = "package")]
    pub(crate) packages: Vec<ListedPackage>,
}

/// A package and what is taken of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListedPackage {
    /// Its name in Debian.
    pub(crate) name: String,
    /// The files.
    pub(crate) files: Vec<ListedFile>,
}

/// A file or tree of the kernel package.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListedFile {
    /// Its path, without a leading `/`; a tree's ends in one.
    pub(crate) path: String,
    /// What needs it.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the reason is for readers of the list")
    )]
    pub(crate) why: String,
}

impl KernelList {
    /// The list of this version.
    pub(crate) fn load() -> Self {
        toml::from_str(TEXT).expect("kernel_files.toml is part of the source and tested")
    }
}

impl ListedPackage {
    /// Whether a file of the package may be needed: it is listed, in a listed tree, or beside a
    /// listed file, which may be a link to it.
    pub(crate) fn may_need(&self, path: &str) -> bool {
        self.files
            .iter()
            .any(|file| match file.path.strip_suffix('/') {
                Some(_) => path.starts_with(&file.path),
                None => parent(path) == parent(&file.path) && is_same_library(path, &file.path),
            })
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Whether both names begin alike up to `.so`: `libx.so.1` is a link to `libx.so.1.2`.
fn is_same_library(path: &str, listed: &str) -> bool {
    match listed.find(".so") {
        Some(end) => path.starts_with(&listed[..end]),
        None => path == listed,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::KernelList;

    #[test]
    fn every_entry_has_a_reason_and_stands_once() {
        let list = KernelList::load();
        let mut seen = BTreeSet::new();
        for file in list.packages.iter().flat_map(|package| &package.files) {
            assert!(file.why.len() > 10, "{} has no reason", file.path);
            assert!(seen.insert(&file.path), "{} stands twice", file.path);
        }
    }

    #[test]
    fn needs_listed_files_their_targets_and_trees() {
        let list = KernelList::load();
        let of = |name: &str, path: &str| {
            let package = list
                .packages
                .iter()
                .find(|package| package.name == name)
                .unwrap();
            package.may_need(path)
        };
        assert!(of("libgmp10", "usr/lib/x86_64-linux-gnu/libgmp.so.10.5.0"));
        assert!(!of("libgmp10", "usr/share/doc/libgmp10/copyright"));
        assert!(of("tzdata", "usr/share/zoneinfo/Europe/Berlin"));
        assert!(of(
            "libwine",
            "usr/lib/x86_64-linux-gnu/wine/x86_64-unix/ntdll.so"
        ));
        assert!(!of(
            "libwine",
            "usr/lib/x86_64-linux-gnu/wine/x86_64-unix/winex11.so"
        ));
        assert!(!of("wine64", "usr/lib/wine/wineserver"));
    }
}
