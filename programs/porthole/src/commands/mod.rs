//! The commands, one file each.

mod archive_output;
mod archives;
mod attach;
mod attached;
pub(crate) mod base;
mod commit;
mod cp;
mod create;
mod diff;
pub(crate) mod doctor;
mod each;
mod events;
mod exec;
mod images;
mod inspect;
mod lifecycle;
pub(crate) mod login;
mod logs;
mod objects;
mod port;
mod process;
mod progress;
mod prune;
mod ps;
mod pull;
mod rm;
mod run;
pub(crate) mod setup;
mod stats;
pub(crate) mod store;
mod system;
mod top;
mod update;
mod version;

use std::process::ExitCode;

use anyhow::{Result, bail};
use bollard::Docker;

use crate::arguments::Command;
use crate::client;
use crate::output::print_json;

/// Carries out a command that the daemon answers.
pub(crate) async fn ask_daemon(host: &str, json: bool, command: Command) -> Result<ExitCode> {
    // `version` has an answer of its own when no daemon runs.
    if matches!(command, Command::Version) {
        return version::carry_out(host, json).await;
    }
    let client = client::connect(host)?;
    match command {
        Command::Run(run) => run::carry_out(&client, host, *run).await,
        Command::Create(new) => create::carry_out(host, *new).await,
        Command::Attach(attach) => attach::attach(&client, host, &attach).await,
        Command::Exec(exec) => exec::carry_out(&client, exec).await,
        Command::Cp(copy) => cp::carry_out(&client, host, &copy).await,
        Command::Ps(ps) => ps::carry_out(host, &ps, json).await,
        Command::Logs(logs) => logs::carry_out(host, logs).await,
        Command::Start(start) => attach::start(&client, host, &start).await,
        Command::Stop(stop) => lifecycle::stop(host, &stop).await,
        Command::Restart(stop) => lifecycle::restart(host, &stop).await,
        Command::Kill(kill) => lifecycle::kill(&client, &kill).await,
        Command::Pause(containers) => lifecycle::pause(&client, &containers).await,
        Command::Unpause(containers) => lifecycle::unpause(&client, &containers).await,
        Command::Wait(containers) => lifecycle::wait(host, &containers).await,
        Command::Rename(rename) => lifecycle::rename(&client, &rename).await,
        Command::Inspect(named) => inspect::carry_out(host, &named, json).await,
        Command::Top(container) => top::carry_out(&client, &container, json).await,
        Command::Stats(stats) => stats::carry_out(&client, &stats, json).await,
        Command::Events(events) => events::carry_out(host, events, json).await,
        Command::Rm(rm) => rm::carry_out(&client, &rm).await,
        Command::Prune(prune) => prune::containers(&client, prune, json).await,
        Command::Update(update) => update::carry_out(host, &update).await,
        Command::Port(port) => port::carry_out(host, &port, json).await,
        Command::Diff(diff) => diff::carry_out(host, &diff, json).await,
        Command::Commit(commit) => commit::carry_out(host, &commit).await,
        Command::Export(export) => archives::export(host, &export).await,
        other => ask_of_images(&client, host, json, other).await,
    }
}

/// Carries out a command about images.
async fn ask_of_images(
    client: &Docker,
    host: &str,
    json: bool,
    command: Command,
) -> Result<ExitCode> {
    match command {
        Command::Pull(pulled) => pull::carry_out(host, &pulled).await,
        Command::Push(pushed) => pull::push(host, &pushed).await,
        Command::Login(login) => login::login(host, &login).await,
        Command::Search(search) => login::search(host, &search, json).await,
        Command::Save(save) => archives::save(host, &save).await,
        Command::Load(load) => archives::load(host, &load).await,
        Command::Import(import) => archives::import(host, &import).await,
        Command::Tag(tag) => images::tag(client, &tag).await,
        Command::Rmi(rmi) => images::remove(client, &rmi).await,
        Command::History(named) => images::history(client, &named, json).await,
        Command::Images(images) => images::list(client, images.list, json).await,
        Command::ImagesPrune(prune) => prune::images(client, prune, json).await,
        other => ask_of_the_rest(client, host, json, other).await,
    }
}

/// Carries out a command about the daemon itself, volumes or networks.
async fn ask_of_the_rest(
    client: &Docker,
    host: &str,
    json: bool,
    command: Command,
) -> Result<ExitCode> {
    match command {
        Command::System(system) => system::carry_out(client, host, system, json).await,
        Command::Info(info) => system::info(host, &info, json).await,
        Command::Volume { command } => objects::volumes(host, command, json).await,
        Command::Network { command } => objects::networks(host, command, json).await,
        _ => bail!("this command asks no daemon"),
    }
}
