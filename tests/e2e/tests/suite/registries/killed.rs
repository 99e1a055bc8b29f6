//! A daemon that is killed in the middle of what it does with images.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::registry::Registry;

use super::site::{Site, check_store};
use crate::Fixture;

/// How often the daemon is killed.
const KILLS: usize = 50;

/// In the middle of pulls, commits, loads and removals.
pub(super) fn killed(fixture: &Fixture) -> Result<()> {
    let registry = Registry::open()?;
    let directory = tempfile::tempdir()?;
    let mut site = Site::start(fixture, fixture.place.clone(), directory.path(), &registry)?;
    let name = format!("{}/killed:1", registry.name());
    let archive = directory.path().join("killed.tar").display().to_string();
    let file = directory.path().join("bytes");
    let bytes: Vec<u8> = (0..24 << 20).map(|_| rand::random()).collect();
    fs::write(&file, bytes)?;
    site.ok(&[
        "create",
        "--name",
        "e2e-killed",
        "porthole/nanoserver",
        "cmd",
    ])?;
    site.ok(&["cp", &file.display().to_string(), "e2e-killed:C:/bytes"])?;
    site.ok(&["commit", "e2e-killed", &name])?;
    site.ok(&["push", &name])?;
    site.ok(&["save", "-o", &archive, &name])?;
    let operations: [&[&str]; 5] = [
        &["rmi", &name],
        &["pull", &name],
        &["commit", "e2e-killed", "e2e/killed:commit"],
        &["rmi", "-f", &name],
        &["load", "-i", &archive],
    ];
    let outcome = (0..KILLS).try_for_each(|round| {
        let operation = operations[round % operations.len()];
        let mut client = site
            .command(operation)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        std::thread::sleep(Duration::from_millis(rand::random_range(0..250)));
        site.server.kill_and_restart()?;
        client.wait()?;
        check_store(fixture, &[]).with_context(|| format!("round {round}, {operation:?}"))?;
        let again = site.run(operation)?;
        let was_done = operation[0] == "rmi" && again.stderr.contains("No such image");
        ensure!(
            again.code == 0 || was_done,
            "round {round}, {operation:?}: {again:?}"
        );
        Ok(())
    });
    let cleaned = site.ok(&["rm", "e2e-killed"]);
    let _ = site.run(&["rmi", "-f", &name, "e2e/killed:commit"]);
    site.server.stop()?;
    outcome?;
    cleaned?;
    check_store(fixture, &["--content"])
}
