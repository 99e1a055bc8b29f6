//! Failures: what is said of them, what to do about them, and what this program exits with.

use std::io::ErrorKind;

use bollard::errors::Error;

use crate::output::remark;
use crate::request::Unreachable;
use crate::shown;

/// What docker too exits with for a wrong command line, and when `run` fails before a program does.
pub(crate) const NOT_CARRIED_OUT: u8 = 125;

/// What docker and shells exit with for a program that cannot be run.
const CANNOT_INVOKE: u8 = 126;

/// What docker and shells exit with for a program that is not there.
const NOT_FOUND: u8 = 127;

/// Says what failed, and what to do about it where that is known.
pub(crate) fn tell(error: &anyhow::Error) {
    // What it quotes may be an archive's or a registry's.
    remark!("porthole: {}", shown::lines(&sentence(error)));
    if let Some(hint) = hint(error) {
        remark!("hint: {hint}");
    }
}

/// What a `run` that failed exits with: what docker makes of the daemon's words.
pub(crate) fn code_of_run(error: &anyhow::Error) -> u8 {
    let Some(Error::DockerResponseServerError { message, .. }) = error.downcast_ref() else {
        return NOT_CARRIED_OUT;
    };
    let says = |words: &str| message.to_lowercase().contains(words);
    if says("cannot find the file specified") || says("no such file or directory") {
        NOT_FOUND
    } else if says("permission denied") {
        CANNOT_INVOKE
    } else {
        NOT_CARRIED_OUT
    }
}

/// Whether standard output's reader has gone away, as `head` does when it has seen enough.
///
/// What breaks a connection to the daemon is further down in an error of the client's.
pub(crate) fn is_reader_gone(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.kind() == ErrorKind::BrokenPipe)
}

/// An error in one line. What the daemon answered needs no telling that it was the daemon.
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Error>() {
        Some(Error::DockerResponseServerError { message, .. }) => message.clone(),
        Some(Error::SocketNotFoundError(path)) => {
            format!("cannot reach the daemon: there is no {path}")
        }
        Some(Error::HyperLegacyError { .. }) => match io_error(error) {
            Some(cause) => format!("cannot reach the daemon: {cause}"),
            None => format!("{error:#}"),
        },
        _ => format!("{error:#}"),
    }
}

/// The operating system's error at the bottom of it.
fn io_error(error: &anyhow::Error) -> Option<&std::io::Error> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// A way out, where one is known.
fn hint(error: &anyhow::Error) -> Option<String> {
    if let Some(remedy) = error
        .downcast_ref::<porthole_base::Error>()
        .and_then(porthole_base::Error::remedy)
    {
        return Some(remedy.to_owned());
    }
    match error.downcast_ref::<Error>() {
        Some(Error::SocketNotFoundError(path)) => {
            return Some(format!(
                "nothing listens on {path}: start the daemon with 'portholed' as root (or name its socket with -H)"
            ));
        }
        Some(Error::DockerResponseServerError { message, .. }) => {
            return hint_for_answer(message).map(str::to_owned);
        }
        _ => {}
    }
    // Files have the same errors, and their texts say which.
    let asked_daemon =
        error.downcast_ref::<Error>().is_some() || error.downcast_ref::<Unreachable>().is_some();
    let io = io_error(error).filter(|_| asked_daemon)?;
    match io.kind() {
        ErrorKind::ConnectionRefused => {
            Some("the daemon does not run: start it with 'portholed' as root".to_owned())
        }
        ErrorKind::PermissionDenied => Some(
            "only root and the members of the group 'porthole' may use the daemon's socket"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Words of the daemon, and a way out for each.
const ANSWERS: [(&str, &str); 9] = [
    (
        "no such image",
        "'porthole images' lists what is there; 'porthole pull' gets one from a registry, 'porthole base build nanoserver' makes the small base image",
    ),
    ("no such container", "'porthole ps -a' lists what is there"),
    (
        "is already in use by container",
        "remove that one with 'porthole rm', or take another name",
    ),
    (
        "supported for windows containers",
        "Windows containers have no such thing: leave the option out",
    ),
    (
        "windows does not support",
        "Windows containers have no such thing: leave the option out",
    ),
    (
        "this version of porthole",
        "docs/api.md lists what works and what is planned",
    ),
    (
        "0xc0370101",
        "the image is for another build of Wine than this host has, or names none: what was imported \
         needs a label, which 'porthole import --help' shows",
    ),
    (
        "before removing or force remove",
        "'porthole stop' ends it first; 'porthole rm -f' does both",
    ),
    (
        "is not running",
        "'porthole start' starts it; 'porthole ps -a' shows how it ended",
    ),
];

fn hint_for_answer(message: &str) -> Option<&'static str> {
    let message = message.to_lowercase();
    let fitting = ANSWERS.iter().find(|(words, _)| message.contains(words));
    fitting.map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_daemon_refuses_has_a_way_out() {
        for (message, words) in [
            ("No such container: web", "porthole ps -a"),
            (
                "invalid option: Windows does not support CapAdd",
                "leave the option out",
            ),
            ("container abc is not running", "porthole start"),
            (
                "The container operating system does not match the host operating system. (0xc0370101)",
                "porthole import",
            ),
        ] {
            let hint = hint(&answer(400, message));
            assert!(hint.is_some_and(|hint| hint.contains(words)), "{message}");
        }
        assert_eq!(hint(&answer(500, "the disk is full")), None);
    }

    fn answer(status_code: u16, message: &str) -> anyhow::Error {
        let message = message.to_owned();
        Error::DockerResponseServerError {
            status_code,
            message,
        }
        .into()
    }

    #[test]
    fn the_daemons_answer_is_told_as_it_is() {
        let error = answer(404, "No such image: x:latest");
        assert_eq!(sentence(&error), "No such image: x:latest");
        assert_eq!(code_of_run(&error), 125);
        assert!(hint(&error).is_some_and(|hint| hint.contains("porthole base build")));
    }

    #[test]
    fn a_program_that_does_not_start_has_the_code_that_docker_gives_it() {
        for (message, code) in [
            ("The system cannot find the file specified. (0x2)", 127),
            (
                "The system cannot find the path specified. (0x3): no such file or directory",
                127,
            ),
            ("Access is denied. (0x5): permission denied", 126),
            ("invalid option: Windows does not support CapAdd", 125),
        ] {
            assert_eq!(code_of_run(&answer(400, message)), code, "{message}");
        }
        let denied = || anyhow::Error::from(std::io::Error::from(ErrorKind::PermissionDenied));
        assert_eq!(code_of_run(&denied()), 125);
        assert_eq!(hint(&denied()), None);
        let socket = denied().context(Unreachable);
        assert!(hint(&socket).is_some_and(|hint| hint.contains("group 'porthole'")));
    }

    #[test]
    fn a_missing_socket_says_how_to_start_the_daemon() {
        let error = Error::SocketNotFoundError("/run/x.sock".to_owned()).into();
        assert!(hint(&error).is_some_and(|hint| hint.contains("portholed")));
    }
}
