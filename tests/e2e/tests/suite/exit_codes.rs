//! Exit codes: all 32 bits, in inspect, wait and events; the client shows the low eight.

use anyhow::{Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("exit_code_of_cmd_keeps_32_bits", cmd),
    ("exit_code_of_exit_process_keeps_32_bits", probe),
    ("exit_code_is_the_clients_exit_code", client),
];

fn cmd(fixture: &Fixture) -> Result<()> {
    exits_with(fixture, "e2e-exit-cmd", &["cmd", "/c", "exit -1073741510"])
}

fn probe(fixture: &Fixture) -> Result<()> {
    exits_with(
        fixture,
        "e2e-exit-probe",
        &[r"C:\probes\exit.exe", "0xC000013A"],
    )
}

fn exits_with(fixture: &Fixture, name: &str, command: &[&str]) -> Result<()> {
    let bind = fixture.probes_bind();
    let mut arguments = vec!["run", "--name", name, "-v", &bind, "porthole/nanoserver"];
    arguments.extend(command);
    fixture.docker.run(&arguments)?;
    let code = fixture
        .docker
        .ok(["inspect", "-f", "{{.State.ExitCode}}", name])?;
    let waited = fixture.docker.ok(["wait", name])?;
    fixture.docker.ok(["rm", name])?;
    ensure!(code == "3221225786", "inspect says {code}");
    ensure!(waited == "3221225786", "wait says {waited}");
    Ok(())
}

fn client(fixture: &Fixture) -> Result<()> {
    let outcome =
        fixture
            .docker
            .run(["run", "--rm", "porthole/nanoserver", "cmd", "/c", "exit 7"])?;
    ensure!(outcome.code == 7, "docker exited with {}", outcome.code);
    Ok(())
}
