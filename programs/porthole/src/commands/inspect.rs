//! `porthole inspect`: containers, or images of that name.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::errors::Error;
use serde_json::Value;

use super::print_json;
use crate::arguments::Containers;
use crate::failure;

/// Carries it out: what is found is printed, whatever else is not.
pub(crate) async fn carry_out(client: &Docker, named: &Containers) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let mut found = Vec::new();
    for name in &named.containers {
        match inspect(client, name).await {
            Ok(value) => found.push(value),
            Err(error) => {
                failure::tell(&error);
                code = ExitCode::FAILURE;
            }
        }
    }
    print_json(&found)?;
    Ok(code)
}

async fn inspect(client: &Docker, name: &str) -> Result<Value> {
    match client.inspect_container(name, None).await {
        Err(error) if is_missing(&error) => {}
        container => return Ok(serde_json::to_value(container?)?),
    }
    match client.inspect_image(name).await {
        Err(error) if is_missing(&error) => anyhow::bail!("no container or image is named {name}"),
        image => Ok(serde_json::to_value(image?)?),
    }
}

const fn is_missing(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}
