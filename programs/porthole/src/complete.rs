//! Completion in a shell: commands and options, and the names that the daemon knows.

use std::ffi::OsStr;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};
use serde_json::Value;

use crate::arguments::{Arguments, DEFAULT_HOST, HOST_VARIABLE};
use crate::request;

/// The variable by which a shell's script asks for candidates.
const VARIABLE: &str = "COMPLETE";

/// What a key press may wait for a daemon.
const PATIENCE: Duration = Duration::from_secs(1);

/// Answers a shell that asks for candidates, and then ends the process.
pub(crate) fn answer_shell() {
    CompleteEnv::with_factory(Arguments::command)
        .var(VARIABLE)
        .complete();
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

/// The names of containers.
pub(crate) fn containers(begun: &OsStr) -> Vec<CompletionCandidate> {
    candidates(begun, "/containers/json?all=1", "Names")
}

/// The names of images.
pub(crate) fn images(begun: &OsStr) -> Vec<CompletionCandidate> {
    candidates(begun, "/images/json", "RepoTags")
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
    let names = rows.flat_map(|row| row[names].as_array().into_iter().flatten());
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
    }
}
