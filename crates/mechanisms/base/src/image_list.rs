//! Which PE files the base OS images hold: `image_files.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use object::LittleEndian as LE;
use object::pe::{ImageNtHeaders32, ImageNtHeaders64};
use object::read::pe::{ExportTarget, ImageNtHeaders, PeFile};
use serde::Deserialize;

use crate::error::{Error, IoContext, Result};

/// The list as it stands in the source, which is also part of what identifies a base.
pub(crate) const TEXT: &str = include_str!("image_files.toml");

/// The list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageList {
    absent: Vec<Group>,
    nanoserver: Vec<Group>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the reason is for readers of the list")
    )]
    why: String,
    files: Vec<String>,
}

impl ImageList {
    /// The list of this version.
    pub(crate) fn load() -> Self {
        toml::from_str(TEXT).expect("image_files.toml is part of the source and tested")
    }

    /// Whether a file of that name is in no base.
    pub(crate) fn is_absent(&self, name: &str) -> bool {
        self.absent
            .iter()
            .flat_map(|group| &group.files)
            .any(|absent| absent.eq_ignore_ascii_case(name))
    }

    /// The files of nanoserver: those listed, and what they import from `system`.
    pub(crate) fn nanoserver(&self, system: &Path) -> Result<BTreeSet<String>> {
        let available = names(system)?;
        let mut found = BTreeSet::new();
        let mut open: Vec<_> = self
            .nanoserver
            .iter()
            .flat_map(|group| group.files.clone())
            .collect();
        for name in &open {
            if !available.contains_key(name) {
                return Err(Error::malformed(
                    "choose files of",
                    "nanoserver",
                    format!("Wine has no {name}"),
                ));
            }
        }
        while let Some(name) = open.pop() {
            let Some(name) = available.get(&name.to_ascii_lowercase()) else {
                continue;
            };
            if !self.is_absent(name) && found.insert(name.clone()) {
                let path = system.join(name);
                let bytes = fs::read(&path).at("read", &path)?;
                open.extend(dependencies(&bytes));
            }
        }
        Ok(found)
    }
}

/// The files of a directory by their lower-case name.
fn names(directory: &Path) -> Result<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    for entry in fs::read_dir(directory).at("list", directory)? {
        let name = entry
            .at("list", directory)?
            .file_name()
            .to_string_lossy()
            .into_owned();
        names.insert(name.to_ascii_lowercase(), name);
    }
    Ok(names)
}

/// The modules that a PE file imports, now or on first use, or forwards its exports to.
fn dependencies(bytes: &[u8]) -> Vec<String> {
    let of_64 = PeFile::<ImageNtHeaders64>::parse(bytes)
        .ok()
        .and_then(|file| collect(&file).ok());
    let of_32 = || {
        PeFile::<ImageNtHeaders32>::parse(bytes)
            .ok()
            .and_then(|file| collect(&file).ok())
    };
    of_64.or_else(of_32).unwrap_or_default()
}

fn collect<H: ImageNtHeaders>(file: &PeFile<'_, H>) -> object::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut add = |name: &[u8]| found.push(String::from_utf8_lossy(name).into_owned());
    if let Some(imports) = file.import_table()? {
        let mut descriptors = imports.descriptors()?;
        while let Some(descriptor) = descriptors.next()? {
            add(imports.name(descriptor.name.get(LE))?);
        }
    }
    let (sections, directories) = (file.section_table(), file.data_directories());
    if let Some(imports) = directories.delay_load_import_table(file.data(), &sections)? {
        let mut descriptors = imports.descriptors()?;
        while let Some(descriptor) = descriptors.next()? {
            add(imports.name(descriptor.dll_name_rva.get(LE))?);
        }
    }
    if let Some(exports) = file.export_table()? {
        for export in exports.exports()? {
            if let ExportTarget::ForwardByName(module, _)
            | ExportTarget::ForwardByOrdinal(module, _) = export.target
            {
                add(&[module, b".dll"].concat());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ImageList;

    #[test]
    fn every_group_has_a_reason_and_files_stand_once() {
        let list = ImageList::load();
        for groups in [&list.absent, &list.nanoserver] {
            let mut seen = BTreeSet::new();
            for group in groups {
                assert!(group.why.len() > 10);
                for file in &group.files {
                    assert!(seen.insert(file), "{file} stands twice");
                    assert_eq!(*file, file.to_ascii_lowercase());
                }
            }
        }
    }

    #[test]
    fn nothing_is_both_listed_and_absent() {
        let list = ImageList::load();
        let mut files = list.nanoserver.iter().flat_map(|group| &group.files);
        assert_eq!(files.find(|file| list.is_absent(file)), None);
    }
}
