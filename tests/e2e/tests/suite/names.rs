//! Chinese and accented names: files, arguments, environment, output; by pipe, console, exec, bind.

use std::fs;

use anyhow::{Result, ensure};

use crate::console::in_terminal;
use crate::{Fixture, Test, run_with_bind};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("names_arguments_and_environment_survive_a_pipe", pipe),
    ("names_survive_a_console", console),
    ("names_survive_exec", exec),
    ("names_of_files_survive_a_bind", bind),
];

const TEXT: &str = "łódź-漢字-é";

fn pipe(fixture: &Fixture) -> Result<()> {
    let variable = format!("NAME={TEXT}");
    let script = format!("echo %NAME%;{TEXT}");
    let output = fixture.docker.ok([
        "run",
        "--rm",
        "-e",
        &variable,
        "porthole/nanoserver",
        "cmd",
        "/c",
        &script,
    ])?;
    ensure!(output == format!("{TEXT};{TEXT}"), "{output:?}");
    Ok(())
}

fn console(fixture: &Fixture) -> Result<()> {
    let screen = in_terminal(
        fixture,
        &format!("run --rm -it porthole/nanoserver cmd /c 'echo {TEXT}'"),
        "",
    )?;
    ensure!(screen.contains(TEXT), "{screen:?}");
    Ok(())
}

fn exec(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-names-exec";
    docker.idle(name, &["porthole/servercore"])?;
    let script = format!(r"echo {TEXT}>C:\{TEXT}.txt& type C:\{TEXT}.txt& dir /b C:\{TEXT}.txt");
    let output = docker.ok(["exec", name, "cmd", "/c", &script])?;
    docker.ok(["rm", "-f", name])?;
    let lines: Vec<_> = output.lines().map(str::trim).collect();
    ensure!(
        lines == [TEXT.to_owned(), format!("{TEXT}.txt")],
        "{lines:?}"
    );
    Ok(())
}

fn bind(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let host = directory.path().join(TEXT);
    fs::create_dir(&host)?;
    fs::write(host.join("從前.txt"), TEXT)?;
    let bind = format!(r"{}:C:\{TEXT}", host.display());
    let script = format!(r"type C:\{TEXT}\從前.txt& copy C:\{TEXT}\從前.txt C:\{TEXT}\Ñ.txt >nul");
    let arguments = run_with_bind("porthole/servercore", &bind, &script);
    let output = fixture.docker.ok(arguments)?;
    ensure!(output == TEXT, "{output:?}");
    ensure!(
        fs::read_to_string(host.join("Ñ.txt"))? == TEXT,
        "the copy differs"
    );
    Ok(())
}
