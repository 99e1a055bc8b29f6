//! Images on their way through a registry with TLS and a password, through other tools, and to a host
//! that has nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::docker::{Docker, Outcome};
use porthole_e2e::registry::{ACCOUNT, Registry, digest};
use porthole_e2e::server::{Place, Server};
use serde_json::json;

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("registries_an_image_keeps_its_id_on_every_trip", trips),
    ("registries_a_database_moves_to_another_host", database),
    ("registries_what_goes_wrong_leaves_nothing", failures),
];

/// A daemon that trusts the registry's authority, and docker with a configuration of its own.
struct Site {
    server: Server,
    docker: Docker,
    home: PathBuf,
}

impl Site {
    fn start(
        fixture: &Fixture,
        place: Place,
        directory: &Path,
        registry: &Registry,
    ) -> Result<Self> {
        let certificates = directory.join("certs.d");
        let own = certificates.join(registry.name());
        fs::create_dir_all(&own)?;
        if registry.authority().exists() {
            fs::copy(registry.authority(), own.join("ca.crt"))?;
        }
        let file = directory.join("porthole.toml");
        let text = format!(
            "[registries]\ncertificates = [\"{}\"]\n",
            certificates.display()
        );
        fs::write(&file, text)?;
        let home = directory.join("docker");
        fs::create_dir_all(&home)?;
        let options = ["--config".into(), file.into_os_string()];
        let docker = place.docker();
        let server = Server::start_with(&fixture.programs, place, &options)?;
        Ok(Self {
            server,
            docker,
            home,
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.docker.command(arguments);
        command.env("DOCKER_CONFIG", &self.home);
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<Outcome> {
        Ok(self.command(arguments).output()?.into())
    }

    fn ok(&self, arguments: &[&str]) -> Result<String> {
        let outcome = self.run(arguments)?;
        ensure!(outcome.code == 0, "docker {arguments:?}: {outcome:?}");
        Ok(outcome.stdout.trim_end().to_owned())
    }

    fn login(&self, registry: &Registry) -> Result<()> {
        let (name, password) = ACCOUNT;
        let done = self.ok(&["login", "-u", name, "-p", password, &registry.name()])?;
        ensure!(done.contains("Login Succeeded"), "{done}");
        Ok(())
    }

    fn id(&self, image: &str) -> Result<String> {
        self.ok(&["inspect", "-f", "{{.Id}}", image])
    }
}

/// Runs on a host that has a kernel package and no image.
fn empty_place(fixture: &Fixture, directory: &Path) -> Result<Place> {
    let place = Place {
        data_root: Path::new("/var/lib/porthole-test-empty").to_owned(),
        exec_root: directory.join("run"),
    };
    let _ = fs::remove_dir_all(&place.data_root);
    fs::create_dir_all(&place.data_root)?;
    let copied = Command::new("cp")
        .arg("-a")
        .arg(fixture.place.data_root.join("kernels"))
        .arg(&place.data_root)
        .status()?;
    ensure!(copied.success(), "cannot copy the kernel package");
    Ok(place)
}

fn trips(fixture: &Fixture) -> Result<()> {
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

fn database(fixture: &Fixture) -> Result<()> {
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

fn failures(fixture: &Fixture) -> Result<()> {
    let registry = Registry::open()?;
    let directory = tempfile::tempdir()?;
    let site = Site::start(fixture, fixture.place.clone(), directory.path(), &registry)?;
    let outcome = fail(&site, &registry);
    site.server.stop()?;
    outcome?;
    let checked = Command::new(fixture.programs.join("porthole"))
        .args(["store", "check", "--content", "--data-root"])
        .arg(&fixture.place.data_root)
        .output()?;
    ensure!(checked.status.success(), "{checked:?}");
    Ok(())
}

fn fail(site: &Site, registry: &Registry) -> Result<()> {
    let name = format!("{}/none:1", registry.name());
    let missing = site.run(&["pull", &name])?;
    ensure!(
        missing.code == 1 && missing.stderr.contains("not found"),
        "{missing:?}"
    );
    let local = site.run(&["push", "porthole/nanoserver"])?;
    ensure!(
        local.code == 1 && local.stderr.contains("give the image another name"),
        "{local:?}"
    );

    put_linux(registry)?;
    for (tag, words) in [
        ("index", "no matching manifest for windows/amd64"),
        ("image", "image operating system \"linux\" cannot be used"),
    ] {
        let refused = site.run(&["run", &format!("{}/linux:{tag}", registry.name())])?;
        ensure!(
            refused.code == 125 && refused.stderr.contains(words),
            "{refused:?}"
        );
        ensure!(
            refused.stderr.contains("Porthole runs Windows images"),
            "{refused:?}"
        );
    }

    lost_layer(site, registry)
}

/// An image of Linux, and an index that has nothing else.
fn put_linux(registry: &Registry) -> Result<()> {
    let config = json!({
        "os": "linux",
        "architecture": "amd64",
        "rootfs": { "type": "layers", "diff_ids": [] },
    });
    let config = config.to_string();
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": registry.put_blob("linux", config.as_bytes())?,
            "size": config.len(),
        },
        "layers": [],
    });
    let manifest = manifest.to_string();
    registry.put_manifest("linux", "image", media_type, &manifest)?;
    let index_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({
        "schemaVersion": 2,
        "mediaType": index_type,
        "manifests": [{
            "mediaType": media_type,
            "digest": digest(manifest.as_bytes())?,
            "size": manifest.len(),
            "platform": { "os": "linux", "architecture": "amd64" },
        }],
    });
    registry.put_manifest("linux", "index", index_type, &index.to_string())
}

/// A layer whose bytes are gone.
fn lost_layer(site: &Site, registry: &Registry) -> Result<()> {
    site.ok(&["create", "--name", "e2e-lost", "porthole/nanoserver", "cmd"])?;
    let name = format!("{}/lost:1", registry.name());
    site.ok(&["commit", "e2e-lost", &name])?;
    site.ok(&["rm", "e2e-lost"])?;
    site.ok(&["push", &name])?;
    site.ok(&["rmi", &name])?;
    let manifest = site.ok(&["manifest", "inspect", "--insecure", &name])?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
    let top = manifest["layers"]
        .as_array()
        .and_then(|layers| layers.last());
    let top = top
        .and_then(|layer| layer["digest"].as_str())
        .context("no layer")?;
    registry.lose(top)?;
    let lost = site.run(&["pull", &name])?;
    ensure!(lost.code == 1, "{lost:?}");
    ensure!(
        site.run(&["inspect", &name])?.code == 1,
        "half an image is there"
    );
    Ok(())
}
