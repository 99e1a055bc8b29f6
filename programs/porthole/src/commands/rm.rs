//! `porthole rm`.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::query_parameters::RemoveContainerOptionsBuilder;

use super::each::each;
use crate::arguments::Rm;

/// Carries it out.
pub(crate) async fn carry_out(client: &Docker, rm: &Rm) -> Result<ExitCode> {
    Ok(each(&rm.containers, async |name| {
        let options = RemoveContainerOptionsBuilder::default()
            .force(rm.force)
            .v(rm.volumes);
        client.remove_container(name, Some(options.build())).await
    })
    .await)
}
