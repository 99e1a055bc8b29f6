//! `where`: finds programs and files. Wine's knows no `/r`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use porthole_tools::{arguments::Arguments, wildcard};

const HELP: &str = "WHERE [/R dir] [/Q] [/F] pattern...

    Displays the location of files that match the pattern, in the current directory and in PATH.

    /R dir    Searches dir and the directories below it.
    /Q        Returns only the exit code.
    /F        Displays the names in double quotes.";

fn main() -> ExitCode {
    let arguments = Arguments::of_process();
    if arguments.asks_for_help() {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let (root, patterns) = if arguments.has("r") {
        match arguments.operands.split_first() {
            Some((root, patterns)) => (Some(root.as_str()), patterns),
            None => (None, &arguments.operands[..]),
        }
    } else {
        (None, &arguments.operands[..])
    };
    if patterns.is_empty() {
        eprintln!("ERROR: Invalid syntax. Type \"WHERE /?\" for usage.");
        return ExitCode::from(2);
    }
    let mut code = ExitCode::SUCCESS;
    for pattern in patterns {
        let found = root.map_or_else(|| in_path(pattern), |root| below(root, pattern));
        if found.is_empty() {
            if !arguments.has("q") {
                eprintln!("INFO: Could not find files for the given pattern(s).");
            }
            code = ExitCode::FAILURE;
        }
        for path in found.iter().filter(|_| !arguments.has("q")) {
            let quote = if arguments.has("f") { "\"" } else { "" };
            println!("{quote}{}{quote}", path.display());
        }
    }
    code
}

fn below(root: &str, pattern: &str) -> Vec<PathBuf> {
    names(pattern)
        .iter()
        .flat_map(|name| wildcard::expand(&Path::new(root).join(name).to_string_lossy(), true))
        .collect()
}

fn in_path(pattern: &str) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = std::env::current_dir().into_iter().collect();
    directories.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    let mut found: Vec<PathBuf> = Vec::new();
    for directory in directories {
        for entry in std::fs::read_dir(&directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let matches = names(pattern)
                .iter()
                .any(|wanted| wildcard::matches(wanted, &name));
            let path = directory.join(&name);
            if matches && path.is_file() && !found.contains(&path) {
                found.push(path);
            }
        }
    }
    found
}

/// The pattern as it stands and with each of PATHEXT's endings.
fn names(pattern: &str) -> Vec<String> {
    let endings = std::env::var("PATHEXT").unwrap_or_else(|_| ".COM;.EXE;.BAT;.CMD".to_owned());
    let with_ending = endings
        .split(';')
        .filter(|e| !e.is_empty())
        .map(|ending| format!("{pattern}{ending}"));
    std::iter::once(pattern.to_owned())
        .chain(with_ending)
        .collect()
}
