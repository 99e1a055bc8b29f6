//! What `sc` reads and writes, free of Windows: its options, and services as text.

use std::fmt::Write as _;

/// A service's state, as the service control manager tells it: `SERVICE_STATUS_PROCESS`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// `SERVICE_WIN32_OWN_PROCESS` and the like.
    pub kind: u32,
    /// `SERVICE_RUNNING` and the like.
    pub state: u32,
    /// `SERVICE_ACCEPT_STOP` and the like.
    pub accepted: u32,
    /// The exit code of the service's process.
    pub exit_code: u32,
    /// The service's own code, where the other one is 1066.
    pub service_exit_code: u32,
    /// How far a pending change is.
    pub checkpoint: u32,
    /// How long it takes, in milliseconds.
    pub wait_hint: u32,
    /// The process ID; 0 for a service that does not run.
    pub pid: u32,
    /// `SERVICE_RUNS_IN_SYSTEM_PROCESS`, or nothing.
    pub flags: u32,
}

/// How a service is set up: `QUERY_SERVICE_CONFIG`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// `SERVICE_WIN32_OWN_PROCESS` and the like.
    pub kind: u32,
    /// `SERVICE_DEMAND_START` and the like.
    pub start: u32,
    /// `SERVICE_ERROR_NORMAL` and the like.
    pub error: u32,
    /// The command line.
    pub path: String,
    /// The load order group.
    pub group: String,
    /// Its place in the group.
    pub tag: u32,
    /// The name for people.
    pub display_name: String,
    /// The services that run before it.
    pub dependencies: Vec<String>,
    /// The account.
    pub account: String,
}

/// Options of `create` and `config`; what is not given stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// `type=`
    pub kind: Option<u32>,
    /// `start=`
    pub start: Option<u32>,
    /// `error=`
    pub error: Option<u32>,
    /// `binPath=`
    pub path: Option<String>,
    /// `group=`
    pub group: Option<String>,
    /// `depend=`, names with slashes between them
    pub dependencies: Option<Vec<String>>,
    /// `obj=`
    pub account: Option<String>,
    /// `password=`
    pub password: Option<String>,
    /// `DisplayName=`
    pub display_name: Option<String>,
}

/// Which services `query` lists: numbers of `EnumServicesStatusEx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    /// `type=`
    pub kinds: u32,
    /// `state=`
    pub states: u32,
}

/// A number and `sc`'s word for it.
type Words = [(u32, &'static str)];

const KINDS: &Words = &[
    (0x01, "KERNEL_DRIVER"),
    (0x02, "FILE_SYSTEM_DRIVER"),
    (0x10, "WIN32_OWN_PROCESS"),
    (0x20, "WIN32_SHARE_PROCESS"),
    (0x110, "WIN32_OWN_PROCESS (interactive)"),
    (0x120, "WIN32_SHARE_PROCESS (interactive)"),
];
const STATES: &Words = &[
    (1, "STOPPED"),
    (2, "START_PENDING"),
    (3, "STOP_PENDING"),
    (4, "RUNNING"),
    (5, "CONTINUE_PENDING"),
    (6, "PAUSE_PENDING"),
    (7, "PAUSED"),
];
const STARTS: &Words = &[
    (0, "BOOT_START"),
    (1, "SYSTEM_START"),
    (2, "AUTO_START"),
    (3, "DEMAND_START"),
    (4, "DISABLED"),
];
const ERRORS: &Words = &[(0, "IGNORE"), (1, "NORMAL"), (2, "SEVERE"), (3, "CRITICAL")];
const KIND_OPTIONS: &Words = &[
    (0x01, "kernel"),
    (0x02, "filesys"),
    (0x10, "own"),
    (0x20, "share"),
];
const START_OPTIONS: &Words = &[
    (0, "boot"),
    (1, "system"),
    (2, "auto"),
    (3, "demand"),
    (4, "disabled"),
];
const ERROR_OPTIONS: &Words = &[(0, "ignore"), (1, "normal"), (2, "severe"), (3, "critical")];
const KIND_FILTERS: &Words = &[(0x0b, "driver"), (0x30, "service"), (0x3b, "all")];
const STATE_FILTERS: &Words = &[(1, "active"), (2, "inactive"), (3, "all")];

fn word(words: &Words, number: u32) -> &'static str {
    let found = words.iter().find(|(known, _)| *known == number);
    found.map_or("", |(_, word)| word)
}

fn number(words: &Words, option: &str, value: &str) -> Result<u32, String> {
    let found = words
        .iter()
        .find(|(_, word)| word.eq_ignore_ascii_case(value));
    found
        .map(|(number, _)| *number)
        .ok_or_else(|| format!("{option}= cannot be {value:?}"))
}

/// Splits `name= value` pairs, as two arguments or as one; names in lower case.
///
/// # Errors
/// An argument that is no such pair.
pub fn pairs(arguments: &[String]) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (name, value) = argument
            .split_once('=')
            .ok_or_else(|| format!("{argument:?} is no option"))?;
        let value = match value {
            "" => rest.next().map_or("", String::as_str),
            value => value,
        };
        pairs.push((name.to_lowercase(), value.to_owned()));
    }
    Ok(pairs)
}

impl Changes {
    /// Reads the options of `create` and `config`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut changes = Self::default();
        for (name, value) in pairs(arguments)? {
            match name.as_str() {
                "type" => changes.kind = Some(number(KIND_OPTIONS, &name, &value)?),
                "start" => changes.start = Some(number(START_OPTIONS, &name, &value)?),
                "error" => changes.error = Some(number(ERROR_OPTIONS, &name, &value)?),
                "binpath" => changes.path = Some(value),
                "group" => changes.group = Some(value),
                "depend" => {
                    let names = value.split('/').filter(|name| !name.is_empty());
                    changes.dependencies = Some(names.map(str::to_owned).collect());
                }
                "obj" => changes.account = Some(value),
                "password" => changes.password = Some(value),
                "displayname" => changes.display_name = Some(value),
                _ => return Err(format!("{name}= is not supported")),
            }
        }
        Ok(changes)
    }
}

impl Filter {
    /// Reads the options of `query`: services that run, unless they say otherwise.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut filter = Self {
            kinds: 0x30,
            states: 1,
        };
        for (name, value) in pairs(arguments)? {
            match name.as_str() {
                "type" => filter.kinds = number(KIND_FILTERS, &name, &value)?,
                "state" => filter.states = number(STATE_FILTERS, &name, &value)?,
                // How much is asked for at once: all, here.
                "bufsize" | "ri" => {}
                _ => return Err(format!("{name}= is not supported")),
            }
        }
        Ok(filter)
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "        {name:<18} : {value}");
}

/// A service as `query` shows it, and with `is_extended` as `queryex` does.
#[must_use]
pub fn status(
    name: &str,
    display_name: Option<&str>,
    status: &Status,
    is_extended: bool,
) -> String {
    let mut text = format!("\nSERVICE_NAME: {name}\n");
    if let Some(display_name) = display_name {
        let _ = writeln!(text, "DISPLAY_NAME: {display_name}");
    }
    let state = format!("{}  {} ", status.state, word(STATES, status.state));
    line(
        &mut text,
        "TYPE",
        &format!("{:x}  {} ", status.kind, word(KINDS, status.kind)),
    );
    line(&mut text, "STATE", &state);
    if status.state != 1 {
        let _ = writeln!(text, "{:32}({})", "", accepted(status.accepted));
    }
    let code = |code: u32| format!("{code}  (0x{code:x})");
    line(&mut text, "WIN32_EXIT_CODE", &code(status.exit_code));
    line(
        &mut text,
        "SERVICE_EXIT_CODE",
        &code(status.service_exit_code),
    );
    line(
        &mut text,
        "CHECKPOINT",
        &format!("0x{:x}", status.checkpoint),
    );
    line(&mut text, "WAIT_HINT", &format!("0x{:x}", status.wait_hint));
    if is_extended {
        let flags = if status.flags & 1 != 0 {
            "RUNS_IN_SYSTEM_PROCESS"
        } else {
            ""
        };
        line(&mut text, "PID", &status.pid.to_string());
        line(&mut text, "FLAGS", flags);
    }
    text
}

fn accepted(accepted: u32) -> String {
    let words = [
        (1, "STOPPABLE", "NOT_STOPPABLE"),
        (2, "PAUSABLE", "NOT_PAUSABLE"),
        (4, "ACCEPTS_SHUTDOWN", "IGNORES_SHUTDOWN"),
    ];
    words
        .map(|(bit, yes, no)| if accepted & bit != 0 { yes } else { no })
        .join(", ")
}

/// A service as `qc` shows it.
#[must_use]
pub fn config(name: &str, config: &Config) -> String {
    let mut text = format!("[SC] QueryServiceConfig SUCCESS\n\nSERVICE_NAME: {name}\n");
    let named = |words, number| format!("{number}   {}", word(words, number));
    let kind = format!("{:x}  {} ", config.kind, word(KINDS, config.kind));
    line(&mut text, "TYPE", &kind);
    line(&mut text, "START_TYPE", &named(STARTS, config.start));
    line(&mut text, "ERROR_CONTROL", &named(ERRORS, config.error));
    line(&mut text, "BINARY_PATH_NAME", &config.path);
    line(&mut text, "LOAD_ORDER_GROUP", &config.group);
    line(&mut text, "TAG", &config.tag.to_string());
    line(&mut text, "DISPLAY_NAME", &config.display_name);
    let mut dependencies = config.dependencies.iter();
    let first = dependencies.next().map_or("", String::as_str);
    line(&mut text, "DEPENDENCIES", first);
    for name in dependencies {
        line(&mut text, "", name);
    }
    line(&mut text, "SERVICE_START_NAME", &config.account);
    text
}

/// Windows' words for the codes that `sc` meets; Wine has others for them.
#[must_use]
pub fn message(code: u32) -> Option<&'static str> {
    Some(match code {
        2 => "The system cannot find the file specified.",
        5 => "Access is denied.",
        50 => "The request is not supported.",
        87 => "The parameter is incorrect.",
        1051 => {
            "A stop control has been sent to a service that other running services are dependent on."
        }
        1052 => "The requested control is not valid for this service.",
        1053 => "The service did not respond to the start or control request in a timely fashion.",
        1056 => "An instance of the service is already running.",
        1057 => {
            "The account name is invalid or does not exist, or the password is invalid for the account name \
             specified."
        }
        1058 => {
            "The service cannot be started, either because it is disabled or because it has no enabled devices \
             associated with it."
        }
        1060 => "The specified service does not exist as an installed service.",
        1061 => "The service cannot accept control messages at this time.",
        1062 => "The service has not been started.",
        1072 => "The specified service has been marked for deletion.",
        1073 => "The specified service already exists.",
        1722 => "The RPC server is unavailable.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(arguments: &[&str]) -> Vec<String> {
        arguments.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn options_are_pairs_of_one_or_two_arguments() {
        let arguments = [
            "binPath=",
            r"C:\a b.exe /x=1",
            "start=auto",
            "depend=",
            "A/B",
        ];
        let changes = Changes::parse(&strings(&arguments)).unwrap();
        assert_eq!(changes.path.as_deref(), Some(r"C:\a b.exe /x=1"));
        assert_eq!((changes.start, changes.kind), (Some(2), None));
        assert_eq!(changes.dependencies, Some(strings(&["A", "B"])));
        for bad in [
            &["start=", "sometime"][..],
            &["colour=", "red"],
            &["binPath"],
        ] {
            assert!(Changes::parse(&strings(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_query_lists_running_services_unless_told_otherwise() {
        let filter = |arguments: &[&str]| Filter::parse(&strings(arguments)).unwrap();
        assert_eq!((filter(&[]).kinds, filter(&[]).states), (0x30, 1));
        let all = filter(&["type=", "driver", "state=", "all"]);
        assert_eq!((all.kinds, all.states), (0x0b, 3));
        assert!(Filter::parse(&strings(&["state=", "odd"])).is_err());
    }

    #[test]
    fn a_service_is_shown_as_windows_shows_it() {
        let running = Status {
            kind: 0x10,
            state: 4,
            accepted: 5,
            pid: 44,
            ..Status::default()
        };
        let text = status("probe", Some("Probe"), &running, true);
        assert_eq!(
            text,
            "\nSERVICE_NAME: probe\nDISPLAY_NAME: Probe\n\
             \x20       TYPE               : 10  WIN32_OWN_PROCESS \n\
             \x20       STATE              : 4  RUNNING \n\
             \x20                               (STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)\n\
             \x20       WIN32_EXIT_CODE    : 0  (0x0)\n\
             \x20       SERVICE_EXIT_CODE  : 0  (0x0)\n\
             \x20       CHECKPOINT         : 0x0\n\
             \x20       WAIT_HINT          : 0x0\n\
             \x20       PID                : 44\n\
             \x20       FLAGS              : \n"
        );
        let stopped = Status {
            state: 1,
            ..running
        };
        assert!(!status("probe", None, &stopped, false).contains("STOPPABLE"));
    }

    #[test]
    fn a_configuration_lists_each_dependency() {
        let text = config(
            "probe",
            &Config {
                start: 3,
                dependencies: strings(&["A", "B"]),
                ..Config::default()
            },
        );
        assert!(
            text.contains("START_TYPE         : 3   DEMAND_START\n"),
            "{text}"
        );
        assert!(
            text.contains("DEPENDENCIES       : A\n                           : B\n"),
            "{text}"
        );
    }
}
