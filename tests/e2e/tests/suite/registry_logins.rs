//! A registry with TLS and a password: whose certificate is trusted, who gets in, by docker and by
//! the own program.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use porthole_e2e::docker::{Docker, Outcome};
use porthole_e2e::registry::{self, Registry, Setup};
use porthole_e2e::server::Server;

use crate::archive::fed;
use crate::committed::{Committed, id};
use crate::made_images::text;
use crate::registries::{again, said};
use crate::{Fixture, Test};

pub(crate) const ALONE: &[(&str, Test)] = &[("registries_with_tls_and_a_password", secured)];

/// A server of the tests' place with lines of its own in `porthole.toml`.
pub(crate) fn configured(fixture: &Fixture, directory: &Path, lines: &str) -> Result<Server> {
    let file = directory.join("porthole.toml");
    fs::write(&file, lines)?;
    let options = ["--config".into(), file.into()];
    Server::start_with(&fixture.programs, fixture.place.clone(), &options)
}

fn secured(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let inside = directory.path();
    let setup = Setup {
        address: registry::address_of_this_host()?,
        has_tls: true,
        has_password: true,
    };
    let registry = Registry::start(&inside.join("registry"), setup)?;
    let certificates = inside.join("certs.d");
    let lines = format!(
        "[registries]\ncertificates = [{:?}]\n",
        text(&certificates)?
    );
    let server = configured(fixture, inside, &lines)?;
    let docker = fixture.docker.with_config(inside.join("docker"));
    let name = registry.image("e2e/secured:1");
    let checked = Committed::with_text(fixture, &name, "secured").and_then(|made| {
        // Nobody here knows the CA yet.
        let stranger = docker.run(["push", &name])?;
        said(&stranger, 1, "certificate signed by unknown authority")?;
        let trusted = certificates.join(registry.host());
        fs::create_dir_all(&trusted)?;
        fs::copy(registry.authority(), trusted.join("ca.crt"))?;
        let nobody = docker.run(["push", &name])?;
        said(&nobody, 1, "no basic auth credentials")?;
        log_in(&docker, &registry)?;
        docker.ok(["push", &name])?;
        again(&docker, &name, &made.id, "secured")?;
        docker.ok(["logout", &registry.host()])?;
        let nobody = docker.run(["pull", &name])?;
        said(&nobody, 1, "no basic auth credentials")?;
        by_own_cli(fixture, &registry, &inside.join("own"), &name)
    });
    server.stop()?;
    checked
}

fn log_in(docker: &Docker, registry: &Registry) -> Result<()> {
    let host = registry.host();
    let login =
        |password: &str| docker.run(["login", "-u", registry::USER, "-p", password, host.as_str()]);
    let wrong = login("wrong")?;
    said(&wrong, 1, "401 Unauthorized")?;
    let right = login(registry::PASSWORD)?;
    said(&right, 0, "Login Succeeded")
}

/// The own program logs in, pushes and pulls; its logins are where docker's are.
fn by_own_cli(fixture: &Fixture, registry: &Registry, home: &Path, name: &str) -> Result<()> {
    let docker = fixture.docker.with_config(home.to_owned());
    let own = |arguments: &[&str]| -> Result<Outcome> {
        let mut command = Command::new(fixture.programs.join("porthole"));
        command
            .args(["-H", docker.host()])
            .envs(docker.environment())
            .args(arguments);
        let password = registry::PASSWORD.as_bytes();
        Ok(fed(&mut command, password)?.into())
    };
    fs::create_dir_all(home)?;
    let host = registry.host();
    let nobody = own(&["push", name])?;
    said(&nobody, 1, "no basic auth credentials")?;
    let login = ["login", "-u", registry::USER, "--password-stdin", &host];
    said(&own(&login)?, 0, "Login Succeeded")?;
    said(&own(&["push", name])?, 0, "already exists")?;
    let expected = id(&docker, name)?;
    docker.ok(["rmi", name])?;
    let pulled = own(&["pull", name])?;
    ensure!(pulled.code == 0, "{pulled:?}");
    ensure!(id(&docker, name)? == expected, "another image came");
    // And docker knows of the login.
    docker.ok(["push", name])?;
    said(&own(&["logout", &host])?, 0, "")?;
    said(&docker.run(["pull", name])?, 1, "no basic auth credentials")
}
