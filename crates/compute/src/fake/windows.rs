//! The few commands that the fake knows by itself, with Windows' results.

use porthole_protocol::WindowsError;

use super::reg::Edit;
use super::script::Program;

/// `ERROR_FILE_NOT_FOUND`.
const FILE_NOT_FOUND: u32 = 2;

/// What `cmd` says, and its exit code, when there is no such command.
const NOT_RECOGNIZED: u32 = 9009;

/// The program of a command line.
///
/// | command | does |
/// |---|---|
/// | `cmd` | a shell: copies its input to its output until the input ends |
/// | `cmd /c echo TEXT`, with `1>&2` at the end as an error | prints |
/// | `cmd /c exit N` | exits; N may be negative |
/// | `sort`, `cmd /c sort` | copies its input to its output, as it comes; so it is a program that runs for as long as its input is open |
/// | `reg add KEY [/v NAME [/t TYPE] /d DATA]`, `reg delete KEY [/v NAME]` | changes the registry; other forms, and values of other types than strings and `REG_DWORD`, exit with 1 |
/// | `cmd /c OTHER` | not recognized: 9009 |
pub(super) fn program(command_line: &str) -> Result<Program, WindowsError> {
    let (name, arguments) = split(command_line);
    let lower = name.to_ascii_lowercase();
    let base = lower.rsplit('\\').next().unwrap_or(&lower);
    match base.strip_suffix(".exe").unwrap_or(base) {
        "cmd" => Ok(cmd(arguments)),
        "sort" => Ok(Program::new().echo()),
        "reg" => Ok(reg(arguments)),
        _ => Err(WindowsError {
            code: FILE_NOT_FOUND,
            operation: "CreateProcess".into(),
            message: "The system cannot find the file specified.".into(),
        }),
    }
}

fn reg(arguments: &str) -> Program {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    match Edit::parse(&words) {
        Some(edit) => Program::new().edit_registry(edit),
        None => Program::new()
            .print_error("ERROR: Invalid syntax.\r\n")
            .exit(1),
    }
}

fn cmd(arguments: &str) -> Program {
    let Some(command) = strip_switch(arguments, "/c") else {
        return Program::new().echo();
    };
    let (name, rest) = split(command);
    match name.to_ascii_lowercase().as_str() {
        "echo" => match rest.strip_suffix("1>&2") {
            Some(text) => Program::new().print_error(format!("{text}\r\n")),
            None => Program::new().print(format!("{rest}\r\n")),
        },
        "exit" => Program::new().exit(exit_code(rest)),
        "sort" => Program::new().echo(),
        other => Program::new()
            .print_error(format!(
                "'{other}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
            ))
            .exit(NOT_RECOGNIZED),
    }
}

/// As `cmd` reads it: negative numbers are the upper half of 32 bits.
#[expect(
    clippy::cast_sign_loss,
    reason = "Windows shows the same 32 bits unsigned"
)]
fn exit_code(text: &str) -> u32 {
    text.trim().parse::<i32>().map_or(0, |code| code as u32)
}

/// The first word, quoted or not, and what follows the blanks after it.
fn split(line: &str) -> (&str, &str) {
    let line = line.trim_start();
    let (word, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
        None => line.split_once(' ').unwrap_or((line, "")),
    };
    (word, rest.trim_start())
}

fn strip_switch<'a>(arguments: &'a str, switch: &str) -> Option<&'a str> {
    let mut rest = arguments;
    loop {
        let (word, after) = split(rest);
        if word.eq_ignore_ascii_case(switch) {
            return Some(after);
        }
        if !word.starts_with('/') {
            return None;
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_cmd() {
        for (text, code) in [("3", 3), ("-1073741510", 0xC000_013A), ("", 0), ("x", 0)] {
            assert_eq!(exit_code(text), code);
        }
    }

    #[test]
    fn a_missing_program_is_a_windows_error() {
        assert_eq!(program("nothing.exe").unwrap_err().code, FILE_NOT_FOUND);
        assert!(program(r#""C:\Windows\System32\CMD.EXE" /S /C echo hi"#).is_ok());
    }
}
