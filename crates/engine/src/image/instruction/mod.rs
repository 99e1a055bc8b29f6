//! `--change`: instructions of a Dockerfile that change what containers of an image run.
//!
//! The rules are the classic builder's, with one difference: a backslash takes the meaning only
//! from quotes, `$` and blanks, so that Windows paths may be written as they are.

mod health;
mod words;

use porthole_store::{Empty, RunConfig};
use porthole_winpath::{ContainerPath, Environment};

use crate::container::config::Port;
use crate::error::{Error, Result};
use crate::signal::Signal;

/// The most instructions, and bytes of one, that a request may have.
const MAX_INSTRUCTIONS: usize = 1024;
const MAX_LENGTH: usize = 64 * 1024;

/// The most ports that `EXPOSE` may name by a range.
const MAX_PORTS: usize = 1024;

/// The shell of commands that are a line, when the image has none.
const SHELL: [&str; 3] = ["cmd", "/S", "/C"];

/// An instruction: its name in upper case, and the rest of its line.
type Instruction = (String, String);

/// Changes a configuration by the instructions that a client sent.
///
/// # Errors
/// `InvalidParameter` for what is no instruction, or one that changes no configuration.
pub(crate) fn apply(config: &mut RunConfig, changes: &[String]) -> Result<()> {
    let mut is_command_set = false;
    for (name, rest) in parse(changes)? {
        match name.as_str() {
            "CMD" => {
                set_command(config, &rest, |config, words| config.cmd = Some(words));
                is_command_set = true;
            }
            "ENTRYPOINT" => {
                set_command(config, &rest, |config, words| {
                    config.entrypoint = Some(words);
                });
                if !is_command_set {
                    config.cmd = None;
                }
            }
            "ENV" => set_environment(config, &rest)?,
            "EXPOSE" => expose(config, &rest)?,
            "HEALTHCHECK" => config.healthcheck = Some(health::parse(&rest, &shell(config))?),
            "LABEL" => set_labels(config, &rest)?,
            "ONBUILD" => config.on_build.push(trigger(&rest)?),
            "STOPSIGNAL" => {
                let signal = one("STOPSIGNAL", &expanded(config, &rest)?)?;
                Signal::parse(&signal)?;
                config.stop_signal = Some(signal);
            }
            "USER" => config.user = one("USER", &expanded(config, &rest)?)?,
            "VOLUME" => set_volumes(config, &rest)?,
            "WORKDIR" => set_directory(config, &rest)?,
            other => {
                let other = other.to_lowercase();
                return Err(Error::invalid(format!(
                    "{other} is not a valid change command"
                )));
            }
        }
    }
    Ok(())
}

/// The instructions of the lines. A line may go on after a backslash at its end; what begins with
/// `#` is a comment.
fn parse(changes: &[String]) -> Result<Vec<Instruction>> {
    let mut instructions = Vec::new();
    for change in changes {
        if change.len() > MAX_LENGTH {
            return Err(Error::invalid(format!(
                "a change is longer than {MAX_LENGTH} bytes"
            )));
        }
        let mut lines = change.lines().peekable();
        while let Some(line) = lines.next() {
            let mut line = line.trim().to_owned();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            while line.ends_with('\\') && lines.peek().is_some() {
                line.pop();
                line.push_str(lines.next().unwrap_or_default().trim_end());
            }
            let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
            instructions.push((name.to_uppercase(), rest.trim().to_owned()));
            if instructions.len() > MAX_INSTRUCTIONS {
                return Err(Error::invalid("too many changes"));
            }
        }
    }
    Ok(instructions)
}

/// The words of the form `["a", "b"]`; none for any other.
fn list(rest: &str) -> Option<Vec<String>> {
    rest.starts_with('[')
        .then(|| serde_json::from_str(rest).ok())
        .flatten()
}

fn shell(config: &RunConfig) -> Vec<String> {
    if config.shell.is_empty() {
        SHELL.map(str::to_owned).to_vec()
    } else {
        config.shell.clone()
    }
}

/// A list is a program and its arguments; a line is the shell's, and already a command line.
fn set_command(config: &mut RunConfig, rest: &str, set: impl Fn(&mut RunConfig, Vec<String>)) {
    let words = list(rest);
    config.args_escaped = words.is_none() && !rest.is_empty();
    let words = words.unwrap_or_else(|| {
        let line = (!rest.is_empty()).then(|| format!("{} {rest}", shell(config).join(" ")));
        line.into_iter().collect()
    });
    set(config, words);
}

fn expanded(config: &RunConfig, rest: &str) -> Result<Vec<String>> {
    let environment = environment(config)?;
    words::split(rest, &|name| environment.get(name).map(str::to_owned))
}

fn environment(config: &RunConfig) -> Result<Environment> {
    Environment::from_entries(&config.env)
        .map_err(|error| Error::invalid(error.to_string()).with_source(error))
}

fn one(name: &str, words: &[String]) -> Result<String> {
    match words {
        [word] => Ok(word.clone()),
        _ => Err(Error::invalid(format!(
            "{name} requires exactly one argument"
        ))),
    }
}

/// Names and values: `a=b c="d e"`, or the old form `a b c` for one.
fn pairs(name: &str, config: &RunConfig, rest: &str) -> Result<Vec<(String, String)>> {
    let environment = environment(config)?;
    let lookup = |variable: &str| environment.get(variable).map(str::to_owned);
    let words = words::split(rest, &lookup)?;
    let Some(first) = words.first() else {
        return Err(Error::invalid(format!(
            "{name} requires at least one argument"
        )));
    };
    if !first.contains('=') {
        let (key, value) = rest
            .split_once(char::is_whitespace)
            .ok_or_else(|| Error::invalid(format!("{name} must have two arguments")))?;
        let value = words::expand(value.trim(), &lookup)?;
        return Ok(vec![(key.to_owned(), value)]);
    }
    let pair = |word: &String| match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::invalid(format!(
            "Syntax error - can't find = in \"{word}\". Must be of the form: name=value"
        ))),
    };
    words.iter().map(pair).collect()
}

/// Names compare without case, as Windows has them; the spelling is the last one's.
fn set_environment(config: &mut RunConfig, rest: &str) -> Result<()> {
    for (name, value) in pairs("ENV", config, rest)? {
        let is_same = |entry: &String| {
            let known = entry
                .split_once('=')
                .map_or(entry.as_str(), |(known, _)| known);
            known.to_uppercase() == name.to_uppercase()
        };
        let entry = format!("{name}={value}");
        match config.env.iter().position(is_same) {
            Some(place) => config.env[place] = entry,
            None => config.env.push(entry),
        }
    }
    environment(config).map(drop)
}

fn set_labels(config: &mut RunConfig, rest: &str) -> Result<()> {
    let labels = pairs("LABEL", config, rest)?;
    config.labels.extend(labels);
    Ok(())
}

fn expose(config: &mut RunConfig, rest: &str) -> Result<()> {
    let words = expanded(config, rest)?;
    if words.is_empty() {
        return Err(Error::invalid("EXPOSE requires at least one argument"));
    }
    for word in words {
        let (range, protocol) = word.split_once('/').unwrap_or((&word, "tcp"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| -> Result<u16> {
            text.parse()
                .map_err(|_| Error::invalid(format!("invalid containerPort: {word}")))
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last || usize::from(last - first) >= MAX_PORTS {
            return Err(Error::invalid(format!("invalid containerPort: {word}")));
        }
        for number in first..=last {
            let port: Port = format!("{number}/{protocol}").parse()?;
            config.exposed_ports.insert(port.to_string(), Empty {});
        }
    }
    Ok(())
}

fn trigger(rest: &str) -> Result<String> {
    let name = rest.split_whitespace().next().unwrap_or_default();
    match name.to_uppercase().as_str() {
        "" => Err(Error::invalid("ONBUILD requires at least one argument")),
        "ONBUILD" => Err(Error::invalid(
            "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
        )),
        forbidden @ ("MAINTAINER" | "FROM") => Err(Error::invalid(format!(
            "{forbidden} isn't allowed as an ONBUILD trigger"
        ))),
        _ => Ok(rest.to_owned()),
    }
}

fn set_volumes(config: &mut RunConfig, rest: &str) -> Result<()> {
    let words = match list(rest) {
        Some(words) => words,
        None => expanded(config, rest)?,
    };
    if words.is_empty() || words.iter().any(|word| word.trim().is_empty()) {
        return Err(Error::invalid(
            "VOLUME specified can not be an empty string",
        ));
    }
    for word in words {
        config.volumes.insert(word, Empty {});
    }
    Ok(())
}

fn set_directory(config: &mut RunConfig, rest: &str) -> Result<()> {
    let environment = environment(config)?;
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let directory = words::expand(rest, &lookup)?;
    if directory.is_empty() {
        return Err(Error::invalid("WORKDIR requires exactly one argument"));
    }
    let invalid = |error: porthole_winpath::PathError| {
        Error::invalid(format!(
            "the working directory '{directory}' is invalid: {error}"
        ))
        .with_source(error)
    };
    let before = match config.working_dir.as_str() {
        "" => ContainerPath::root(),
        before => ContainerPath::root().resolve(before).map_err(invalid)?,
    };
    config.working_dir = before.resolve(&directory).map_err(invalid)?.to_string();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(config: &RunConfig, changes: &[&str]) -> Result<RunConfig> {
        let mut config = config.clone();
        let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
        apply(&mut config, &changes)?;
        Ok(config)
    }

    fn changed(changes: &[&str]) -> RunConfig {
        applied(&RunConfig::default(), changes).unwrap()
    }

    fn refused(change: &str) -> String {
        let error = applied(&RunConfig::default(), &[change]).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidParameter);
        error.to_string()
    }

    #[test]
    fn a_list_is_a_program_and_a_line_the_shells() {
        let list = changed(&[r#"CMD ["C:\\app\\run.exe", "a b"]"#]);
        assert_eq!(list.cmd.unwrap(), [r"C:\app\run.exe", "a b"]);
        assert!(!list.args_escaped);
        let line = changed(&["cmd run.exe \"a b\""]);
        assert_eq!(line.cmd.unwrap(), ["cmd /S /C run.exe \"a b\""]);
        assert!(line.args_escaped);
        let entrypoint = applied(&changed(&["CMD x"]), &["ENTRYPOINT [\"y\"]"]).unwrap();
        assert_eq!((entrypoint.cmd, entrypoint.args_escaped), (None, false));
        let both = changed(&["CMD [\"x\"]", "ENTRYPOINT [\"y\"]"]);
        assert_eq!(both.cmd.unwrap(), ["x"]);
        assert_eq!(changed(&["CMD []"]).cmd, Some(Vec::new()));
    }

    #[test]
    fn names_of_variables_compare_without_case() {
        let before = changed(&[r"ENV Path=C:\a Mode=dev"]);
        let after = applied(&before, &[r"ENV PATH=$path;C:\b", "ENV note a b  c"]).unwrap();
        assert_eq!(after.env, [r"PATH=C:\a;C:\b", "Mode=dev", "note=a b  c"]);
    }

    #[test]
    fn labels_ports_and_volumes_are_added() {
        let config = changed(&[
            "LABEL a=1 b=\"two words\"",
            "EXPOSE 80 443/tcp 53/udp 8000-8002",
            "VOLUME [\"C:\\\\data\"]",
            r"VOLUME C:\logs C:\cache",
        ]);
        assert_eq!(config.labels["b"], "two words");
        let ports: Vec<_> = config.exposed_ports.keys().map(String::as_str).collect();
        assert_eq!(
            ports,
            [
                "443/tcp", "53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp"
            ]
        );
        let volumes: Vec<_> = config.volumes.keys().map(String::as_str).collect();
        assert_eq!(volumes, [r"C:\cache", r"C:\data", r"C:\logs"]);
    }

    #[test]
    fn directories_follow_one_another() {
        let config = changed(&[r"WORKDIR C:\app", "WORKDIR data/in", "USER ContainerUser"]);
        assert_eq!(config.working_dir, r"C:\app\data\in");
        assert_eq!(config.user, "ContainerUser");
        assert_eq!(
            changed(&["WORKDIR /Program Files"]).working_dir,
            r"C:\Program Files"
        );
    }

    #[test]
    fn health_signals_and_triggers() {
        let config = changed(&[
            "HEALTHCHECK --interval=5s --retries=2 CMD check.exe /q",
            "STOPSIGNAL SIGTERM",
            "ONBUILD RUN echo x",
        ]);
        let check = config.healthcheck.unwrap();
        assert_eq!(
            check["Test"],
            serde_json::json!(["CMD-SHELL", "check.exe /q"])
        );
        assert_eq!(
            (check["Interval"].as_i64(), check["Retries"].as_i64()),
            (Some(5_000_000_000), Some(2))
        );
        assert_eq!(config.stop_signal.as_deref(), Some("SIGTERM"));
        assert_eq!(config.on_build, ["RUN echo x"]);
        let none = changed(&["HEALTHCHECK NONE"]).healthcheck.unwrap();
        assert_eq!(none["Test"], serde_json::json!(["NONE"]));
    }

    #[test]
    fn lines_may_go_on_and_comments_say_nothing() {
        let config = changed(&["# a comment\nENV a=1 \\\n  b=2\n\nUSER x"]);
        assert_eq!(config.env, ["a=1", "b=2"]);
        assert_eq!(config.user, "x");
    }

    #[test]
    fn what_changes_no_configuration_is_refused() {
        assert_eq!(refused("RUN x"), "run is not a valid change command");
        assert_eq!(refused("FROM x"), "from is not a valid change command");
        for wrong in [
            "ENV",
            "ENV a",
            "LABEL a=1 b",
            "EXPOSE",
            "EXPOSE 0",
            "EXPOSE 90-80",
            "EXPOSE 1-65535",
            "EXPOSE 1/x",
            "USER",
            "USER a b",
            "STOPSIGNAL SIGNONE",
            "VOLUME",
            "WORKDIR",
            r"WORKDIR D:\x",
            "ONBUILD FROM x",
            "ONBUILD ONBUILD RUN x",
            "HEALTHCHECK",
            "HEALTHCHECK --interval=x CMD y",
            "HEALTHCHECK CMD",
            "ENV a=\"b",
        ] {
            refused(wrong);
        }
    }
}
