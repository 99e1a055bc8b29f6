//! Porthole's own command line with images: what docker's does, and where it keeps logins.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::registries::plain;
use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("own_cli_moves_images_as_docker_does", moves),
    ("own_cli_keeps_logins_as_docker_does", logins),
];

/// Runs it with a home of its own for what docker keeps of registries; it must succeed.
fn ok(fixture: &Fixture, home: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(fixture.programs.join("porthole"))
        .args(["-H", fixture.docker.host()])
        .args(arguments)
        .env("DOCKER_CONFIG", home)
        .stdin(Stdio::null())
        .output()?;
    ensure!(output.status.success(), "{arguments:?}: {output:?}");
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned())
}

fn moves(fixture: &Fixture) -> Result<()> {
    let (registry, _registry_directory) = plain()?;
    let directory = tempfile::tempdir()?;
    let (home, container) = (directory.path(), "e2e-own-moves");
    let run = |arguments: &[&str]| ok(fixture, home, arguments);
    let line = r"echo own> C:\own.txt";
    let user = [
        "--user",
        "ContainerAdministrator",
        "porthole/nanoserver",
        "cmd",
        "/c",
        line,
    ];
    run(&[&["run", "--name", container][..], &user].concat())?;
    let diff = run(&["diff", container])?;
    ensure!(diff.lines().any(|line| line == r"A C:\own.txt"), "{diff}");
    let name = registry.image("own:1");
    let id = run(&["commit", "-c", "ENV own=1", container, &name])?;
    let export = home.join("export.tar").display().to_string();
    run(&["container", "export", "-o", &export, container])?;
    let imported = run(&["import", &export, "e2e/own:import"])?;
    ensure!(imported.starts_with("sha256:"), "{imported}");
    run(&["rm", container])?;
    run(&["push", &name])?;
    let archive = home.join("save.tar").display().to_string();
    run(&["save", "-o", &archive, &name])?;
    run(&["rmi", &name, "e2e/own:import"])?;
    let loaded = run(&["load", "-i", &archive])?;
    ensure!(loaded == format!("Loaded image: {name}"), "{loaded}");
    run(&["rmi", &name])?;
    run(&["image", "pull", &name])?;
    let found = fixture.docker.ok(["inspect", "-f", "{{.Id}}", &name])?;
    ensure!(found == id, "{found} is not {id}");
    let registry = run(&["diff", "--registry", "--json", &name])?;
    ensure!(
        serde_json::from_str::<serde_json::Value>(&registry)?.is_array(),
        "{registry}"
    );
    run(&["rmi", &name])?;
    Ok(())
}

fn logins(fixture: &Fixture) -> Result<()> {
    let (registry, _registry_directory) = plain()?;
    let directory = tempfile::tempdir()?;
    let home = directory.path();
    // A registry that asks nobody lets everybody in.
    let said = ok(
        fixture,
        home,
        &["login", "-u", "me", "-p", "a:b", &registry.host()],
    )?;
    ensure!(said.contains("Login Succeeded"), "{said}");
    let text = fs::read_to_string(home.join("config.json"))?;
    let kept: serde_json::Value = serde_json::from_str(&text)?;
    // base64 of me:a:b
    ensure!(
        kept["auths"][registry.host()]["auth"] == "bWU6YTpi",
        "{kept}"
    );
    let docker = fixture
        .docker
        .command(["logout", &registry.host()])
        .env("DOCKER_CONFIG", home)
        .output()?;
    ensure!(
        String::from_utf8_lossy(&docker.stdout).contains("Removing login"),
        "{docker:?}"
    );
    let said = ok(fixture, home, &["logout", &registry.host()])?;
    ensure!(said.contains("Not logged in"), "{said}");
    Ok(())
}
