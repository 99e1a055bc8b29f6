//! What is set up for registries of images.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use porthole_distribution::{Client, Settings};
use serde::Deserialize;

/// What the daemon is told of registries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registries {
    settings: Settings,
    push_base_layers: bool,
}

/// The file's section `registries`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Section {
    insecure: Vec<String>,
    mirrors: Vec<String>,
    certificates: Option<Vec<PathBuf>>,
    push_base_layers: bool,
}

/// Reads the section; proxies come from the environment, as for other programs.
///
/// # Errors
/// A mirror that is no address.
pub(crate) fn settings(section: Section) -> Result<Registries> {
    for mirror in &section.mirrors {
        ensure!(
            mirror.starts_with("https://") || mirror.starts_with("http://"),
            "registries.mirrors: {mirror} is no address: it must begin with https:// or http://"
        );
    }
    let default = Settings::default();
    Ok(Registries {
        settings: Settings {
            insecure_registries: section.insecure,
            mirrors: section.mirrors,
            certificates: section.certificates.unwrap_or(default.certificates),
            ..default
        },
        push_base_layers: section.push_base_layers,
    })
}

impl Registries {
    /// The engine's registries.
    pub(crate) fn open(&self) -> porthole_engine::image::registry::Registries {
        porthole_engine::image::registry::Registries {
            client: Client::new(self.settings.clone()),
            push_base_layers: self.push_base_layers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_addresses() {
        let section = |mirror: &str| Section {
            mirrors: vec![mirror.to_owned()],
            ..Section::default()
        };
        assert!(settings(section("https://mirror.example")).is_ok());
        let refusal = settings(section("mirror.example")).expect_err("no scheme");
        assert!(refusal.to_string().contains("https://"), "{refusal}");
    }
}
