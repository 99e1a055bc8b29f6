//! `docker run`: what a program is given.

use anyhow::{Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("run_prints_what_the_program_prints", prints),
    ("run_reports_the_windows_version_of_the_base", version),
    ("run_sets_environment_directory_and_computer_name", given),
    (
        "run_merges_environment_without_regard_to_case",
        environment_case,
    ),
    (
        "run_starts_as_the_user_of_the_image_or_the_one_asked_for",
        users,
    ),
    ("run_joins_entrypoint_and_command", entrypoint),
    ("run_without_a_command_starts_cmd", default_command),
    ("run_creates_the_working_directory", working_directory),
];

fn prints(fixture: &Fixture) -> Result<()> {
    for image in ["porthole/nanoserver", "porthole/servercore"] {
        let output = fixture
            .docker
            .ok(["run", "--rm", image, "cmd", "/c", "echo hi"])?;
        ensure!(output == "hi", "{image} printed {output:?}");
    }
    Ok(())
}

fn version(fixture: &Fixture) -> Result<()> {
    let output = fixture
        .docker
        .ok(["run", "--rm", "porthole/nanoserver", "cmd", "/c", "ver"])?;
    ensure!(output.contains("10.0.20348"), "ver printed {output:?}");
    Ok(())
}

fn given(fixture: &Fixture) -> Result<()> {
    let script = "echo %COLOUR%;%CD%;%COMPUTERNAME%";
    let output = fixture.docker.ok([
        "run",
        "--rm",
        "-e",
        "COLOUR=green",
        "-w",
        r"C:\Users",
        "--hostname",
        "Ship",
        "porthole/nanoserver",
        "cmd",
        "/c",
        script,
    ])?;
    ensure!(output == r"green;C:\Users;SHIP", "printed {output:?}");
    Ok(())
}

/// The two spellings come by different requests: of several `-e` in one command, docker 28 sends
/// now one and now another last.
fn environment_case(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let program = ["porthole/nanoserver", "ping", "-n", "600", "127.0.0.1"];
    let name = docker.ok(["run", "-d", "-e", "Colour=green"].iter().chain(&program))?;
    let output = docker.ok(["exec", "-e", "COLOUR=blue", &name, "cmd", "/c", "set col"]);
    docker.ok(["rm", "-f", &name])?;
    let output = output?;
    ensure!(
        output.lines().count() == 1 && output.ends_with("=blue"),
        "printed {output:?}"
    );
    Ok(())
}

fn users(fixture: &Fixture) -> Result<()> {
    let cases = [
        ("porthole/nanoserver", None, "ContainerUser"),
        ("porthole/servercore", None, "ContainerAdministrator"),
        (
            "porthole/nanoserver",
            Some("ContainerAdministrator"),
            "ContainerAdministrator",
        ),
    ];
    for (image, asked, expected) in cases {
        let mut arguments = vec!["run", "--rm"];
        arguments.extend(asked.map(|user| ["--user", user]).iter().flatten());
        arguments.extend([image, "cmd", "/c", "echo %USERNAME%;%USERPROFILE%"]);
        let output = fixture.docker.ok(&arguments)?;
        let wanted = format!(r"{expected};C:\Users\{expected}");
        ensure!(
            output.eq_ignore_ascii_case(&wanted),
            "{image} {asked:?} printed {output:?}"
        );
    }
    Ok(())
}

fn entrypoint(fixture: &Fixture) -> Result<()> {
    let output = fixture.docker.ok([
        "run",
        "--rm",
        "--entrypoint",
        "cmd",
        "porthole/nanoserver",
        "/c",
        "echo one two",
    ])?;
    ensure!(output == "one two", "printed {output:?}");
    Ok(())
}

fn default_command(fixture: &Fixture) -> Result<()> {
    let name = "e2e-default-command";
    fixture
        .docker
        .ok(["create", "--name", name, "porthole/nanoserver"])?;
    let path = fixture.docker.inspect(name)?["Path"].clone();
    fixture.docker.ok(["rm", name])?;
    ensure!(
        path.as_str().is_some_and(|path| path.ends_with("cmd.exe")),
        "the command is {path}"
    );
    Ok(())
}

fn working_directory(fixture: &Fixture) -> Result<()> {
    let output = fixture.docker.ok([
        "run",
        "--rm",
        "-w",
        r"C:\made\for\me",
        "porthole/servercore",
        "cmd",
        "/c",
        "cd",
    ])?;
    ensure!(output == r"C:\made\for\me", "printed {output:?}");
    Ok(())
}
