//! TCP with mutual TLS: certificates made as Docker's documentation has it, and real clients.

use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::certificates;
use porthole_e2e::docker::Docker;
use porthole_e2e::server::Server;

use crate::console::in_terminal;
use crate::{Fixture, Test, clients};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("tls_serves_those_with_a_certificate", served),
    ("tls_is_asked_for_before_tcp_is_served", asked_for),
];

/// What a server of these tests is called.
pub(crate) const NAMES: &str = "DNS:localhost,IP:127.0.0.1";

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn options(address: &str, certificates: &Path) -> Vec<OsString> {
    let mut options: Vec<OsString> = ["-H", address, "--tlsverify"].map(OsString::from).into();
    for (option, file) in [
        ("--tlscacert", "ca.pem"),
        ("--tlscert", "server-cert.pem"),
        ("--tlskey", "server-key.pem"),
    ] {
        options.extend([option.into(), certificates.join(file).into()]);
    }
    options
}

fn served(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let [ours, theirs] = ["ours", "theirs"].map(|name| directory.path().join(name));
    certificates::make(&ours, NAMES)?;
    certificates::make(&theirs, NAMES)?;
    let port = free_port()?;
    let address = format!("tcp://127.0.0.1:{port}");
    let place = fixture.place.clone();
    let server = Server::start_with(&fixture.programs, place, &options(&address, &ours))?;
    let secured = Fixture {
        docker: Docker::over_tls(address.clone(), ours.clone()),
        ..fixture.clone()
    };
    let checked = refusals(&address, port, &ours, &theirs).and_then(|()| streams(&secured));
    server.stop()?;
    checked
}

/// Clients that are not let in.
fn refusals(address: &str, port: u16, ours: &Path, theirs: &Path) -> Result<()> {
    let refused = |docker: &Docker, reason: &str| {
        let outcome = docker.run(["ps"])?;
        let said = outcome.stderr;
        ensure!(outcome.code != 0 && said.contains(reason), "{said}");
        Ok(())
    };
    // The CA is right, so that it is the client's certificate that is refused.
    fs::copy(ours.join("ca.pem"), theirs.join("ca.pem"))?;
    let stranger = Docker::over_tls(address.to_owned(), theirs.to_owned());
    refused(&stranger, "certificate")?;
    fs::remove_file(theirs.join("cert.pem"))?;
    fs::remove_file(theirs.join("key.pem"))?;
    let ca = theirs.join("ca.pem");
    let ca = ca.to_string_lossy();
    let nameless = Command::new("docker")
        .env_remove("DOCKER_CONTEXT")
        .args(["-H", address, "--tls", "--tlscacert", &ca, "ps"])
        .output()?;
    let said = String::from_utf8_lossy(&nameless.stderr);
    ensure!(
        !nameless.status.success() && said.contains("certificate"),
        "{said}"
    );
    let plain = Docker::new(address.to_owned());
    refused(&plain, "Client sent an HTTP request to an HTTPS server")?;
    // Half a handshake holds nobody else up.
    let mut silent = TcpStream::connect(("127.0.0.1", port))?;
    silent.write_all(b"\x16\x03\x01")?;
    Docker::over_tls(address.to_owned(), ours.to_owned()).ok(["ps"])?;
    Ok(())
}

/// What is hijacked works as over a Unix socket.
fn streams(secured: &Fixture) -> Result<()> {
    let docker = &secured.docker;
    let mut child = docker
        .command(["run", "--rm", "-i", "porthole/nanoserver", "findstr", "x"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("no input")?
        .write_all(b"axb\r\nno\r\n")?;
    let mut output = String::new();
    child
        .stdout
        .take()
        .context("no output")?
        .read_to_string(&mut output)?;
    ensure!(
        child.wait()?.success() && output.trim_end() == "axb",
        "{output:?}"
    );
    let name = "e2e-tls-exec";
    docker.idle(name, &["porthole/servercore"])?;
    let screen = in_terminal(
        secured,
        &format!("exec -it {name} cmd"),
        "set /a 6*7+100000\rexit\r",
    )?;
    ensure!(screen.contains("100042"), "{screen:?}");
    docker.ok(["rm", "-f", name])?;
    clients::old_docker(secured)?;
    clients::docker_py(secured)?;
    clients::dockerode(secured)
}

/// Without TLS the daemon does not start, and with the word for it `docker info` warns.
fn asked_for(fixture: &Fixture) -> Result<()> {
    let address = format!("tcp://127.0.0.1:{}", free_port()?);
    let refused = Command::new(fixture.programs.join("portholed"))
        .args(["-H", &address])
        .output()?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(
        !refused.status.success() && said.contains("--tlsverify"),
        "{said}"
    );
    let options = ["-H", &address, "--insecure-tcp-without-authentication"].map(OsString::from);
    let place = fixture.place.clone();
    let server = Server::start_with(&fixture.programs, place, &options)?;
    let info = Docker::new(address).run(["info"]);
    server.stop()?;
    let info = info?;
    ensure!(
        info.code == 0 && info.stderr.contains("without encryption"),
        "{info:?}"
    );
    Ok(())
}
