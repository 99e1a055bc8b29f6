//! An image on its way through a registry with TLS and a password, through other tools and archives,
//! and to a host that has nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::registry::{ACCOUNT, Registry};

use super::site::{Site, empty_place};
use crate::Fixture;

pub(super) fn trips(fixture: &Fixture) -> Result<()> {
    let registry = Registry::secured()?;
    let directory = tempfile::tempdir()?;
    let site = Site::start(fixture, fixture.place.clone(), directory.path(), &registry)?;
    let outcome = around(&site, &registry, directory.path());
    site.server.stop()?;
    outcome?;
    let place = empty_place(fixture, directory.path())?;
    let other = directory.path().join("other");
    fs::create_dir_all(&other)?;
    let site = Site::start(fixture, place.clone(), &other, &registry)?;
    let outcome = elsewhere(&site, &registry);
    site.server.stop()?;
    fs::remove_dir_all(&place.data_root)?;
    outcome
}

fn around(site: &Site, registry: &Registry, directory: &Path) -> Result<()> {
    let name = format!("{}/team/app:1", registry.name());
    let make = r"echo moved> C:\Users\Public\moved.txt";
    let administrator = [
        "run",
        "--name",
        "e2e-trips",
        "--user",
        "ContainerAdministrator",
    ];
    let program = ["porthole/nanoserver", "cmd", "/c", make];
    site.ok(&[&administrator[..], &program].concat())?;
    site.ok(&[
        "commit",
        "--change",
        r#"CMD ["cmd", "/c", "type", "C:\\Users\\Public\\moved.txt"]"#,
        "e2e-trips",
        "e2e/trips:1",
    ])?;
    site.ok(&["rm", "e2e-trips"])?;
    let id = site.id("e2e/trips:1")?;
    site.ok(&["tag", "e2e/trips:1", &name])?;

    let refused = site.run(&["push", &name])?;
    ensure!(refused.code == 1, "a push without a login: {refused:?}");
    let (account, _) = ACCOUNT;
    let refused = site.run(&["login", "-u", account, "-p", "wrong", &registry.name()])?;
    ensure!(
        refused.code == 1 && refused.stderr.contains("401 Unauthorized"),
        "{refused:?}"
    );
    site.login(registry)?;
    let pushed = site.ok(&["push", &name])?;
    let digest = pushed
        .split_whitespace()
        .find(|word| word.starts_with("sha256:"));
    let digest = digest
        .context("no digest in the push's last line")?
        .to_owned();
    let again = site.ok(&["push", &name])?;
    ensure!(
        again.contains("Layer already exists") && again.contains(&digest),
        "{again}"
    );
    site.ok(&["tag", &name, &format!("{}/team/other:1", registry.name())])?;
    let mounted = site.ok(&["push", &format!("{}/team/other:1", registry.name())])?;
    ensure!(mounted.contains("Mounted from team/app"), "{mounted}");

    site.ok(&[
        "rmi",
        &name,
        "e2e/trips:1",
        &format!("{}/team/other:1", registry.name()),
    ])?;
    ensure!(
        site.run(&["inspect", &id])?.code == 1,
        "the image is still there"
    );
    let pulled = site.ok(&["pull", &name])?;
    ensure!(
        pulled.contains(&digest) && pulled.contains("Downloaded newer image"),
        "{pulled}"
    );
    ensure!(site.id(&name)? == id, "another ID after push and pull");
    let said = site.ok(&["run", "--rm", &name])?;
    ensure!(said.trim() == "moved", "{said}");

    through_skopeo(site, registry, directory, &id, &digest)?;
    through_an_archive(site, directory, &name, &id)
}

fn skopeo(registry: &Registry, arguments: &[&str], credentials: &[&str]) -> Result<Output> {
    let (name, password) = ACCOUNT;
    let account = format!("{name}:{password}");
    let directory = registry.authority().with_file_name("skopeo");
    fs::create_dir_all(&directory)?;
    fs::copy(registry.authority(), directory.join("ca.crt"))?;
    let directory = directory.display().to_string();
    let mut command = Command::new("skopeo");
    command.args(["--override-os", "windows"]).args(arguments);
    for side in credentials {
        command.args([&format!("--{side}creds"), &account]);
        command.args([&format!("--{side}cert-dir"), &directory]);
    }
    let output = command.output()?;
    ensure!(output.status.success(), "skopeo {arguments:?}: {output:?}");
    Ok(output)
}

/// A checker that shares no code with the packer finds nothing wrong with what was pushed.
fn check_layers(registry: &Registry, inspected: &serde_json::Value) -> Result<()> {
    let layers = inspected["Layers"].as_array().context("no layers")?;
    let layers: Vec<_> = layers.iter().filter_map(|layer| layer.as_str()).collect();
    let [base, layer] = layers[..] else {
        anyhow::bail!("{layers:?}")
    };
    let checker = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("layer_check.py");
    let checked = Command::new("python3")
        .arg(checker)
        .arg("--parent")
        .arg(registry.blob(base))
        .arg(registry.blob(layer))
        .output()?;
    ensure!(checked.status.success(), "{checked:?}");
    Ok(())
}

fn through_skopeo(
    site: &Site,
    registry: &Registry,
    directory: &Path,
    id: &str,
    digest: &str,
) -> Result<()> {
    let source = format!("docker://{}/team/app:1", registry.name());
    let inspected = skopeo(registry, &["inspect", &source], &[""])?;
    let seen: serde_json::Value = serde_json::from_slice(&inspected.stdout)?;
    ensure!(
        seen["Digest"] == digest && seen["Os"] == "windows",
        "{seen}"
    );
    check_layers(registry, &seen)?;
    let layout = format!("oci:{}:app", directory.join("layout").display());
    skopeo(registry, &["copy", &source, &layout], &["src-"])?;
    let target = format!("docker://{}/team/skopeo:1", registry.name());
    skopeo(registry, &["copy", &layout, &target], &["dest-"])?;
    let name = format!("{}/team/skopeo:1", registry.name());
    site.ok(&["pull", &name])?;
    ensure!(site.id(&name)? == id, "another ID after skopeo's copies");
    site.ok(&["rmi", &name])?;
    let archive = directory.join("skopeo.tar");
    let to = format!("docker-archive:{}:e2e/skopeo:2", archive.display());
    skopeo(registry, &["copy", &source, &to], &["src-"])?;
    site.ok(&["load", "-i", &archive.display().to_string()])?;
    ensure!(
        site.id("e2e/skopeo:2")? == id,
        "another ID after skopeo's archive"
    );
    site.ok(&["rmi", "e2e/skopeo:2"])?;
    Ok(())
}

fn through_an_archive(site: &Site, directory: &Path, name: &str, id: &str) -> Result<()> {
    let archive = directory.join("saved.tar").display().to_string();
    site.ok(&["save", "-o", &archive, name])?;
    let by_skopeo = Command::new("skopeo")
        .args(["--override-os", "windows", "inspect"])
        .arg(format!("docker-archive:{archive}"))
        .output()?;
    ensure!(by_skopeo.status.success(), "{by_skopeo:?}");
    site.ok(&["rmi", name])?;
    let loaded = site.ok(&["load", "-i", &archive])?;
    ensure!(
        loaded.contains(&format!("Loaded image: {name}")),
        "{loaded}"
    );
    ensure!(site.id(name)? == id, "another ID after save and load");
    site.ok(&["rmi", name])?;
    Ok(())
}

/// On a host that has neither the image nor its base.
fn elsewhere(site: &Site, registry: &Registry) -> Result<()> {
    let name = format!("{}/team/app:1", registry.name());
    let refused = site.run(&["pull", &name])?;
    ensure!(refused.code == 1, "a pull without a login: {refused:?}");
    site.login(registry)?;
    let said = site.ok(&["run", "--rm", &name])?;
    ensure!(said.trim() == "moved", "{said}");
    Ok(())
}
