//! `nslookup NAME [SERVER]`. Wine has none.

use std::net::{IpAddr, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

use porthole_tools::dns::{self, Answer, Kind};

const HELP: &str = "NSLOOKUP name [server]

    Asks a name server for the addresses of a name, or for the name of an address.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, server) = match &arguments[..] {
        [name] if name != "/?" && name != "-?" => (name, None),
        [name, server] => (name, Some(server.as_str())),
        _ => {
            println!("{HELP}");
            return ExitCode::from(u8::from(arguments.len() != 1));
        }
    };
    match look_up(name, server) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("*** {message}");
            ExitCode::FAILURE
        }
    }
}

fn look_up(name: &str, server: Option<&str>) -> Result<(), String> {
    let server = match server {
        Some(text) => text
            .parse()
            .map_err(|_| format!("Can't find address for server {text}"))?,
        None => *servers()
            .first()
            .ok_or("Default servers are not available")?,
    };
    let label = server_name(server);
    println!("Server:  {label}\nAddress:  {server}\n");
    let kinds: &[Kind] = if name.parse::<IpAddr>().is_ok() {
        &[Kind::Ptr]
    } else {
        &[Kind::A, Kind::Aaaa]
    };
    let asked = name
        .parse()
        .map_or_else(|_| name.to_owned(), dns::reverse_name);
    let mut answers = Vec::new();
    for kind in kinds {
        answers.push(ask(server, &asked, *kind)?);
    }
    report(name, &label, &answers)
}

fn report(name: &str, server: &str, answers: &[Answer]) -> Result<(), String> {
    let addresses: Vec<_> = answers
        .iter()
        .flat_map(|answer| &answer.addresses)
        .collect();
    let names: Vec<_> = answers.iter().flat_map(|answer| &answer.names).collect();
    if addresses.is_empty() && names.is_empty() {
        return Err(match answers.first().map(|answer| answer.code) {
            Some(3) => format!("{server} can't find {name}: Non-existent domain"),
            Some(0) => format!("{server} can't find {name}: No records"),
            _ => format!("{server} can't find {name}: Server failed"),
        });
    }
    if !answers.iter().any(|answer| answer.authoritative) {
        println!("Non-authoritative answer:");
    }
    println!(
        "Name:    {}",
        names.last().map_or(name, |name| name.as_str())
    );
    let heading = if addresses.len() == 1 {
        "Address:  "
    } else {
        "Addresses:  "
    };
    for (index, address) in addresses.iter().enumerate() {
        println!(
            "{}{address}",
            if index == 0 { heading } else { "          " }
        );
    }
    Ok(())
}

fn server_name(server: IpAddr) -> String {
    ask(server, &dns::reverse_name(server), Kind::Ptr)
        .ok()
        .and_then(|answer| answer.names.into_iter().next())
        .unwrap_or_else(|| "UnKnown".to_owned())
}

fn ask(server: IpAddr, name: &str, kind: Kind) -> Result<Answer, String> {
    let id = std::process::id().to_le_bytes();
    let id = u16::from_le_bytes([id[0], id[1]]);
    let query = dns::query(id, name, kind).ok_or_else(|| format!("{name} is no valid name"))?;
    let any: IpAddr = if server.is_ipv4() {
        [0, 0, 0, 0].into()
    } else {
        [0_u16; 8].into()
    };
    let failed = |error: std::io::Error| format!("Request to {server} failed: {error}");
    let socket = UdpSocket::bind((any, 0)).map_err(failed)?;
    socket.connect((server, 53)).map_err(failed)?;
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .map_err(failed)?;
    let mut buffer = [0; 4096];
    for _ in 0..2 {
        socket.send(&query).map_err(failed)?;
        if let Ok(length) = socket.recv(&mut buffer)
            && let Some(answer) = dns::read(&buffer[..length], id)
        {
            return Ok(answer);
        }
    }
    Err(format!("Request to {server} timed-out"))
}

#[cfg(windows)]
fn servers() -> Vec<IpAddr> {
    porthole_tools::windows::name_servers().unwrap_or_default()
}

#[cfg(not(windows))]
fn servers() -> Vec<IpAddr> {
    Vec::new()
}
