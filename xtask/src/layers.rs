//! The direction of imports: the real dependency graph against the table of ARCHITECTURE.md.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use serde::Deserialize;

use crate::command::{cargo, output, root};

/// The layers, the lowest first. A crate's layer is the directory that it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Formats,
    Mechanisms,
    Compute,
    Engine,
    Api,
    Program,
}

impl Layer {
    fn of(manifest: &Path) -> Option<Self> {
        let relative = manifest.strip_prefix(root()).ok()?;
        let mut parts = relative.iter().map(|part| part.to_string_lossy());
        match (parts.next()?.as_ref(), parts.next()?.as_ref()) {
            ("crates", "formats") => Some(Self::Formats),
            ("crates", "mechanisms") => Some(Self::Mechanisms),
            ("crates", "compute") => Some(Self::Compute),
            ("crates", "engine") => Some(Self::Engine),
            ("crates", "api") => Some(Self::Api),
            ("programs" | "tests", _) | ("xtask", _) => Some(Self::Program),
            _ => None,
        }
    }

    /// Whether a crate of this layer may import `name` of layer `other`.
    fn may_import(self, other: Self, name: &str) -> bool {
        match (self, other) {
            // Formats know bytes and nothing else of ours, one another included.
            (Self::Formats, _) => false,
            (_, Self::Formats) => true,
            // One mechanism is built on another (bases are stored, kernels are opened).
            (Self::Mechanisms | Self::Compute, Self::Mechanisms) => true,
            // The engine never names Wine, cgroups or namespaces: images, their layers, registries,
            // networks and the destinations of logs only.
            (Self::Engine, Self::Mechanisms) => {
                matches!(
                    name,
                    "porthole-store"
                        | "porthole-layers"
                        | "porthole-distribution"
                        | "porthole-network"
                        | "porthole-log-drivers"
                )
            }
            (Self::Engine, Self::Compute) | (Self::Api, Self::Engine) => true,
            // The developers' door starts servers the way the tests do.
            (Self::Program, other) => other != Self::Program || name == "porthole-e2e",
            _ => false,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `None` for a normal dependency; tests may import what they like.
    kind: Option<String>,
}

/// Fails with every import that goes the wrong way.
pub(crate) fn check() -> Result<()> {
    let text = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Metadata = serde_json::from_str(&text)?;
    let wrong = wrong_imports(&metadata.packages)?;
    if !wrong.is_empty() {
        bail!(
            "imports against the table of layers in ARCHITECTURE.md:\n  {}",
            wrong.join("\n  ")
        );
    }
    Ok(())
}

fn wrong_imports(packages: &[Package]) -> Result<Vec<String>> {
    let mut layers = BTreeMap::new();
    for package in packages {
        let Some(layer) = Layer::of(Path::new(&package.manifest_path)) else {
            bail!(
                "{} stands in no layer's directory ({})",
                package.name,
                package.manifest_path
            );
        };
        layers.insert(package.name.as_str(), layer);
    }
    let mut wrong = Vec::new();
    for package in packages {
        let layer = layers[package.name.as_str()];
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind.is_none())
        {
            let Some(&other) = layers.get(dependency.name.as_str()) else {
                continue;
            };
            if !layer.may_import(other, &dependency.name) {
                wrong.push(format!(
                    "{} ({layer:?}) imports {} ({other:?})",
                    package.name, dependency.name
                ));
            }
        }
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, directory: &str, imports: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            manifest_path: root()
                .join(directory)
                .join("Cargo.toml")
                .to_string_lossy()
                .into_owned(),
            dependencies: imports
                .iter()
                .map(|name| Dependency {
                    name: (*name).to_owned(),
                    kind: None,
                })
                .collect(),
        }
    }

    #[test]
    fn imports_go_down_only() {
        let packages = [
            package("porthole-hcs", "crates/formats/hcs", &[]),
            package(
                "porthole-sandbox",
                "crates/mechanisms/sandbox",
                &["porthole-hcs"],
            ),
            package(
                "porthole-store",
                "crates/mechanisms/store",
                &["porthole-engine"],
            ),
            package(
                "porthole-engine",
                "crates/engine",
                &["porthole-store", "porthole-sandbox"],
            ),
            package("porthole-api", "crates/api", &["porthole-store", "serde"]),
        ];
        let wrong = wrong_imports(&packages).unwrap();
        assert_eq!(
            wrong,
            [
                "porthole-store (Mechanisms) imports porthole-engine (Engine)",
                "porthole-engine (Engine) imports porthole-sandbox (Mechanisms)",
                "porthole-api (Api) imports porthole-store (Mechanisms)",
            ]
        );
    }

    #[test]
    fn a_crate_outside_every_layer_is_an_error() {
        assert!(wrong_imports(&[package("porthole-util", "lib/util", &[])]).is_err());
    }
}
