//! `porthole inspect`: containers, or images of that name.

use std::process::ExitCode;

use anyhow::{Result, bail};
use bollard::errors::Error;
use serde_json::Value;

use crate::arguments::Inspect;
use crate::failure;
use crate::output::{Format, print_json};
use crate::request;

/// Carries it out: what is found is printed, whatever else is not.
pub(crate) async fn carry_out(host: &str, named: &Inspect, json: bool) -> Result<ExitCode> {
    let format = Format::of(named.of.format.as_deref(), json)?;
    let mut code = ExitCode::SUCCESS;
    let mut found = Vec::new();
    for name in &named.of.names {
        match inspect(host, named, name).await {
            Ok(value) => found.push(value),
            Err(error) => {
                failure::tell(&error);
                code = ExitCode::FAILURE;
            }
        }
    }
    match format {
        Some(format) => format.print(&[], &found)?,
        None => print_json(&found)?,
    }
    Ok(code)
}

async fn inspect(host: &str, named: &Inspect, name: &str) -> Result<Value> {
    let kind = named.kind.as_deref();
    let name_in_path = request::segment(name);
    let container = format!("/containers/{name_in_path}/json?size={}", named.size);
    let image = format!("/images/{name_in_path}/json");
    for (path, is) in [(container, "container"), (image, "image")] {
        if kind.is_some_and(|kind| kind != is) {
            continue;
        }
        match request::get(host, &path).await {
            Err(error) if is_missing(&error) => {}
            answer => return answer,
        }
    }
    let kind = kind.unwrap_or("container or image");
    bail!("no {kind} is named {name}")
}

fn is_missing(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(Error::DockerResponseServerError {
            status_code: 404,
            ..
        })
    )
}
