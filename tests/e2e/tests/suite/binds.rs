//! Host directories on C:.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};

use anyhow::{Result, ensure};

use crate::{Fixture, Test, run_with_bind};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "binds_what_is_written_belongs_to_the_directorys_owner",
        owner,
    ),
    ("binds_read_only_refuses_writes", read_only),
    ("binds_accept_forward_slashes_and_nested_targets", targets),
    ("binds_show_changes_both_ways", both_ways),
    ("binds_hold_new_directories_for_every_user", new_directories),
];

fn owner(fixture: &Fixture) -> Result<()> {
    for (image, uid) in [
        ("porthole/nanoserver", 4321),
        ("porthole/servercore", 4321),
        ("porthole/nanoserver", 0),
    ] {
        let directory = tempfile::tempdir()?;
        chown(directory.path(), Some(uid), Some(uid))?;
        let bind = format!(r"{}:C:/o", directory.path().display());
        let arguments = run_with_bind(image, &bind, r"echo x>C:\o\f");
        let output = fixture.docker.run(arguments)?;
        ensure!(output.code == 0, "{image}: {}", output.stderr);
        let file = fs::metadata(directory.path().join("f"))?;
        ensure!(
            (file.uid(), file.gid()) == (uid, uid),
            "{image}: f belongs to {}:{}",
            file.uid(),
            file.gid()
        );
    }
    Ok(())
}

fn read_only(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("seen.txt"), "seen")?;
    let bind = format!(r"{}:C:\o:ro", directory.path().display());
    let script = r"type C:\o\seen.txt& echo x>C:\o\f";
    let arguments = run_with_bind("porthole/servercore", &bind, script);
    let outcome = fixture.docker.run(arguments)?;
    ensure!(outcome.stdout.trim() == "seen", "{outcome:?}");
    ensure!(
        outcome.stderr.to_lowercase().contains("denied") && !directory.path().join("f").exists(),
        "{outcome:?}"
    );
    Ok(())
}

fn targets(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("n.txt"), "nested")?;
    let bind = format!("{}:C:/deep/er/Still", directory.path().display());
    let script = r"type C:\DEEP\er\still\N.TXT";
    let output = fixture.docker.ok([
        "run",
        "--rm",
        "-v",
        &bind,
        "porthole/nanoserver",
        "cmd",
        "/c",
        script,
    ])?;
    ensure!(output == "nested", "{output:?}");
    Ok(())
}

fn both_ways(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let directory = tempfile::tempdir()?;
    let name = "e2e-binds-both-ways";
    let bind = format!(r"{}:C:\o", directory.path().display());
    docker.idle(name, &["-v", &bind, "porthole/servercore"])?;
    fs::write(directory.path().join("late.txt"), "late")?;
    let output = docker.ok([
        "exec",
        name,
        "cmd",
        "/c",
        r"type C:\o\late.txt& del C:\o\late.txt",
    ])?;
    docker.ok(["rm", "-f", name])?;
    ensure!(
        output == "late" && !directory.path().join("late.txt").exists(),
        "{output:?}"
    );
    Ok(())
}

/// A working directory or a nested target that is not there is made, and is its user's.
fn new_directories(fixture: &Fixture) -> Result<()> {
    for (image, own) in [
        ("porthole/nanoserver", r"C:\Users\ContainerUser\new"),
        ("porthole/servercore", r"C:\new\deep"),
    ] {
        let (outer, inner) = (tempfile::tempdir()?, tempfile::tempdir()?);
        chown(outer.path(), Some(4321), Some(4321))?;
        let binds = [
            format!(r"{}:C:\o", outer.path().display()),
            format!(r"{}:C:\o\inner", inner.path().display()),
        ];
        for directory in [r"C:\o\work\deep", own] {
            let output = fixture.docker.run([
                "run",
                "--rm",
                "-v",
                &binds[0],
                "-v",
                &binds[1],
                "-w",
                directory,
                image,
                "cmd",
                "/c",
                "echo x>f& type f",
            ])?;
            ensure!(output.stdout == "x\r\n", "{image} {directory}: {output:?}");
        }
        let made = fs::metadata(outer.path().join("work/deep/f"))?;
        ensure!(made.uid() == 4321, "{image}: f belongs to {}", made.uid());
    }
    Ok(())
}
