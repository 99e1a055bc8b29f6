//! A Windows server program is installed in a container, with a database; another host pulls the
//! image and asks the database.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::docker::Docker;
use porthole_e2e::server::Server;
use serde_json::Value;

use crate::another_host::AnotherHost;
use crate::committed::id;
use crate::layer_checker;
use crate::made_images::{skopeo, text};
use crate::registries::plain;
use crate::saved::TopLayer;
use crate::{Fixture, Test};

pub(crate) const ALONE: &[(&str, Test)] =
    &[("postgres_is_installed_pushed_and_asked_elsewhere", story)];

/// Makes a database and puts something into it.
const INSTALL: &str = r#"@echo off
set BIN=C:\pgsql\bin
%BIN%\initdb.exe -D C:\db -U postgres -A trust --locale=C -E UTF8 --no-sync >C:\initdb.log 2>&1
if errorlevel 1 type C:\initdb.log & exit /b 1
%BIN%\pg_ctl.exe -D C:\db -w -l C:\server.log -o "-p 15432" start >C:\start.log 2>&1
if errorlevel 1 type C:\server.log & exit /b 2
%BIN%\psql.exe -h 127.0.0.1 -p 15432 -U postgres -A -t -c "create table ships as select i as id, 'ship ' || i as name from generate_series(1,1000) i"
%BIN%\pg_ctl.exe -D C:\db -m fast stop >C:\stop.log 2>&1
"#;

/// Starts the server on it and asks.
const ASK: &str = r#"@echo off
set BIN=C:\pgsql\bin
%BIN%\pg_ctl.exe -D C:\db -w -l C:\server.log -o "-p 15432" start >C:\start.log 2>&1
if errorlevel 1 type C:\server.log & exit /b 2
%BIN%\psql.exe -h 127.0.0.1 -p 15432 -U postgres -A -t -c "select count(*), sum(id), min(name) from ships"
%BIN%\pg_ctl.exe -D C:\db -m fast stop >C:\stop.log 2>&1
"#;

fn story(fixture: &Fixture) -> Result<()> {
    let (registry, _directory) = plain()?;
    let image = registry.image("e2e/postgres:1");
    let server = Server::start(&fixture.programs, fixture.place.clone())?;
    let made = at_home(fixture, &image);
    server.stop()?;
    let expected = made?;
    let host = AnotherHost::start(fixture)?;
    let docker = &host.fixture.docker;
    let answered = (|| {
        docker.ok(["pull", &image])?;
        ensure!(id(docker, &image)? == expected, "another image came");
        docker.ok(["run", "--rm", &image])
    })();
    host.stop()?;
    let answer = answered?;
    ensure!(answer.trim() == "1000|500500|ship 1", "{answer}");
    Ok(())
}

/// Installs it and pushes the image; gives its ID.
fn at_home(fixture: &Fixture, image: &str) -> Result<String> {
    let docker = &fixture.docker;
    let name = "e2e-postgres-story";
    docker.idle(name, &["porthole/servercore"])?;
    let installed = install(fixture, name);
    if installed.is_ok() {
        docker.ok(["stop", "-t", "0", name])?;
        docker.ok([
            "commit",
            "-c",
            r#"CMD ["cmd", "/c", "C:\\ask.cmd"]"#,
            name,
            image,
        ])?;
    }
    docker.ok(["rm", "-f", name])?;
    installed?;
    docker.ok(["push", image])?;
    let checked = check_layer(docker, image);
    let id = id(docker, image)?;
    docker.ok(["rmi", image])?;
    checked.map(|()| id)
}

fn install(fixture: &Fixture, name: &str) -> Result<()> {
    let docker = &fixture.docker;
    let directory = tempfile::tempdir()?;
    let programs = fixture.workloads.join("postgres/pgserver/pginstall");
    docker.ok(["cp", text(&programs)?, &format!("{name}:C:/pgsql")])?;
    for (file, content) in [("install.cmd", INSTALL), ("ask.cmd", ASK)] {
        let path = directory.path().join(file);
        fs::write(&path, content.replace('\n', "\r\n"))?;
        docker.ok(["cp", text(&path)?, &format!("{name}:C:/{file}")])?;
    }
    let ran = docker.run(["exec", name, "cmd", "/c", r"C:\install.cmd"])?;
    ensure!(
        ran.code == 0 && ran.stdout.contains("SELECT 1000"),
        "{ran:?}"
    );
    Ok(())
}

/// The pushed layer holds what was installed and nothing of the base.
fn check_layer(docker: &Docker, image: &str) -> Result<()> {
    let manifest = skopeo(&[
        "inspect",
        "--raw",
        "--tls-verify=false",
        &format!("docker://{image}"),
    ])?;
    let manifest: Value = serde_json::from_str(&manifest)?;
    let layers = manifest["layers"].as_array().context("no layers")?;
    ensure!(layers.len() == 2, "{manifest}");
    let sizes = layers.iter().map(|layer| layer["size"].as_u64());
    let sizes: Vec<u64> = sizes.collect::<Option<_>>().context("no sizes")?;
    println!(
        "the base's layer has {} bytes, that of PostgreSQL {}",
        sizes[0], sizes[1]
    );
    let layer = TopLayer::of(docker, image)?;
    ensure!(
        layer.blob.len() as u64 == sizes[1],
        "saved and pushed layers differ"
    );
    layer_checker::passes(&layer)?;
    let own = ["Files/pgsql", "Files/db", "Files/Users", "Hives"];
    let scripts = ["Files/install.cmd", "Files/ask.cmd"];
    let parents = ["Files", "Files/Windows"];
    let entries = layer.entries()?;
    let foreign: Vec<_> = entries
        .keys()
        .filter(|name| {
            !own.iter().any(|own| name.starts_with(own))
                && !name.ends_with(".log")
                && !scripts.contains(&name.as_str())
                && !parents.contains(&name.as_str())
        })
        .collect();
    ensure!(foreign.is_empty(), "of the base: {foreign:?}");
    Ok(())
}
