//! What is set up for registries of images.

use std::path::PathBuf;

use anyhow::{Context, Result};
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
/// A mirror that is no address, or an insecure registry that is none.
pub(crate) fn settings(section: Section) -> Result<Registries> {
    let default = Settings::default();
    let settings = Settings {
        insecure_registries: section.insecure,
        mirrors: section.mirrors,
        certificates: section.certificates.unwrap_or(default.certificates),
        ..default
    };
    settings
        .check()
        .context("section registries, insecure and mirrors")?;
    Ok(Registries {
        settings,
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
        for wrong in ["mirror.example", "https://mirror.example/path"] {
            let refusal = format!("{:#}", settings(section(wrong)).expect_err(wrong));
            assert!(refusal.contains(wrong), "{refusal}");
            assert!(refusal.contains("registries"), "{refusal}");
        }
    }

    #[test]
    fn insecure_registries_are_names_or_networks() {
        let section = Section {
            insecure: vec!["http://registry.example:5000".to_owned()],
            ..Section::default()
        };
        let refusal = format!("{:#}", settings(section).expect_err("an address"));
        assert!(refusal.contains("registry.example"), "{refusal}");
    }
}
