//! The docker context `porthole`: `docker --context porthole …` talks to the daemon. The current
//! context stays what it is.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::accounts::{User, callers, user};
use super::manifest::Manifest;
use super::report::Report;

const NAME: &str = "porthole";

/// Makes it for those who set up.
pub(super) fn make(host: &str, manifest: &mut Manifest, report: &mut Report) -> Result<()> {
    if !has_docker() {
        report.skipped(
            format!("docker context {NAME}"),
            "there is no docker client; run setup again when there is one",
        );
        return Ok(());
    }
    for user in callers()? {
        make_for(&user, host, manifest, report)?;
    }
    Ok(())
}

fn has_docker() -> bool {
    let mut docker = Command::new("docker");
    let shown = docker.arg("--version").stdout(Stdio::null()).status();
    shown.is_ok_and(|status| status.success())
}

fn make_for(user: &User, host: &str, manifest: &mut Manifest, report: &mut Report) -> Result<()> {
    let what = format!("docker context {NAME} of {}", user.name);
    match endpoint(user)? {
        Some(there) if there == host => {
            report.unchanged(what);
            return Ok(());
        }
        Some(there) => {
            report.kept(what, format!("it leads to {there}"));
            return Ok(());
        }
        None => {}
    }
    let endpoint = format!("host={host}");
    let description = "Windows containers (Porthole)";
    let create = [
        "create",
        NAME,
        "--description",
        description,
        "--docker",
        &endpoint,
    ];
    if report.change(what, || docker_context(user, &create).map(drop))? {
        manifest.contexts.insert(user.name.clone());
        manifest.save()?;
    }
    Ok(())
}

/// Where a user's context leads, if there is one.
fn endpoint(user: &User) -> Result<Option<String>> {
    let format = "{{.Endpoints.docker.Host}}";
    let output = command(user, &["inspect", NAME, "--format", format])
        .output()
        .context("cannot run docker")?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then_some(text))
}

/// Removes those that setup made.
pub(super) fn remove(manifest: &mut Manifest, report: &mut Report) -> Result<()> {
    for name in manifest.contexts.clone() {
        let what = format!("remove docker context {NAME} of {name}");
        let Some(user) = user(&name)? else {
            manifest.contexts.remove(&name);
            continue;
        };
        if !has_docker() || endpoint(&user)?.is_none() {
            manifest.contexts.remove(&name);
            continue;
        }
        // docker keeps the context that is in use.
        if report.attempt(what, || docker_context(&user, &["rm", NAME])) {
            manifest.contexts.remove(&name);
            manifest.save()?;
        }
    }
    Ok(())
}

fn docker_context(user: &User, arguments: &[&str]) -> Result<()> {
    let output = command(user, arguments)
        .output()
        .context("cannot run docker")?;
    ensure!(
        output.status.success(),
        "docker says: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// `docker context …` as this user, whose files its context is.
fn command(user: &User, arguments: &[&str]) -> Command {
    let mut command = if user.name == "root" {
        Command::new("docker")
    } else {
        let mut command = Command::new("runuser");
        command.args(["--user", &user.name, "--", "docker"]);
        command
    };
    command
        .arg("context")
        .args(arguments)
        .env("HOME", &user.home)
        .env_remove("DOCKER_CONFIG")
        .env_remove("DOCKER_CONTEXT")
        .env_remove("DOCKER_HOST");
    command
}
