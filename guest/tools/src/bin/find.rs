//! `find`: lines that hold a text. Wine's knows no switch (`/c`, `/v`, `/n`, `/i`).

use std::process::ExitCode;

use porthole_tools::arguments::Arguments;
use porthole_tools::{text, wildcard};

const HELP: &str = "Searches for a text string in a file or files.

FIND [/V] [/C] [/N] [/I] \"string\" [[path]filename[ ...]]

  /V         Displays all lines NOT containing the specified string.
  /C         Displays only the count of lines containing the string.
  /N         Displays line numbers with the displayed lines.
  /I         Ignores the case of characters when searching for the string.";

fn main() -> ExitCode {
    let arguments = Arguments::of_process();
    if arguments.asks_for_help() {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    if let Some((unknown, _)) = arguments
        .switches
        .iter()
        .find(|(name, _)| !["v", "c", "n", "i", "off", "offline"].contains(&name.as_str()))
    {
        eprintln!("FIND: Invalid switch /{unknown}");
        return ExitCode::from(2);
    }
    let Some((needle, files)) = arguments.operands.split_first() else {
        eprintln!("FIND: Parameter format not correct");
        return ExitCode::from(2);
    };
    let mut found = false;
    if files.is_empty() {
        match text::standard_input() {
            Ok(lines) => found |= search(&lines, needle, &arguments, None),
            Err(error) => eprintln!("FIND: {error}"),
        }
    }
    for path in files.iter().flat_map(|file| wildcard::expand(file, false)) {
        match std::fs::read(&path) {
            Ok(bytes) => {
                let name = path.display().to_string().to_uppercase();
                found |= search(&text::lines(&bytes), needle, &arguments, Some(&name));
            }
            Err(_) => println!(
                "File not found - {}",
                path.display().to_string().to_uppercase()
            ),
        }
    }
    ExitCode::from(u8::from(!found))
}

fn search(lines: &[String], needle: &str, arguments: &Arguments, file: Option<&str>) -> bool {
    let ignore_case = arguments.has("i");
    let folded = needle.to_lowercase();
    // Windows' find takes an empty string to be in no line, so `find /v /c ""` counts all.
    let holds = |line: &str| {
        !needle.is_empty()
            && if ignore_case {
                line.to_lowercase().contains(&folded)
            } else {
                line.contains(needle)
            }
    };
    let wanted = !arguments.has("v");
    let matching: Vec<_> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| holds(line) == wanted)
        .collect();
    if arguments.has("c") {
        match file {
            Some(file) => println!("\n---------- {file}: {}", matching.len()),
            None => println!("{}", matching.len()),
        }
        return !matching.is_empty();
    }
    if let Some(file) = file {
        println!("\n---------- {file}");
    }
    for (index, line) in &matching {
        if arguments.has("n") {
            println!("[{}]{line}", index + 1);
        } else {
            println!("{line}");
        }
    }
    !matching.is_empty()
}
