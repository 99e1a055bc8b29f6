//! Commands, environments and directories: from Docker's lists to what Windows takes.

use porthole_winpath::path::is_drive_relative;
use porthole_winpath::{ContainerPath, Environment, command_line};

use crate::container::config::ContainerConfig;
use crate::error::{Error, Result};

/// The main process's command line.
pub(crate) fn main_command_line(config: &ContainerConfig) -> Result<String> {
    let entrypoint = config.entrypoint.iter().flatten();
    let words: Vec<&String> = entrypoint.chain(config.cmd.iter().flatten()).collect();
    let Some((program, arguments)) = words
        .split_first()
        .filter(|(program, _)| !program.is_empty())
    else {
        return Err(Error::invalid("no command specified"));
    };
    check_program(program)?;
    if !config.args_escaped {
        return join(&words);
    }
    // The first word is a finished command line; what a client added to it is not.
    let escaped = arguments
        .iter()
        .map(|argument| command_line::quote(argument));
    let line: Vec<String> = std::iter::once((*program).clone()).chain(escaped).collect();
    command_line::join_escaped(&line).map_err(invalid)
}

/// One command line of these words, such that programs take it apart into them again.
pub(crate) fn join<S: AsRef<str>>(words: &[S]) -> Result<String> {
    command_line::join(words).map_err(invalid)
}

/// Refuses a program path that only a Unix shell can have made of a Windows path.
pub(crate) fn check_program(program: &str) -> Result<()> {
    match ContainerPath::parse(program) {
        Err(error) if is_drive_relative(program) => {
            Err(Error::invalid(format!("invalid command: {error}")).with_source(error))
        }
        _ => Ok(()),
    }
}

/// A working directory as Windows takes it; empty is the root of C:.
pub(crate) fn working_directory(directory: &str) -> Result<String> {
    let resolved = match directory {
        "" => Ok(ContainerPath::root()),
        directory => ContainerPath::root().resolve(directory),
    };
    resolved.map(|path| path.to_string()).map_err(|error| {
        Error::invalid(format!(
            "the working directory '{directory}' is invalid: {error}"
        ))
        .with_source(error)
    })
}

/// `over`'s variables over `base`'s; names compare without case.
pub(crate) fn environment(base: &[String], over: &[String]) -> Result<Environment> {
    let mut environment = Environment::from_entries(base).map_err(invalid)?;
    environment.apply_all(over).map_err(invalid)?;
    Ok(environment)
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::invalid(error.to_string()).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str], args_escaped: bool) -> Result<String> {
        let cmd = Some(words.iter().map(|word| (*word).to_owned()).collect());
        main_command_line(&ContainerConfig {
            cmd,
            args_escaped,
            ..ContainerConfig::default()
        })
    }

    #[test]
    fn words_are_quoted_unless_they_are_a_command_line() {
        assert_eq!(
            line(&["a b.exe", "c\"d"], false).unwrap(),
            r#""a b.exe" c\"d"#
        );
        assert_eq!(
            line(&["cmd /S /C echo \"x y\""], true).unwrap(),
            r#"cmd /S /C echo "x y""#
        );
        assert_eq!(
            line(&["cmd /S /C run", "a b"], true).unwrap(),
            r#"cmd /S /C run "a b""#
        );
    }

    #[test]
    fn no_command_is_refused() {
        for words in [&[][..], &[""][..]] {
            assert_eq!(
                line(words, false).unwrap_err().to_string(),
                "no command specified"
            );
        }
    }

    #[test]
    fn a_path_without_its_backslashes_is_explained() {
        let error = line(&["C:appnode.exe", r"C:\app\server.js"], false).unwrap_err();
        assert!(error.to_string().contains("backslash"), "{error}");
        assert!(line(&[r"C:\app\node.exe"], false).is_ok());
        assert!(line(&["node"], false).is_ok());
    }

    #[test]
    fn directories_are_made_absolute() {
        for (given, expected) in [
            ("", r"C:\"),
            ("/app", r"C:\app"),
            ("app", r"C:\app"),
            (r"c:\App\", r"C:\App"),
        ] {
            assert_eq!(working_directory(given).unwrap(), expected);
        }
        for wrong in ["D:\\x", "C:app"] {
            assert!(working_directory(wrong).is_err(), "{wrong}");
        }
    }
}
