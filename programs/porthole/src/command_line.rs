//! Reading the command line, by docker's rules where clap's own differ.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::arguments::{Arguments, DEFAULT_HOST};
use crate::failure::NOT_CARRIED_OUT;
use crate::output::remark;

/// Docker's commands that a later version will have.
const PLANNED: [&str; 4] = ["build", "builder", "buildx", "compose"];

/// The same of `volume` and `network`.
const PLANNED_OF_OBJECTS: [&str; 5] = ["connect", "create", "disconnect", "prune", "rm"];

/// Commands whose answer can be told in JSON, by their last word.
const WITH_JSON: [&str; 20] = [
    "build", "check", "df", "diff", "doctor", "events", "history", "images", "info", "inspect",
    "ls", "port", "prune", "ps", "search", "setup", "stats", "top", "verify", "version",
];

/// The command line that this process was given, or what to exit with.
pub(crate) fn read() -> Result<Arguments, ExitCode> {
    parse(std::env::args_os()).map_err(tell)
}

/// Reads a command line.
pub(crate) fn parse<T>(words: impl IntoIterator<Item = T>) -> Result<Arguments, clap::Error>
where
    T: Into<OsString>,
{
    let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    let matches = match definition(true).try_get_matches_from(words.clone()) {
        Ok(matches) => matches,
        // Help shows a switch as a switch.
        Err(error) if is_help(&error) => {
            return Err(match definition(false).try_get_matches_from(words) {
                Err(help) if is_help(&help) => help,
                _ => error,
            });
        }
        Err(error) => return Err(error),
    };
    let mut arguments = Arguments::from_arg_matches(&matches)?;
    arguments.command = arguments.command.plain();
    match refusal(&arguments, last_word(&matches)) {
        Some((kind, words)) => Err(definition(false).error(kind, words)),
        None => Ok(arguments),
    }
}

/// What options cannot say together, or not here.
fn refusal(arguments: &Arguments, command: &str) -> Option<(ErrorKind, String)> {
    if arguments.json && !has_json(command) {
        let words = "--json is for commands that list or tell something: 'porthole COMMAND --help' \
             shows it for those that have it";
        return Some((ErrorKind::ArgumentConflict, words.to_owned()));
    }
    let host = &arguments.host;
    if !host.contains("://") && !host.contains('/') {
        let words = format!(
            "-H {host} names no socket: expected unix:///PATH or /PATH, as in -H {DEFAULT_HOST}"
        );
        return Some((ErrorKind::ValueValidation, words));
    }
    match &arguments.command {
        crate::arguments::Command::Run(run) if run.detach && !run.options.attach.is_empty() => {
            // Docker's words, of which the older ones name the letters.
            let words = "conflicting options: cannot specify both --attach (-a) and --detach (-d)";
            Some((ErrorKind::ArgumentConflict, words.to_owned()))
        }
        _ => None,
    }
}

fn has_json(command: &str) -> bool {
    WITH_JSON.contains(&command)
}

fn last_word(matches: &ArgMatches) -> &str {
    let mut last = "";
    let mut level = matches;
    while let Some((name, below)) = level.subcommand() {
        (last, level) = (name, below);
    }
    last
}

/// The commands and their options. With `values`, a switch takes `=true` and `=false`, as all of
/// docker's do.
pub(crate) fn definition(values: bool) -> Command {
    let command = Arguments::command();
    let json = command
        .get_arguments()
        .find(|arg| arg.get_id() == "json")
        .cloned();
    let command = match json {
        Some(json) => tidied(command, &json.hide(true)),
        None => command,
    };
    if values {
        with_switch_values(command)
    } else {
        command
    }
}

/// Takes out of a command's help what it would refuse, above all `--json`. It is read all the same,
/// so that the refusal can say why.
fn tidied(command: Command, hidden: &clap::Arg) -> Command {
    command.mut_subcommands(|command| {
        if command.has_subcommands() {
            tidied(command, hidden)
        } else if has_json(command.get_name()) {
            command
        } else if command.get_name() == "update" {
            // The daemon refuses it by name: it is set at creation.
            let command = command.mut_arg("pids_limit", |arg| arg.hide(true));
            command.arg(hidden.clone())
        } else {
            command.arg(hidden.clone())
        }
    })
}

fn with_switch_values(command: Command) -> Command {
    let command = command
        .args_override_self(true)
        .mut_args(|arg| match arg.get_action() {
            ArgAction::SetTrue => switch(arg),
            _ => arg,
        });
    command.mut_subcommands(with_switch_values)
}

/// A switch that takes a value after `=`, and none without: `-it=false`.
fn switch(arg: clap::Arg) -> clap::Arg {
    let preset = arg.get_default_values().first().cloned();
    let preset = preset.unwrap_or_else(|| "false".into());
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value(preset)
        .hide_default_value(true)
        .value_name("BOOL")
        .value_parser(truth)
}

/// The truth values of Go, which docker's users write.
fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

fn is_help(error: &clap::Error) -> bool {
    !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// Shows what is wrong, or the help; returns docker's exit code for it.
fn tell(mut error: clap::Error) -> ExitCode {
    if let Some(name) = planned(&error) {
        remark!("porthole: {name} is planned; this version does not have it yet");
        return ExitCode::FAILURE;
    }
    drop_value_tip(&mut error);
    // A terminal that is gone takes no message.
    let _ = error.print();
    // A call without a command shows help, as docker's does.
    if is_help(&error) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(code_of_usage(&error))
    }
}

/// What begins with a dash is hardly ever meant as a value.
fn drop_value_tip(error: &mut clap::Error) {
    if let Some(ContextValue::StyledStrs(mut tips)) = error.remove(ContextKind::Suggested) {
        tips.retain(|tip| !tip.to_string().contains("as a value"));
        if !tips.is_empty() {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
        }
    }
}

/// The command that a later version will have, if it is one.
fn planned(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let usage = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string(),
        _ => String::new(),
    };
    let of = ["volume", "network"]
        .into_iter()
        .find(|of| usage.contains(&format!("porthole {of} ")));
    match of {
        Some(of) => PLANNED_OF_OBJECTS
            .contains(&name.as_str())
            .then(|| format!("{of} {name}")),
        None => PLANNED.contains(&name.as_str()).then(|| name.clone()),
    }
}

/// Docker ends with 125 for an option that is not there or cannot have its value, and with 1 for
/// words that are missing or too many.
fn code_of_usage(error: &clap::Error) -> u8 {
    let is_option = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => name.starts_with('-'),
        _ => false,
    };
    if is_option && error.kind() != ErrorKind::ArgumentConflict {
        NOT_CARRIED_OUT
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Command as Parsed;

    fn parsed(words: &[&str]) -> Result<Parsed, clap::Error> {
        parse([&["porthole"], words].concat()).map(|arguments| arguments.command)
    }

    fn refused(words: &[&str]) -> clap::Error {
        parsed(words).expect_err("a wrong command line")
    }

    #[test]
    fn the_definition_is_sound() {
        definition(true).debug_assert();
        definition(false).debug_assert();
    }

    #[test]
    fn what_follows_the_image_is_the_programs() {
        for (before, after) in [
            (&["img"][..], &["--version"][..]),
            (&["img"], &["--help"]),
            (&["img"], &["-e", "x"]),
            (&["img"], &["--", "cmd"]),
            (&["--entrypoint", "x", "img"], &["-p", "1"]),
            (&["--rm", "-it", "img"], &["cmd", "/c", "dir", "--rm=false"]),
        ] {
            let words = [&["run"], before, after].concat();
            let Ok(Parsed::Run(run)) = parsed(&words) else {
                panic!("{words:?}")
            };
            assert_eq!(run.options.image(), "img", "{words:?}");
            assert_eq!(run.options.command(), after, "{words:?}");
        }
        let Ok(Parsed::Exec(exec)) = parsed(&["exec", "-e", "A=1", "c", "--version", "-e"]) else {
            panic!("exec")
        };
        assert_eq!(exec.container(), "c");
        assert_eq!(exec.command(), ["--version", "-e"]);
        assert_eq!(exec.process.env, ["A=1"]);
    }

    #[test]
    fn an_option_before_the_image_must_be_there() {
        for words in [
            &["run", "--nosuch", "img"][..],
            &["run", "--version", "img"],
        ] {
            let mut refusal = refused(words);
            assert_eq!(refusal.kind(), ErrorKind::UnknownArgument, "{words:?}");
            drop_value_tip(&mut refusal);
            assert!(!refusal.to_string().contains("-- --"), "{refusal}");
        }
    }

    #[test]
    fn switches_take_values_as_dockers_do() {
        for (words, rm, tty, interactive) in [
            (&["--rm=false", "-it=false", "x"][..], false, false, true),
            (&["--rm=true", "-ti", "x"], true, true, true),
            (&["--rm", "--rm=0", "-i=T", "x"], false, false, true),
            (&["-d=false", "-a", "stdout", "-i", "x"], false, false, true),
        ] {
            let Ok(Parsed::Run(run)) = parsed(&[&["run"], words].concat()) else {
                panic!("{words:?}")
            };
            let options = &run.options;
            assert_eq!(
                (run.rm, options.tty, options.interactive),
                (rm, tty, interactive),
                "{words:?}"
            );
            assert!(run.sig_proxy);
        }
        for flags in ["-dit", "-itd", "-tdi"] {
            let Ok(Parsed::Run(run)) = parsed(&["run", flags, "x"]) else {
                panic!("{flags}")
            };
            assert!(
                run.detach && run.options.interactive && run.options.tty,
                "{flags}"
            );
        }
        assert!(
            refused(&["ps", "-a=perhaps"])
                .to_string()
                .contains("true or false")
        );
        assert!(
            matches!(parsed(&["attach", "--sig-proxy=false", "c"]), Ok(Parsed::Attach(attach)) if !attach.sig_proxy)
        );
    }

    #[test]
    fn help_shows_a_switch_without_a_value() {
        let help = refused(&["run", "--help"]).to_string();
        assert!(help.contains("--rm") && !help.contains("--rm["), "{help}");
        assert!(!help.contains("\\["), "{help}");
        assert!(help.contains("IMAGE [COMMAND] [ARG...]"), "{help}");
    }

    #[test]
    fn json_is_for_what_lists_and_tells() {
        for words in [
            &["ps"][..],
            &["images"],
            &["base", "ls"],
            &["image", "ls"],
            &["container", "ls"],
        ] {
            assert!(parsed(&[words, &["--json"]].concat()).is_ok(), "{words:?}");
            let help = refused(&[words, &["--help"]].concat()).to_string();
            assert!(help.contains("--json"), "{help}");
        }
        for words in [
            &["rm", "x"][..],
            &["images", "rm", "x"],
            &["--json", "tag", "x", "y"],
        ] {
            let refusal = refused(&[words, &["--json"]].concat()).to_string();
            assert!(refusal.contains("--json is for"), "{refusal}");
            let help = refused(&[words, &["--help"]].concat()).to_string();
            assert!(!help.contains("--json"), "{help}");
        }
    }

    #[test]
    fn exit_codes_are_dockers() {
        for (words, code) in [
            (&["ps", "--nosuch"][..], 125),
            (&["run", "--nosuch", "x"], 125),
            (&["stop", "-t", "abc", "x"], 125),
            (&["--nosuch"], 125),
            (&["run"], 1),
            (&["exec", "c"], 1),
            (&["rm"], 1),
            (&["ps", "extra"], 1),
            (&["nosuch"], 1),
            (&["container", "nosuch"], 1),
            (&["run", "-d", "-a", "stdout", "x"], 1),
            (&["-H", "foo", "ps"], 1),
        ] {
            assert_eq!(code_of_usage(&refused(words)), code, "{words:?}");
        }
        for words in [&[][..], &["--help"], &["-v"], &["container"], &["system"]] {
            assert!(is_help(&refused(words)), "{words:?}");
        }
    }

    #[test]
    fn what_is_planned_is_known_by_name() {
        for (words, name) in [
            (&["build", "."][..], Some("build")),
            (&["image", "build", "."], Some("build")),
            (&["compose", "up", "-d"], Some("compose")),
            (&["volume", "create", "x"], Some("volume create")),
            (&["nosuch"], None),
            (&["network", "nosuch"], None),
        ] {
            assert_eq!(planned(&refused(words)).as_deref(), name, "{words:?}");
        }
    }

    #[test]
    fn management_commands_are_the_plain_ones() {
        assert!(matches!(parsed(&["container", "ls", "-a"]), Ok(Parsed::Ps(ps)) if ps.all));
        assert!(matches!(
            parsed(&["container", "run", "x", "-a"]),
            Ok(Parsed::Run(_))
        ));
        assert!(matches!(parsed(&["image", "rm", "x"]), Ok(Parsed::Rmi(_))));
        assert!(
            matches!(parsed(&["images", "-q", "x:1"]), Ok(Parsed::Images(images)) if images.list.name.as_deref() == Some("x:1"))
        );
        assert!(
            matches!(parsed(&["container", "inspect", "c"]), Ok(Parsed::Inspect(inspect)) if inspect.kind.as_deref() == Some("container"))
        );
    }
}
