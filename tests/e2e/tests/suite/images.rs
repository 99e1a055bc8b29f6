//! Images: list, inspect, history; what a base says of itself.

use anyhow::{Result, ensure};

use crate::{Fixture, Test, registries};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("images_list_both_bases", list),
    ("images_inspect_names_windows_and_the_wine_build", inspect),
    ("images_history_has_a_line", history),
    ("images_in_use_are_not_removed", in_use),
    ("images_named_porthole_are_local", local),
    ("images_of_linux_are_refused_in_mobys_words", of_linux),
    ("images_get_further_names", tag),
    ("info_tells_of_windows_without_warnings", info),
];

fn list(fixture: &Fixture) -> Result<()> {
    let text = fixture
        .docker
        .ok(["images", "--format", "{{.Repository}}:{{.Tag}}"])?;
    for base in ["porthole/nanoserver:latest", "porthole/servercore:latest"] {
        ensure!(
            text.lines().any(|line| line == base),
            "no {base} in {text:?}"
        );
    }
    Ok(())
}

fn inspect(fixture: &Fixture) -> Result<()> {
    let image = fixture.docker.inspect("porthole/nanoserver")?;
    ensure!(
        image["Os"] == "windows" && image["Architecture"] == "amd64",
        "{image}"
    );
    ensure!(
        image["OsVersion"]
            .as_str()
            .is_some_and(|version| version.starts_with("10.0.20348")),
        "{image}"
    );
    let label = &image["Config"]["Labels"]["io.porthole.wine-build"];
    ensure!(
        label.as_str().is_some_and(|label| label.starts_with("10.")),
        "the label is {label}"
    );
    Ok(())
}

fn history(fixture: &Fixture) -> Result<()> {
    let text = fixture
        .docker
        .ok(["history", "--no-trunc", "porthole/servercore"])?;
    ensure!(
        text.lines().count() == 2 && text.to_lowercase().contains("wine"),
        "{text}"
    );
    Ok(())
}

fn in_use(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-images-in-use";
    docker.ok(["create", "--name", name, "porthole/nanoserver"])?;
    let outcome = docker.run(["rmi", "porthole/nanoserver"])?;
    docker.ok(["rm", name])?;
    ensure!(
        outcome.code == 1 && outcome.stderr.contains("conflict"),
        "{outcome:?}"
    );
    Ok(())
}

fn local(fixture: &Fixture) -> Result<()> {
    let there = fixture.docker.run(["pull", "porthole/nanoserver"])?;
    ensure!(
        there.code == 0 && there.stdout.contains("up to date"),
        "{there:?}"
    );
    let missing = fixture.docker.run(["pull", "porthole/other"])?;
    ensure!(
        missing.code == 1 && missing.stderr.contains("porthole base build"),
        "{missing:?}"
    );
    Ok(())
}

fn tag(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    docker.ok(["tag", "porthole/nanoserver", "r.example:5000/e2e/app:1"])?;
    let ran = docker.run([
        "run",
        "--rm",
        "r.example:5000/e2e/app:1",
        "cmd",
        "/c",
        "ver",
    ])?;
    let removed = docker.ok(["rmi", "r.example:5000/e2e/app:1"])?;
    ensure!(ran.code == 0, "{ran:?}");
    ensure!(removed == "Untagged: r.example:5000/e2e/app:1", "{removed}");
    let refused = docker.run(["tag", "porthole/nanoserver", "porthole/mine"])?;
    ensure!(
        refused.code == 1 && refused.stderr.contains("names that begin with porthole/"),
        "{refused:?}"
    );
    Ok(())
}

fn info(fixture: &Fixture) -> Result<()> {
    let outcome = fixture.docker.run([
        "info",
        "--format",
        "{{.OSType}} {{.Isolation}} {{len .Warnings}}",
    ])?;
    ensure!(outcome.stdout.trim() == "windows process 0", "{outcome:?}");
    let whole = fixture.docker.run(["info"])?;
    ensure!(!whole.stderr.contains("WARNING"), "{}", whole.stderr);
    Ok(())
}

fn of_linux(fixture: &Fixture) -> Result<()> {
    let (registry, _directory) = registries::plain()?;
    let (single, many) = (registry.image("linux:single"), registry.image("linux:many"));
    let manifest = registries::put_linux(&registry, "linux", "single", "amd64")?;
    registries::put_index(&registry, "linux", "many", &[manifest])?;
    for (options, words) in [
        (&[many.as_str()][..], "no matching manifest for windows"),
        (&[&single], "linux"),
        (
            &["--platform", "linux/amd64", "porthole/nanoserver"],
            "no matching manifest for linux/amd64",
        ),
    ] {
        let outcome = fixture.docker.run(["run", "--rm"].iter().chain(options))?;
        ensure!(outcome.code == 125, "{outcome:?}");
        for part in [words, "Porthole runs Windows images"] {
            ensure!(outcome.stderr.contains(part), "{outcome:?}");
        }
    }
    Ok(())
}
