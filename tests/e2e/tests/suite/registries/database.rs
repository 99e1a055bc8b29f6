//! A database that is installed here, committed, pushed, and asked on another host.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use porthole_e2e::registry::Registry;

use super::site::{Site, empty_place};
use crate::Fixture;

/// Makes a database in the container's own files.
const MAKE: &str = r"set BIN=C:\postgres\pgserver\pginstall\bin&
%BIN%\initdb.exe -D C:\db -U postgres -A trust --locale=C -E UTF8 >C:\initdb.log 2>&1 &&
%BIN%\pg_ctl.exe -D C:\db -w -l C:\server.log start >C:\start.log 2>&1 &&
%BIN%\psql.exe -h 127.0.0.1 -U postgres -c $create table kept as select i from generate_series(1,1000) i$ &&
%BIN%\pg_ctl.exe -D C:\db -m fast stop >C:\stop.log 2>&1";

/// Asks it.
const ASK: &str = r"set BIN=C:\postgres\pgserver\pginstall\bin&
%BIN%\pg_ctl.exe -D C:\db -w -l C:\server.log start >C:\start.log 2>&1 &&
%BIN%\psql.exe -h 127.0.0.1 -U postgres -A -t -c $select sum(i) from kept$ &
%BIN%\pg_ctl.exe -D C:\db -m fast stop >C:\stop.log 2>&1";

fn script(line: &str) -> String {
    let line = line.replace('\n', " ").replace('$', "\"");
    line.replace("%BIN%", r"C:\postgres\pgserver\pginstall\bin")
}

pub(super) fn database(fixture: &Fixture) -> Result<()> {
    let registry = Registry::open()?;
    let directory = tempfile::tempdir()?;
    let name = format!("{}/team/database:1", registry.name());
    let site = Site::start(fixture, fixture.place.clone(), directory.path(), &registry)?;
    let outcome = install(fixture, &site, &name, directory.path());
    site.server.stop()?;
    outcome?;
    let place = empty_place(fixture, directory.path())?;
    let other = directory.path().join("other");
    fs::create_dir_all(&other)?;
    let site = Site::start(fixture, place.clone(), &other, &registry)?;
    let file = other.join("ask.cmd");
    fs::write(&file, format!("@echo off\r\n{}\r\n", script(ASK)))?;
    let asked = site
        .ok(&[
            "create",
            "--name",
            "e2e-database",
            &name,
            "cmd",
            "/c",
            r"C:\ask.cmd",
        ])
        .and_then(|_| site.ok(&["cp", &file.display().to_string(), "e2e-database:C:/ask.cmd"]))
        .and_then(|_| site.ok(&["start", "-a", "e2e-database"]));
    site.server.stop()?;
    fs::remove_dir_all(&place.data_root)?;
    let answer = asked?;
    ensure!(answer.contains("500500"), "{answer}");
    Ok(())
}

fn install(fixture: &Fixture, site: &Site, name: &str, directory: &Path) -> Result<()> {
    let container = "e2e-database";
    let file = directory.join("make.cmd");
    fs::write(&file, format!("@echo off\r\n{}\r\n", script(MAKE)))?;
    site.ok(&[
        "create",
        "--name",
        container,
        "porthole/servercore",
        "cmd",
        "/c",
        r"C:\make.cmd",
    ])?;
    let files = fixture.workloads.join("postgres").canonicalize()?;
    site.ok(&[
        "cp",
        &files.display().to_string(),
        &format!("{container}:C:/postgres"),
    ])?;
    site.ok(&[
        "cp",
        &file.display().to_string(),
        &format!("{container}:C:/make.cmd"),
    ])?;
    let made = site.run(&["start", "-a", container])?;
    ensure!(
        made.code == 0 && made.stdout.contains("SELECT 1000"),
        "{made:?}"
    );
    site.ok(&["commit", container, name])?;
    site.ok(&["rm", container])?;
    site.ok(&["push", name])?;
    let layers = site.ok(&["history", "--human=false", "--format", "{{.Size}}", name])?;
    let sizes: Vec<u64> = layers
        .lines()
        .filter_map(|size| size.parse().ok())
        .collect();
    println!(
        "the database's layer has {} bytes, its base {}",
        sizes[0], sizes[1]
    );
    site.ok(&["rmi", name])?;
    Ok(())
}
