//! `porthole version`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::print_json;
use crate::output::say;
use crate::{client, failure};

/// Carries it out; without a daemon it tells this program's version and fails.
pub(crate) async fn carry_out(host: &str, json: bool) -> Result<ExitCode> {
    let own = env!("CARGO_PKG_VERSION");
    let daemon = match client::connect(host) {
        Ok(client) => client.version().await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    match daemon {
        Ok(daemon) if json => print_json(&json!({ "client": own, "daemon": daemon }))?,
        Ok(daemon) => {
            say!("porthole   {own}")?;
            say!(
                "portholed  {}",
                daemon.version.as_deref().unwrap_or_default()
            )?;
            say!(
                "API        {} (from {})",
                daemon.api_version.as_deref().unwrap_or_default(),
                daemon.min_api_version.as_deref().unwrap_or_default()
            )?;
            say!(
                "Windows    {}",
                daemon.kernel_version.as_deref().unwrap_or_default()
            )?;
            for component in daemon
                .components
                .iter()
                .flatten()
                .filter(|component| component.name == "kernel package")
            {
                say!("Wine       {}", component.version)?;
            }
        }
        Err(error) => {
            if json {
                print_json(&json!({ "client": own, "daemon": null }))?;
            } else {
                say!("porthole   {own}")?;
            }
            failure::tell(&error);
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
