//! From HCS's `ProcessParameters` to what a supervisor starts.

use porthole_hcs as hcs;
use porthole_protocol::ConsoleSize;
use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::{ProcessSpec, SiloUser, Streams};

use crate::settings::ProcessSettings;

/// The console's size when the parameters name none.
const DEFAULT_CONSOLE: ConsoleSize = ConsoleSize {
    height: 25,
    width: 80,
};

/// The working directory when the parameters name none.
const DEFAULT_DIRECTORY: &str = r"C:\";

/// Windows' limit of a command line, in UTF-16 units with the terminating zero.
const MAX_COMMAND_LINE: usize = 32_767;

/// The process to start under `process` in a silo whose processes run as `silo_user`; the message
/// of a refusal names the field.
pub(crate) fn spec(
    process: ProcessKey,
    parameters: &hcs::ProcessParameters,
    settings: &ProcessSettings,
    silo_user: SiloUser,
) -> Result<ProcessSpec, String> {
    let streams = if parameters.emulate_console {
        Streams::Console(console_size(parameters.console_size)?)
    } else {
        Streams::Pipes {
            stdin: parameters.create_std_in_pipe,
            stdin_once: settings.stdin_once,
        }
    };
    let environment = parameters.environment.iter();
    let working_directory = match parameters.working_directory.as_deref() {
        None | Some("") => DEFAULT_DIRECTORY,
        Some(directory) => directory,
    };
    Ok(ProcessSpec {
        process,
        command_line: command_line(parameters)?,
        environment: environment
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        working_directory: working_directory.to_owned(),
        user: account(parameters.user.as_deref().unwrap_or_default(), silo_user)?.to_owned(),
        streams,
        log: settings.log.clone(),
        wait_for_attach: settings.wait_for_attach,
        main: settings.main,
    })
}

fn command_line(parameters: &hcs::ProcessParameters) -> Result<String, String> {
    let application = parameters
        .application_name
        .as_deref()
        .filter(|name| !name.is_empty());
    let line = parameters
        .command_line
        .as_deref()
        .filter(|line| !line.is_empty());
    let line = match (application, line) {
        (None, None) => return Err("CommandLine is missing".into()),
        (None, Some(line)) => line.to_owned(),
        (Some(application), None) => format!("\"{application}\""),
        (Some(_), Some(_)) => {
            return Err("ApplicationName beside CommandLine is not supported".into());
        }
    };
    if line.contains('\0') {
        return Err("CommandLine contains a zero character".into());
    }
    if line.encode_utf16().count() >= MAX_COMMAND_LINE {
        return Err(format!(
            "CommandLine is longer than {} characters",
            MAX_COMMAND_LINE - 1
        ));
    }
    Ok(line)
}

fn console_size(size: Option<[u16; 2]>) -> Result<ConsoleSize, String> {
    match size {
        // What Docker's clients send before they know their terminal's size.
        None | Some([0, 0]) => Ok(DEFAULT_CONSOLE),
        Some([height, width]) if height > 0 && width > 0 => Ok(ConsoleSize { height, width }),
        Some([height, width]) => Err(format!("ConsoleSize {height} by {width} is no size")),
    }
}

/// The account of `user`, which may carry the domain that Windows shows for container accounts.
fn account(user: &str, silo_user: SiloUser) -> Result<&'static str, String> {
    const ADMINISTRATOR: &str = "ContainerAdministrator";
    const USER: &str = "ContainerUser";
    let name = user.rsplit_once('\\').map_or(user, |(_, name)| name);
    let own = match silo_user {
        SiloUser::ContainerAdministrator => ADMINISTRATOR,
        SiloUser::ContainerUser => USER,
    };
    if name.is_empty() {
        Ok(own)
    } else if name.eq_ignore_ascii_case(USER) {
        Ok(USER)
    } else if !name.eq_ignore_ascii_case(ADMINISTRATOR) {
        Err(format!(
            "User {user:?} is unknown: {ADMINISTRATOR} and {USER} are known"
        ))
    } else if silo_user == SiloUser::ContainerUser {
        Err(format!(
            "User {ADMINISTRATOR} is not to be had in a system whose user is {USER}"
        ))
    } else {
        Ok(ADMINISTRATOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec_of(parameters: &hcs::ProcessParameters, user: SiloUser) -> Result<ProcessSpec, String> {
        spec(ProcessKey(1), parameters, &ProcessSettings::default(), user)
    }

    fn cmd() -> hcs::ProcessParameters {
        hcs::ProcessParameters {
            command_line: Some("cmd".into()),
            ..Default::default()
        }
    }

    #[test]
    fn what_is_not_said_is_as_on_windows() {
        let spec = spec_of(&cmd(), SiloUser::ContainerUser).unwrap();
        assert_eq!(spec.working_directory, r"C:\");
        assert_eq!(spec.user, "ContainerUser");
        assert_eq!(
            spec.streams,
            Streams::Pipes {
                stdin: false,
                stdin_once: false
            }
        );
    }

    #[test]
    fn an_application_alone_is_quoted() {
        let parameters = hcs::ProcessParameters {
            application_name: Some(r"C:\Program Files\a.exe".into()),
            ..Default::default()
        };
        let spec = spec_of(&parameters, SiloUser::ContainerUser).unwrap();
        assert_eq!(spec.command_line, r#""C:\Program Files\a.exe""#);
    }

    #[test]
    fn nobody_becomes_administrator_of_a_users_container() {
        let mut parameters = cmd();
        parameters.user = Some(r"User Manager\containeradministrator".into());
        assert!(spec_of(&parameters, SiloUser::ContainerUser).is_err());
        let spec = spec_of(&parameters, SiloUser::ContainerAdministrator).unwrap();
        assert_eq!(spec.user, "ContainerAdministrator");
    }

    #[test]
    fn wrong_parameters_are_refused_by_name() {
        let wrong = [
            (hcs::ProcessParameters::default(), "CommandLine"),
            (
                hcs::ProcessParameters {
                    command_line: Some("a\0b".into()),
                    ..cmd()
                },
                "CommandLine",
            ),
            (
                hcs::ProcessParameters {
                    command_line: Some("a".repeat(32_767)),
                    ..cmd()
                },
                "CommandLine",
            ),
            (
                hcs::ProcessParameters {
                    user: Some("root".into()),
                    ..cmd()
                },
                "User",
            ),
            (
                hcs::ProcessParameters {
                    emulate_console: true,
                    console_size: Some([0, 80]),
                    ..cmd()
                },
                "ConsoleSize",
            ),
        ];
        for (parameters, name) in wrong {
            let message = spec_of(&parameters, SiloUser::ContainerUser).unwrap_err();
            assert!(message.contains(name), "{message}");
        }
    }
}
