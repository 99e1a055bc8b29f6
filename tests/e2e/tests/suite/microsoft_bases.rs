//! Images that were built on a base of Microsoft's: Porthole's own takes its place, unfetched, and
//! programs see the version that the image names.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::docker::Docker;
use porthole_e2e::registry::Registry;
use serde_json::json;

use crate::committed::{Committed, id};
use crate::made_images::{MadeImage, MadeLayer, digest, text};
use crate::registries::{hello, plain, said};
use crate::saved::{Saved, TopLayer};
use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("microsoft_skeleton_of_nanoserver_loads_and_runs", skeleton),
    (
        "microsoft_bases_are_not_fetched_whatever_their_layers_are",
        not_fetched,
    ),
    (
        "microsoft_bases_without_a_matching_history_are_known_by_their_layers",
        by_layers,
    ),
    (
        "microsoft_bases_are_pushed_as_far_as_the_registry_allows",
        pushed,
    ),
    ("microsoft_bases_survive_save_and_load", saved),
];

fn skeleton(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/nanoserver-skeleton.tar.gz");
    let loaded = docker.ok(["load", "-i", text(&file)?])?;
    let expected = "67f0a0c2d8efc23f33d6978e9a2f039e2cbddae683a0b7918b74ace10467935b";
    ensure!(
        loaded.contains(&format!("Loaded image ID: sha256:{expected}")),
        "{loaded}"
    );
    let format = "{{.Os}} {{.OsVersion}} {{.Config.User}}";
    let told = docker.ok(["image", "inspect", "-f", format, expected])?;
    let ran = docker.run(["run", "--rm", expected, "cmd", "/c", "ver & whoami"]);
    docker.ok(["rmi", expected])?;
    ensure!(told == "windows 10.0.19042.985 ContainerUser", "{told}");
    let ran = ran?;
    said(&ran, 0, "10.0.19042")?;
    said(&ran, 0, "containeruser")
}

/// A layer with files and a delta of the registry, such as upper layers are.
fn upper(fixture: &Fixture) -> Result<MadeLayer> {
    let line = r"echo above>C:\above.txt& reg add HKLM\Software\Above /v is /d there /f";
    let made = Committed::of(fixture, "porthole/nanoserver", "e2e/above:1", line)?;
    let layer = TopLayer::of(&fixture.docker, &made.name)?;
    let has_delta = layer.entries()?.contains_key("Hives/Software_Delta");
    ensure!(has_delta, "no delta");
    MadeLayer::new(&layer.archive)
}

/// Whether a container of the image sees its version and its upper layer.
fn runs(docker: &Docker, image: &str, version: &str, is_core: bool) -> Result<()> {
    let look = r"ver & type C:\above.txt & reg query HKLM\Software\Above & where notepad.exe";
    let ran = docker.run(["run", "--rm", image, "cmd", "/c", look])?;
    for words in [version, "above", "there"] {
        let found = ran.stdout.contains(words);
        ensure!(found, "{image}: no {words}: {ran:?}");
    }
    // Only the complete base has it.
    let notepad = ran.stdout.to_lowercase().contains("notepad.exe");
    ensure!(notepad == is_core, "{image}: {ran:?}");
    Ok(())
}

fn not_fetched(fixture: &Fixture) -> Result<()> {
    let (registry, _directory) = plain()?;
    let docker = &fixture.docker;
    let upper = upper(fixture)?;
    for (kind, version) in [
        ("ordinary", "10.0.17763.2928"),
        ("foreign", "10.0.26100.1742"),
    ] {
        for base in ["nanoserver", "servercore"] {
            let repository = format!("windows/{base}");
            let mut layers = vec![MadeLayer::of_a_base("RTM")?, MadeLayer::of_a_base(version)?];
            if kind == "foreign" {
                layers = layers
                    .into_iter()
                    .map(|layer| layer.foreign(&repository))
                    .collect();
            }
            layers.push(upper.clone());
            let build = version.rsplit_once('.').context("no build")?.0;
            let steps = [
                format!("Apply image {build}.1"),
                format!("Install update {version}"),
                "cmd /S /C #(nop) COPY".to_owned(),
            ];
            let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
            let label = json!({ "org.opencontainers.image.base.name":
                format!("mcr.microsoft.com/{repository}:ltsc") });
            let image = MadeImage::new(version, &steps, layers).with("Labels", label);
            let name = registry.image(&format!("e2e/on-{base}:{kind}"));
            image.put(&registry, &format!("e2e/on-{base}"), kind)?;
            let pulled = docker.ok(["pull", &name])?;
            ensure!(pulled.matches("Not fetched").count() == 2, "{pulled}");
            ensure!(id(docker, &name)? == image.id(), "{name} came as another");
            let ran = runs(docker, &name, build, base == "servercore");
            docker.ok(["rmi", &name])?;
            ran?;
        }
    }
    Ok(())
}

/// No history, and one that does not tell of all layers: leading foreign layers are the base.
fn by_layers(fixture: &Fixture) -> Result<()> {
    let (registry, _directory) = plain()?;
    let docker = &fixture.docker;
    let upper = upper(fixture)?;
    for (tag, steps) in [("none", &[][..]), ("short", &["Apply image 10.0.17763.1"])] {
        let base = MadeLayer::of_a_base(tag)?.foreign("windows/nanoserver");
        let update = MadeLayer::of_a_base("update")?.foreign("windows/nanoserver");
        let image = MadeImage::new("10.0.17763.1", steps, vec![base, update, upper.clone()]);
        image.put(&registry, "e2e/history", tag)?;
        let name = registry.image(&format!("e2e/history:{tag}"));
        docker.ok(["pull", &name])?;
        let ran = runs(docker, &name, "10.0.17763", false);
        docker.ok(["rmi", &name])?;
        ran.with_context(|| tag.to_owned())?;
    }
    // Without foreign layers and history they are layers like others, and must be there.
    let layers = vec![MadeLayer::of_a_base("gone")?, upper];
    let missing = layers[0].digest();
    MadeImage::new("10.0.17763.1", &[], layers).put(&registry, "e2e/history", "gone")?;
    let outcome = docker.run(["pull", &registry.image("e2e/history:gone")])?;
    let short = &missing["sha256:".len()..][..12];
    ensure!(
        outcome.code == 1 && (outcome.stderr.contains(&missing) || outcome.stderr.contains(short)),
        "{missing}: {outcome:?}"
    );
    Ok(())
}

/// Into another repository of the registry that has the base, into one that has not, and foreign
/// layers, which the registry need not have.
fn pushed(fixture: &Fixture) -> Result<()> {
    let (home, _home_directory) = plain()?;
    let (away, _away_directory) = plain()?;
    let docker = &fixture.docker;
    let image = hello("10.0.20348.1", "pushed")?;
    image.put(&home, "windows/hello", "1")?;
    // This registry has the base's blob after all.
    let base = image.layers[0].digest();
    crate::made_images::put_blob(&home, "windows/hello", image.layers[0].bytes())?;
    ensure!(home.blob_file(&base).exists(), "no {base}");
    let first = home.image("windows/hello:1");
    docker.ok(["pull", &first])?;
    let near = home.image("else/where:1");
    docker.ok(["tag", &first, &near])?;
    let mounted = docker.ok(["push", &near])?;
    ensure!(mounted.contains("Mounted from windows/hello"), "{mounted}");
    let far = away.image("far/away:1");
    docker.ok(["tag", &first, &far])?;
    let refused = docker.run(["push", &far])?;
    for words in [base.as_str(), "push-base-layers"] {
        said(&refused, 1, words)?;
    }
    docker.ok(["rmi", &first, &near, &far])?;
    foreign(docker, &home, &away)
}

fn foreign(docker: &Docker, home: &Registry, away: &Registry) -> Result<()> {
    let mut image = hello("10.0.17763.1", "foreign")?;
    image.layers[0] = image.layers[0].clone().foreign("windows/nanoserver");
    image.put(home, "windows/foreign", "1")?;
    let first = home.image("windows/foreign:1");
    let far = away.image("far/foreign:1");
    docker.ok(["pull", &first])?;
    docker.ok(["tag", &first, &far])?;
    let pushed = docker.ok(["push", &far])?;
    ensure!(pushed.contains("Skipped foreign layer"), "{pushed}");
    ensure!(
        pushed.contains(&digest(&image.manifest())),
        "the manifest is another: {pushed}"
    );
    docker.ok(["rmi", &first, &far])?;
    let ran = docker.run(["run", "--rm", &far])?;
    docker.ok(["rmi", &far])?;
    said(&ran, 0, "foreign")
}

/// The archive says where the base is, and needs none of its bytes.
fn saved(fixture: &Fixture) -> Result<()> {
    let (registry, directory) = plain()?;
    let docker = &fixture.docker;
    let mut image = hello("10.0.17763.1", "archived")?;
    image.layers[0] = image.layers[0].clone().foreign("windows/nanoserver");
    image.put(&registry, "windows/saved", "1")?;
    let name = registry.image("windows/saved:1");
    docker.ok(["pull", &name])?;
    let archive = Saved::of(docker, &[&name])?;
    let sources = archive.contents()?[0]["LayerSources"].to_string();
    ensure!(sources.contains("mcr.microsoft.com"), "{sources}");
    let kept = directory.path().join("kept.tar");
    fs::copy(archive.file(), &kept)?;
    docker.ok(["rmi", &name])?;
    docker.ok(["load", "-i", text(&kept)?])?;
    ensure!(id(docker, &name)? == image.id(), "it came back as another");
    let ran = docker.run(["run", "--rm", &name])?;
    docker.ok(["rmi", &name])?;
    said(&ran, 0, "archived")
}
