//! Packages that are accepted by a digest in the source: `pinned_packages.toml`.

use serde::Deserialize;

use crate::packages::Package;

#[derive(Deserialize)]
struct Pins {
    #[serde(rename = "package")]
    packages: Vec<Package>,
}

/// The pinned package, if there is one of that version.
pub(crate) fn find(name: &str, architecture: &str, version: &str) -> Option<Package> {
    let pins: Pins = toml::from_str(include_str!("pinned_packages.toml"))
        .expect("pinned_packages.toml is part of the source and tested");
    pins.packages.into_iter().find(|package| {
        package.name == name && package.architecture == architecture && package.version == version
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_the_exact_version_is_pinned() {
        assert!(super::find("libwine", "i386", "10.0~repack-6").is_some());
        assert!(super::find("libwine", "i386", "10.0~repack-7").is_none());
        assert!(super::find("libwine", "amd64", "10.0~repack-6").is_none());
    }
}
