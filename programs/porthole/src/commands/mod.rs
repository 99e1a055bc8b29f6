//! The commands, one file each.

pub(crate) mod base;
pub(crate) mod doctor;
mod each;
mod events;
mod exec;
mod images;
mod inspect;
mod lifecycle;
mod logs;
mod process;
mod prune;
mod ps;
mod publish;
mod rm;
mod run;
mod stats;
mod top;
mod version;

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::arguments::Command;
use crate::client;

/// Carries out a command that the daemon answers.
pub(crate) async fn ask_daemon(host: &str, json: bool, command: Command) -> Result<ExitCode> {
    // `version` has an answer of its own when no daemon runs.
    if matches!(command, Command::Version) {
        return version::carry_out(host, json).await;
    }
    let client = client::connect(host)?;
    match command {
        Command::Run(run) => run::carry_out(&client, host, run).await,
        Command::Exec(exec) => exec::carry_out(&client, exec).await,
        Command::Ps(ps) => ps::carry_out(&client, &ps, json).await,
        Command::Logs(logs) => logs::carry_out(&client, logs).await,
        Command::Start(containers) => lifecycle::start(&client, &containers).await,
        Command::Stop(stop) => lifecycle::stop(&client, &stop).await,
        Command::Restart(stop) => lifecycle::restart(&client, &stop).await,
        Command::Kill(kill) => lifecycle::kill(&client, &kill).await,
        Command::Pause(containers) => lifecycle::pause(&client, &containers).await,
        Command::Unpause(containers) => lifecycle::unpause(&client, &containers).await,
        Command::Wait(containers) => lifecycle::wait(host, &containers).await,
        Command::Rename(rename) => lifecycle::rename(&client, &rename).await,
        Command::Inspect(named) => inspect::carry_out(&client, &named).await,
        Command::Top(container) => top::carry_out(&client, &container, json).await,
        Command::Stats(stats) => stats::carry_out(&client, &stats, json).await,
        Command::Events(events) => events::carry_out(&client, events, json).await,
        Command::Rm(rm) => rm::carry_out(&client, &rm).await,
        Command::Prune(prune) => prune::carry_out(&client, prune, json).await,
        Command::Images(images) => images::carry_out(&client, images, json).await,
        Command::Base(_) | Command::Doctor(_) | Command::Version | Command::Completion { .. } => {
            bail!("this command asks no daemon")
        }
    }
}

/// Prints a value as JSON.
fn print_json(value: &impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}
