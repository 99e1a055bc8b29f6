//! Commands, environments and directories: from Docker's lists to what Windows takes.

use crate::container::config::ContainerConfig;
use crate::error::{Error, Result};

/// Where a process starts when nothing says where.
const ROOT: &str = r"C:\";

/// The main process's command line.
pub(crate) fn main_command_line(config: &ContainerConfig) -> Result<String> {
    let entrypoint = config.entrypoint.iter().flatten();
    let words: Vec<String> = entrypoint
        .chain(config.cmd.iter().flatten())
        .cloned()
        .collect();
    let Some((program, arguments)) = words
        .split_first()
        .filter(|(program, _)| !program.is_empty())
    else {
        return Err(Error::invalid("no command specified"));
    };
    check_program(program)?;
    if !config.args_escaped {
        return Ok(quote(&words));
    }
    // The first word is a finished command line; what was added to it is not.
    if arguments.is_empty() {
        return Ok(program.clone());
    }
    Ok(format!("{program} {}", quote(arguments)))
}

/// Refuses a program path that only a Unix shell can have made of a Windows path.
pub(crate) fn check_program(program: &str) -> Result<()> {
    let mut chars = program.chars();
    let drive = chars
        .next()
        .is_some_and(|letter| letter.is_ascii_alphabetic())
        && chars.next() == Some(':');
    match chars.next() {
        Some(next) if drive && next != '\\' && next != '/' => Err(Error::invalid(format!(
            "invalid command \"{program}\": it is relative to the current directory of drive {}, which is rarely \
             meant; most likely the shell has taken the backslashes away: quote the path, for example \
             'C:\\app\\node.exe'",
            &program[..2]
        ))),
        _ => Ok(()),
    }
}

/// A working directory as Windows takes it.
pub(crate) fn working_directory(directory: &str) -> Result<String> {
    if directory.is_empty() {
        return Ok(ROOT.to_owned());
    }
    let directory = directory.replace('/', r"\");
    let bytes = directory.as_bytes();
    match bytes {
        [b'\\', ..] => Ok(format!("C:{directory}")),
        [drive, b':', b'\\', ..] if drive.eq_ignore_ascii_case(&b'c') => Ok(directory),
        [drive, b':', ..] if drive.is_ascii_alphabetic() => Err(Error::invalid(format!(
            "the working directory '{directory}' is invalid, it needs to be an absolute path on drive C:"
        ))),
        _ => Ok(format!("{ROOT}{directory}")),
    }
}

/// One command line of these words, quoted so that programs split it into them again.
pub(crate) fn quote(words: &[String]) -> String {
    words
        .iter()
        .map(|word| quote_word(word))
        .collect::<Vec<_>>()
        .join(" ")
}

fn quote_word(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '\t', '"']) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    let mut backslashes = 0;
    for c in word.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                quoted.push_str(&"\\".repeat(backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        quoted.push(c);
    }
    quoted.push_str(&"\\".repeat(backslashes));
    quoted.push('"');
    quoted
}

/// `over`'s variables over `base`'s; names compare without case.
pub(crate) fn environment(base: &[String], over: &[String]) -> Vec<String> {
    let mut merged: Vec<String> = Vec::new();
    let name = |variable: &str| {
        variable
            .split('=')
            .next()
            .unwrap_or_default()
            .to_lowercase()
    };
    for variable in base.iter().chain(over) {
        match merged
            .iter_mut()
            .find(|known| name(known) == name(variable))
        {
            Some(known) => known.clone_from(variable),
            None => merged.push(variable.clone()),
        }
    }
    merged
}
