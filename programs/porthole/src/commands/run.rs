//! `porthole run`.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::query_parameters::RemoveContainerOptionsBuilder;

use super::attached::{Attached, Manner};
use super::create;
use crate::arguments::Run;
use crate::output::say;
use crate::terminal::detach_keys::DetachKeys;
use crate::wait::Until;

/// Carries it out.
pub(crate) async fn carry_out(client: &Docker, host: &str, run: Run) -> Result<ExitCode> {
    let options = &run.options;
    let streams = options.streams();
    let manner = Manner {
        streams,
        tty: options.tty,
        sig_proxy: run.sig_proxy,
        detach_keys: options.detach_keys.as_deref(),
        until: if run.rm {
            Until::Removed
        } else {
            Until::NextExit
        },
    };
    if run.detach {
        DetachKeys::parse(manner.detach_keys)?;
    } else {
        manner.check()?;
    }
    let attached = (!run.detach).then_some(streams);
    let id = create::create(host, options, attached, run.rm).await?;
    match start(client, host, &id, &run, manner).await {
        // It never ran, so nothing else removes it.
        Err(error) if run.rm => Err(give_up(client, &id, error).await),
        outcome => outcome,
    }
}

async fn start(
    client: &Docker,
    host: &str,
    id: &str,
    run: &Run,
    manner: Manner<'_>,
) -> Result<ExitCode> {
    let start = async { Ok(client.start_container(id, None).await?) };
    if run.detach {
        start.await?;
        say!("{id}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let attached = Attached::begin(client, host, id, manner).await?;
    attached.follow(start).await
}

/// After a failure: `--rm` leaves nothing behind, as it promised.
async fn give_up(client: &Docker, id: &str, error: anyhow::Error) -> anyhow::Error {
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    // The daemon may have done it already.
    let _ = client.remove_container(id, Some(options)).await;
    error
}
