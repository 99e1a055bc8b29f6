//! Standard streams: apart, binary, with an end.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("streams_stdout_and_stderr_stay_apart", apart),
    ("streams_stdin_reaches_the_program_and_its_end_too", stdin),
    ("streams_give_cmd_every_line", lines),
    ("streams_give_a_batch_file_every_line", batch_lines),
    ("streams_three_megabytes_pass_unchanged", binary),
    ("streams_without_stdin_read_its_end_at_once", no_stdin),
];

fn apart(fixture: &Fixture) -> Result<()> {
    let script = "echo out& echo err>&2";
    let outcome =
        fixture
            .docker
            .run(["run", "--rm", "porthole/nanoserver", "cmd", "/c", script])?;
    ensure!(
        outcome.stdout.trim() == "out",
        "stdout {:?}",
        outcome.stdout
    );
    ensure!(
        outcome.stderr.trim() == "err",
        "stderr {:?}",
        outcome.stderr
    );
    Ok(())
}

fn stdin(fixture: &Fixture) -> Result<()> {
    let sorted = through(
        fixture,
        &["porthole/servercore", "sort"],
        b"pear\r\napple\r\n",
    )?;
    ensure!(
        sorted == b"apple\r\npear\r\n",
        "sort printed {:?}",
        String::from_utf8_lossy(&sorted)
    );
    Ok(())
}

/// A batch file is run by `cmd`, which nobody has named.
fn batch_lines(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    fs::write(
        directory.path().join("read.bat"),
        "@echo off\r\nset /p one=\r\nset /p two=\r\necho %one% and %two%\r\n",
    )?;
    let bind = format!("{}:C:/batch:ro", directory.path().display());
    let command = ["-v", &bind, "porthole/nanoserver", r"C:\batch\read.bat"];
    let printed = through(fixture, &command, b"first\r\nsecond\r\n")?;
    let printed = String::from_utf8_lossy(&printed);
    ensure!(printed.contains("first and second\r\n"), "{printed:?}");
    Ok(())
}

/// All of them are there before `cmd` reads the first; the last has no end.
fn lines(fixture: &Fixture) -> Result<()> {
    let image = "porthole/nanoserver";
    for command in [
        &[image, "cmd", "/q"][..],
        &[image, r"C:\Windows\System32\CMD.EXE"],
    ] {
        let input = "set /a n=1>nul\r\nset /p x=\r\nread\r\necho %x% %n%\r\necho last";
        let printed = through(fixture, command, input.as_bytes())?;
        let printed = String::from_utf8_lossy(&printed);
        for expected in ["read 1\r\n", "last\r\n"] {
            ensure!(
                printed.contains(expected),
                "{command:?} printed {printed:?}"
            );
        }
    }
    Ok(())
}

fn binary(fixture: &Fixture) -> Result<()> {
    let sent: Vec<u8> = (0..3_000_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let bind = fixture.probes_bind();
    let received = through(
        fixture,
        &["-v", &bind, "porthole/nanoserver", r"C:\probes\cat.exe"],
        &sent,
    )?;
    ensure!(
        received == sent,
        "{} bytes came back changed",
        received.len()
    );
    Ok(())
}

fn through(fixture: &Fixture, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let mut child = fixture
        .docker
        .command(["run", "--rm", "-i"].iter().chain(arguments))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output()?;
    writer
        .join()
        .map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    ensure!(output.status.success(), "docker {}", output.status);
    Ok(output.stdout)
}

fn no_stdin(fixture: &Fixture) -> Result<()> {
    let bind = fixture.probes_bind();
    let output = fixture.docker.ok([
        "run",
        "--rm",
        "-v",
        &bind,
        "porthole/nanoserver",
        r"C:\probes\cat.exe",
    ])?;
    ensure!(output.is_empty(), "printed {output:?}");
    Ok(())
}
