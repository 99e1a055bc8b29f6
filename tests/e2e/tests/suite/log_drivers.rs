//! Logs of Windows programs that are sent away, to receivers here.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::docker::Docker;
use porthole_e2e::server::Server;

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("log_driver_syslog_sends_and_keeps", syslog),
    ("log_driver_gelf_sends_all_before_the_removal", gelf),
    ("log_driver_fluentd_must_be_there", fluentd),
];

/// Those that kill daemons.
pub(crate) const ALONE: &[(&str, Test)] = &[("log_driver_loses_nothing_of_killed_daemons", killed)];

const IMAGE: &str = "porthole/nanoserver";
const PATIENCE: Duration = Duration::from_secs(30);

fn syslog(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let address = format!("syslog-address=udp://{}", socket.local_addr()?);
    let name = "e2e-log-syslog";
    let begin = [
        "run",
        "--name",
        name,
        "--log-driver",
        "syslog",
        "--log-opt",
        &address,
    ];
    let tag = [
        "--log-opt",
        "tag={{.Name}}",
        "--log-opt",
        "syslog-format=rfc5424",
    ];
    let program = [IMAGE, "cmd", "/c", "echo out& echo err>&2"];
    docker.run(begin.iter().chain(&tag).chain(&program))?;
    let mut messages = BTreeSet::new();
    while messages.len() < 2 {
        let mut buffer = [0; 2048];
        let count = socket.recv(&mut buffer)?;
        messages.insert(String::from_utf8_lossy(&buffer[..count]).into_owned());
    }
    let logs = docker.run(["logs", name])?;
    docker.ok(["rm", name])?;
    let expected = [("<27>1 ", " - err\n"), ("<30>1 ", " - out\n")];
    let is_expected = |(message, (begin, end)): (&String, (&str, &str))| {
        message.starts_with(begin) && message.ends_with(end) && message.contains(name)
    };
    ensure!(
        messages.iter().zip(expected).all(is_expected),
        "{messages:?}"
    );
    ensure!(
        logs.stdout.trim() == "out" && logs.stderr.trim() == "err",
        "{logs:?}"
    );
    Ok(())
}

fn gelf(fixture: &Fixture) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("gelf-address=tcp://{}", listener.local_addr()?);
    let received = std::thread::spawn(move || -> Result<Vec<u8>> {
        let (mut stream, _) = listener.accept()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    let begin = ["run", "--rm", "--log-driver", "gelf", "--log-opt", &address];
    let script = "for /l %i in (1,1,200) do @echo line %i";
    fixture
        .docker
        .ok(begin.iter().chain(&[IMAGE, "cmd", "/c", script]))?;
    let received = received
        .join()
        .map_err(|_| anyhow::anyhow!("the receiver panicked"))??;
    let documents = received
        .split(|byte| *byte == 0)
        .filter(|text| !text.is_empty());
    let messages: Vec<_> = documents
        .map(serde_json::from_slice::<serde_json::Value>)
        .collect::<Result<_, _>>()?;
    let lines = messages
        .iter()
        .map(|message| message["short_message"].as_str());
    let expected: Vec<_> = (1..=200).map(|number| format!("line {number}")).collect();
    ensure!(
        lines.eq(expected.iter().map(|line| Some(line.as_str()))),
        "{messages:?}"
    );
    Ok(())
}

fn fluentd(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let nobody = UdpSocket::bind("127.0.0.1:0")?;
    let address = format!("fluentd-address={}", nobody.local_addr()?);
    let run = |more: &[&str]| {
        let begin = [
            "run",
            "--rm",
            "--log-driver",
            "fluentd",
            "--log-opt",
            &address,
        ];
        docker.run(
            begin
                .iter()
                .chain(more)
                .chain(&[IMAGE, "cmd", "/c", "echo hi"]),
        )
    };
    let refused = run(&[])?;
    ensure!(
        refused.code != 0
            && refused
                .stderr
                .contains("failed to initialize logging driver")
            && refused.stderr.contains("refused"),
        "{refused:?}"
    );
    let started = run(&["--log-opt", "fluentd-async=true"])?;
    ensure!(
        started.code == 0 && started.stdout.trim() == "hi",
        "{started:?}"
    );
    let unknown = docker.run([
        "create",
        "--log-driver",
        "fluentd",
        "--log-opt",
        "x=1",
        IMAGE,
    ])?;
    ensure!(
        unknown
            .stderr
            .contains("unknown log opt 'x' for fluentd log driver"),
        "{unknown:?}"
    );
    Ok(())
}

/// The engine is killed again and again while a program prints: each line arrives, at least once.
fn killed(fixture: &Fixture) -> Result<()> {
    const LINES: usize = 200;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("syslog-address=tcp://{}", listener.local_addr()?);
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    // Nobody listens any more once the test is over.
                    let _ = sender.send(line);
                }
            });
        }
    });
    let mut server = Server::start(&fixture.programs, fixture.place.clone())?;
    let outcome = print_and_kill(fixture, &mut server, &address, LINES);
    let outcome = outcome.and_then(|()| collect(&lines, LINES));
    server.stop()?;
    outcome
}

fn print_and_kill(
    fixture: &Fixture,
    server: &mut Server,
    address: &str,
    lines: usize,
) -> Result<()> {
    let bind = fixture.probes_bind();
    let (name, count) = ("e2e-log-killed", lines.to_string());
    let begin = [
        "run",
        "-d",
        "--name",
        name,
        "-v",
        &bind,
        "--log-driver",
        "syslog",
    ];
    let program = [
        "--log-opt",
        address,
        IMAGE,
        r"C:\probes\lines.exe",
        &count,
        "10",
        "0",
    ];
    fixture.docker.ok(begin.iter().chain(&program))?;
    while is_running(&fixture.docker, name)? {
        server.kill_and_restart()?;
    }
    Ok(())
}

fn is_running(docker: &Docker, name: &str) -> Result<bool> {
    Ok(docker.ok(["inspect", "-f", "{{.State.Running}}", name])? == "true")
}

fn collect(lines: &mpsc::Receiver<String>, count: usize) -> Result<()> {
    let mut missing: BTreeSet<_> = (1..=count).map(|number| number.to_string()).collect();
    while !missing.is_empty() {
        let line = lines.recv_timeout(PATIENCE);
        let line = line.with_context(|| format!("these did not come: {missing:?}"))?;
        let (_, text) = line.split_once("]: ").context("no message")?;
        missing.remove(text);
    }
    Ok(())
}
