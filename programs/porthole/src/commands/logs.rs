//! `porthole logs`.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::query_parameters::LogsOptionsBuilder;

use crate::arguments::Logs;
use crate::terminal::session;

/// Carries it out.
pub(crate) async fn carry_out(client: &Docker, logs: Logs) -> Result<ExitCode> {
    let options = LogsOptionsBuilder::default()
        .stdout(true)
        .stderr(true)
        .follow(logs.follow)
        .timestamps(logs.timestamps)
        .tail(&logs.tail)
        .build();
    session::show(Box::pin(client.logs(&logs.container, Some(options)))).await?;
    Ok(ExitCode::SUCCESS)
}
