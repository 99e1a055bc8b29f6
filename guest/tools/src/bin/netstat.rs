//! `netstat`: connections and listening sockets. Wine's shows neither those that listen nor UDP.

use std::process::ExitCode;

use porthole_tools::connections::{Kind, Socket, table};

const HELP: &str = "
Displays TCP connections, and with -a sockets that listen and UDP. Addresses are shown as numbers.

NETSTAT [-a] [-n] [-o] [-p proto]

  -a             Displays all connections and listening ports.
  -n             Displays addresses and port numbers in numerical form.
  -o             Displays the process ID of each connection.
  -p proto       Shows connections for the protocol: TCP, UDP, TCPv6 or UDPv6.
";

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    all: bool,
    with_pid: bool,
    kind: Option<Kind>,
}

fn main() -> ExitCode {
    let Some(options) = parse(std::env::args().skip(1)) else {
        println!("{HELP}");
        return ExitCode::FAILURE;
    };
    let kinds = Kind::ALL
        .into_iter()
        .filter(|kind| options.kind.is_none_or(|wanted| wanted == *kind));
    let mut shown: Vec<Socket> = Vec::new();
    for kind in kinds {
        match sockets(kind) {
            Ok(table) => shown.extend(kind.read(&table)),
            Err(error) => {
                eprintln!("netstat: {}: {error}", kind.name());
                return ExitCode::FAILURE;
            }
        }
    }
    shown.retain(|socket| options.all || !socket.is_passive());
    print!("{}", table(&shown, options.with_pid));
    ExitCode::SUCCESS
}

/// The options; nothing for those that are not there.
fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        for letter in argument.strip_prefix(['-', '/'])?.chars() {
            match letter.to_ascii_lowercase() {
                'a' => options.all = true,
                'n' => {}
                'o' => options.with_pid = true,
                'p' => options.kind = Some(Kind::of_name(&arguments.next()?)?),
                _ => return None,
            }
        }
    }
    Some(options)
}

#[cfg(windows)]
use porthole_tools::windows::sockets;

#[cfg(not(windows))]
fn sockets(_: Kind) -> std::io::Result<Vec<u32>> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Option<Options> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn letters_stand_alone_or_together() {
        assert_eq!(options("-ano"), options("-a -n /O"));
        let tcp = options("-a -p tcp").unwrap();
        assert!(tcp.all && tcp.kind == Kind::of_name("TCP"));
        for bad in ["-r", "5", "-p", "-p ipx"] {
            assert_eq!(options(bad), None, "{bad}");
        }
    }
}
