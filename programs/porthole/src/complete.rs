//! Completion in a shell: commands and options, and the names that the daemon knows.

use std::ffi::OsStr;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Arg, ArgAction, Command};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use serde_json::Value;

use crate::arguments::{DEFAULT_HOST, HOST_VARIABLE};
use crate::{command_line, request};

/// The variable by which a shell's script asks for candidates.
const VARIABLE: &str = "COMPLETE";

/// What a key press may wait for a daemon.
const PATIENCE: Duration = Duration::from_secs(1);

const RESTART_POLICIES: [&str; 4] = ["no", "always", "unless-stopped", "on-failure"];

const LOG_DRIVERS: [&str; 7] = [
    "json-file",
    "local",
    "none",
    "syslog",
    "journald",
    "gelf",
    "fluentd",
];

/// Filters of `ps`, with their values where those are few.
const PS_FILTERS: [&str; 23] = [
    "ancestor=",
    "before=",
    "exited=",
    "expose=",
    "health=healthy",
    "health=none",
    "health=starting",
    "health=unhealthy",
    "id=",
    "isolation=hyperv",
    "isolation=process",
    "label=",
    "name=",
    "network=",
    "publish=",
    "since=",
    "status=created",
    "status=dead",
    "status=exited",
    "status=paused",
    "status=restarting",
    "status=running",
    "volume=",
];

/// Answers a shell that asks for candidates, and then ends the process.
pub(crate) fn answer_shell() {
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

/// Prints the script that makes a shell ask.
pub(crate) fn print_script(shell: clap_complete::Shell) -> Result<()> {
    std::io::stdout().write_all(&script(shell)?)?;
    Ok(())
}

/// The script that makes a shell ask.
pub(crate) fn script(shell: clap_complete::Shell) -> Result<Vec<u8>> {
    let shells = Shells::builtins();
    let name = shell.to_string();
    let completer = shells
        .completer(&name)
        .with_context(|| format!("there is no completion for {name}"))?;
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, "porthole", "porthole", "porthole", &mut script)?;
    Ok(script)
}

/// What a shell is offered: options and commands as they are, and for words what fits there.
fn command() -> Command {
    fitted(command_line::definition(false))
}

fn fitted(command: Command) -> Command {
    let name = command.get_name().to_owned();
    let command = match name.as_str() {
        "run" | "create" => in_two(command, images),
        "exec" => in_two(command, running),
        "attach" | "kill" | "pause" | "stop" | "top" => offering(command, running),
        "start" | "rm" => offering(command, resting),
        "unpause" => offering(command, paused),
        "ps" | "ls" => command.mut_args(|arg| match arg.get_id().as_str() {
            "filter" => arg.add(words_of(&PS_FILTERS)),
            _ => arg,
        }),
        _ => command,
    };
    let command = command.mut_args(|arg| match arg.get_id().as_str() {
        "restart" => arg.add(words_of(&RESTART_POLICIES)),
        "log_driver" => arg.add(words_of(&LOG_DRIVERS)),
        "network" => arg.add(ArgValueCompleter::new(networks)),
        _ => arg,
    });
    command.mut_subcommands(fitted)
}

/// Offers containers of one kind.
fn offering(command: Command, offer: fn(&OsStr) -> Vec<CompletionCandidate>) -> Command {
    command.mut_args(|arg| match arg.get_id().as_str() {
        "container" | "containers" => arg.add(ArgValueCompleter::new(offer)),
        _ => arg,
    })
}

/// Parts what is one list for the parser, so that `offer` is for its first word alone.
fn in_two(command: Command, offer: fn(&OsStr) -> Vec<CompletionCandidate>) -> Command {
    let first = |arg: Arg| {
        arg.action(ArgAction::Set)
            .num_args(1)
            .trailing_var_arg(false)
            .add(ArgValueCompleter::new(offer))
    };
    let rest = Arg::new("rest")
        .num_args(0..)
        .trailing_var_arg(true)
        .allow_hyphen_values(true);
    command.mut_arg("words", first).arg(rest)
}

/// Offers fixed words.
fn words_of(words: &'static [&'static str]) -> ArgValueCompleter {
    ArgValueCompleter::new(move |begun: &OsStr| {
        let begun = begun.to_str().unwrap_or_default();
        let fitting = words.iter().filter(|word| word.starts_with(begun));
        fitting.map(CompletionCandidate::new).collect()
    })
}

/// The names of containers.
pub(crate) fn containers(begun: &OsStr) -> Vec<CompletionCandidate> {
    candidates(begun, "/containers/json?all=1", "Names")
}

/// The names of containers that run.
fn running(begun: &OsStr) -> Vec<CompletionCandidate> {
    candidates(begun, "/containers/json", "Names")
}

/// The names of containers that do not run.
fn resting(begun: &OsStr) -> Vec<CompletionCandidate> {
    with_status(begun, r#"["created","exited","dead"]"#)
}

/// The names of containers that are paused.
fn paused(begun: &OsStr) -> Vec<CompletionCandidate> {
    with_status(begun, r#"["paused"]"#)
}

fn with_status(begun: &OsStr, statuses: &str) -> Vec<CompletionCandidate> {
    let filters = format!(r#"{{"status":{statuses}}}"#);
    let query = request::query(&[("all", "1"), ("filters", &filters)]);
    candidates(begun, &format!("/containers/json?{query}"), "Names")
}

/// The names of images.
pub(crate) fn images(begun: &OsStr) -> Vec<CompletionCandidate> {
    candidates(begun, "/images/json", "RepoTags")
}

/// The names of networks.
fn networks(begun: &OsStr) -> Vec<CompletionCandidate> {
    candidates(begun, "/networks", "Name")
}

/// Names in a list that begin as `begun`; none when the daemon cannot be asked, for a shell has no
/// place for errors.
fn candidates(begun: &OsStr, path: &str, names: &str) -> Vec<CompletionCandidate> {
    let Some(begun) = begun.to_str() else {
        return Vec::new();
    };
    let host = std::env::var(HOST_VARIABLE).unwrap_or_else(|_| DEFAULT_HOST.to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return Vec::new();
    };
    let asked = async { tokio::time::timeout(PATIENCE, request::get(&host, path)).await };
    match runtime.block_on(asked) {
        Ok(Ok(list)) => matching(&list, names, begun)
            .into_iter()
            .map(CompletionCandidate::new)
            .collect(),
        _ => Vec::new(),
    }
}

fn matching(list: &Value, names: &str, begun: &str) -> Vec<String> {
    let rows = list.as_array().into_iter().flatten();
    // Some objects have several names, and some one.
    let names = rows.flat_map(|row| match &row[names] {
        Value::Array(names) => names.as_slice(),
        name => std::slice::from_ref(name),
    });
    let names = names.filter_map(Value::as_str);
    let names = names.map(|name| name.trim_start_matches('/'));
    names
        .filter(|name| name.starts_with(begun))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::matching;

    #[test]
    fn names_that_begin_so_are_offered() {
        let list = json!([{ "Names": ["/web"] }, { "Names": ["/db"] }, { "Names": null }]);
        assert_eq!(matching(&list, "Names", "w"), ["web"]);
        assert_eq!(matching(&list, "Names", ""), ["web", "db"]);
        let list = json!([{ "Name": "nat" }, { "Name": "none" }]);
        assert_eq!(matching(&list, "Name", "na"), ["nat"]);
    }

    #[test]
    fn what_is_offered_is_sound_and_fits() {
        super::command().debug_assert();
        for (line, expected) in [
            (&["run", "--restart", "un"][..], "unless-stopped"),
            (&["container", "run", "--log-driver", "g"], "gelf"),
            (
                &["ps", "--filter", "status=r"],
                "status=restarting status=running",
            ),
        ] {
            let words = ["porthole"].iter().chain(line).map(Into::into);
            let words: Vec<std::ffi::OsString> = words.collect();
            let at = words.len() - 1;
            let offered = clap_complete::engine::complete(&mut super::command(), words, at, None);
            let offered: Vec<_> = offered
                .expect("candidates")
                .iter()
                .map(|offered| offered.get_value().to_string_lossy().into_owned())
                .collect();
            assert_eq!(offered.join(" "), expected, "{line:?}");
        }
    }
}
