//! `porthole rm`.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::query_parameters::RemoveContainerOptionsBuilder;

use crate::arguments::Rm;
use crate::failure;

/// Carries it out: every container that can be removed is, and one that cannot does not stop that.
pub(crate) async fn carry_out(client: &Docker, rm: &Rm) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for container in &rm.containers {
        let options = RemoveContainerOptionsBuilder::default()
            .force(rm.force)
            .build();
        match client.remove_container(container, Some(options)).await {
            Ok(()) => println!("{container}"),
            Err(error) => {
                failure::tell(&error.into());
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
