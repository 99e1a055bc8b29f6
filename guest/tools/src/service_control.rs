//! The commands of `sc`.

use std::process::ExitCode;

use crate::service_text::{self as text, Changes, Filter, status};
use crate::services::Manager;

const HELP: &str = r"
USAGE:
        sc [command] [service name] <option1> <option2>...

          query, queryex   [service name] [type= service|driver|all] [state= active|inactive|all]
          qc               [service name]: how it is set up
          qdescription     [service name]
          start            [service name] [arguments]
          stop, pause, continue, interrogate   [service name]
          create, config   [service name] [binPath= path] [type= own|share|kernel|filesys]
                           [start= auto|demand|disabled|boot|system] [error= normal|severe|critical|ignore]
                           [DisplayName= name] [depend= service/service] [group= group] [obj= account]
                           [password= password]
          description      [service name] [text]
          delete           [service name]
";

/// A call of the service control manager that failed.
struct Failed {
    call: &'static str,
    error: std::io::Error,
}

/// What a command comes to: something to print, a usage error, or a failed call.
enum Failure {
    Usage(String),
    Call(Failed),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Usage(text)
    }
}

type Outcome<T> = Result<T, Failure>;

/// Names the call that failed.
trait During<T> {
    fn during(self, call: &'static str) -> Outcome<T>;
}

impl<T> During<T> for std::io::Result<T> {
    fn during(self, call: &'static str) -> Outcome<T> {
        self.map_err(|error| Failure::Call(Failed { call, error }))
    }
}

/// Carries out the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    /// `ERROR_INVALID_COMMAND_LINE`.
    const USAGE: i32 = 1639;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let code = match carry_out(&arguments) {
        Ok(text) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(Failure::Usage(text)) => {
            print!("\nERROR:  {text}\n{HELP}");
            USAGE
        }
        Err(Failure::Call(Failed { call, error })) => {
            let code = error.raw_os_error().unwrap_or(1);
            let known = text::message(code.cast_unsigned());
            let message = known.map_or_else(|| error.to_string(), str::to_owned);
            print!("[SC] {call} FAILED {code}:\n\n{message}\n\n");
            code
        }
    };
    // An exit code has 32 bits, of which `ExitCode` takes 8.
    std::process::exit(code)
}

/// Carries a command out; what it prints.
fn carry_out(arguments: &[String]) -> Outcome<String> {
    let (command, rest) = match arguments {
        [] => return Err(Failure::Usage("A command is missing.".to_owned())),
        [computer, ..] if computer.starts_with(r"\\") => {
            return Err(Failure::Usage(
                "Other computers are not supported.".to_owned(),
            ));
        }
        [command, rest @ ..] => (command.to_lowercase(), rest),
    };
    let manager = || Manager::open().during("OpenSCManager");
    match (command.as_str(), rest) {
        ("query" | "queryex", _) => query(&manager()?, rest, command == "queryex"),
        (_, []) => Err(Failure::Usage(format!(
            "{command}: unrecognized, or without the name of a service."
        ))),
        ("create", [name, options @ ..]) => {
            let wanted = Changes::parse(options)?;
            if wanted.path.is_none() {
                return Err(Failure::Usage("create needs binPath=".to_owned()));
            }
            manager()?.create(name, &wanted).during("CreateService")?;
            Ok("[SC] CreateService SUCCESS\n".to_owned())
        }
        (_, [name, options @ ..]) => of_service(&manager()?, &command, name, options),
    }
}

/// `query` with the name of a service, or with options that say which ones.
fn query(manager: &Manager, arguments: &[String], is_extended: bool) -> Outcome<String> {
    if let [name] = arguments
        && !name.contains('=')
    {
        let service = manager
            .service(name)
            .during("EnumQueryServicesStatus:OpenService")?;
        let state = service.status().during("QueryServiceStatus")?;
        return Ok(status(name, None, &state, is_extended));
    }
    let filter = Filter::parse(arguments)?;
    let listed = manager.list(filter).during("EnumQueryServicesStatus")?;
    Ok(listed
        .iter()
        .map(|one| status(&one.name, Some(&one.display_name), &one.status, is_extended))
        .collect())
}

/// The commands for one service.
fn of_service(manager: &Manager, command: &str, name: &str, options: &[String]) -> Outcome<String> {
    let open = |call| manager.service(name).during(call);
    let control = |number| {
        let service = open("OpenService")?;
        let state = service.control(number).during("ControlService")?;
        Ok(status(name, None, &state, false))
    };
    let done = |call: &str| Ok(format!("[SC] {call} SUCCESS\n"));
    match (command, options) {
        ("qc", []) => {
            let config = open("OpenService")?.config().during("QueryServiceConfig")?;
            Ok(text::config(name, &config))
        }
        ("qdescription", []) => {
            let service = open("OpenService")?;
            let description = service.description().during("QueryServiceConfig2")?;
            Ok(format!(
                "[SC] QueryServiceConfig2 SUCCESS\n\nSERVICE_NAME: {name}\nDESCRIPTION:  {description}\n"
            ))
        }
        ("start", _) => {
            let service = open("StartService: OpenService")?;
            service.start(options).during("StartService")?;
            let state = service.status().during("QueryServiceStatus")?;
            Ok(status(name, None, &state, true))
        }
        ("stop", []) => control(1),
        ("pause", []) => control(2),
        ("continue", []) => control(3),
        ("interrogate", []) => control(4),
        ("config", _) => {
            let changes = Changes::parse(options)?;
            let service = open("OpenService")?;
            service.change(&changes).during("ChangeServiceConfig")?;
            done("ChangeServiceConfig")
        }
        ("description", [description]) => {
            let service = open("OpenService")?;
            service
                .describe(description)
                .during("ChangeServiceConfig2")?;
            done("ChangeServiceConfig2")
        }
        ("delete", []) => {
            open("OpenService")?.delete().during("DeleteService")?;
            done("DeleteService")
        }
        _ => Err(Failure::Usage(format!(
            "{command}: unrecognized, or with unknown options."
        ))),
    }
}
