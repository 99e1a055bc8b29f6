//! Images to registries and from them, through the docker client and skopeo.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::docker::{Docker, Outcome};
use porthole_e2e::registry::{self, Registry, Setup};
use porthole_e2e::server::Server;
use serde_json::{Value, json};

use crate::archive::fed;
use crate::committed::{Committed, id, text_in};
use crate::made_images::{
    INDEX, LayerArchive, MANIFEST, MadeImage, MadeLayer, digest, put_blob, put_manifest, skopeo,
    text,
};
use crate::saved::Saved;
use crate::stalling::Stalling;
use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("registries_keep_an_image_as_it_is", trips),
    (
        "registries_and_archives_of_skopeo_keep_it_too",
        through_skopeo,
    ),
    ("registries_are_sent_nothing_twice", sent_once),
    ("registries_say_what_they_do_not_have", missing),
    (
        "registries_with_images_of_many_systems_give_that_for_windows",
        index,
    ),
];

pub(crate) const ALONE: &[(&str, Test)] = &[
    ("registries_with_tls_and_a_password", secured),
    ("registries_that_are_left_leave_nothing", left),
];

/// A registry for a test, in a directory that goes with it.
pub(crate) fn plain() -> Result<(Registry, tempfile::TempDir)> {
    let directory = tempfile::tempdir()?;
    let registry = Registry::start(&directory.path().join("registry"), Setup::default())?;
    Ok((registry, directory))
}

/// Whether a client said this.
pub(crate) fn said(outcome: &Outcome, code: i32, words: &str) -> Result<()> {
    ensure!(
        outcome.code == code && (outcome.stderr.contains(words) || outcome.stdout.contains(words)),
        "{words}: {outcome:?}"
    );
    Ok(())
}

/// Removes an image and gets it again: it must be the same, and run.
fn again(docker: &Docker, name: &str, expected: &str, text: &str) -> Result<()> {
    docker.ok(["rmi", name])?;
    let gone = docker.run(["image", "inspect", name])?;
    said(&gone, 1, "No such image")?;
    let pulled = docker.ok(["pull", name])?;
    ensure!(
        pulled.contains("Status: Downloaded newer image for"),
        "{pulled}"
    );
    ensure!(id(docker, name)? == expected, "another image came back");
    ensure!(text_in(docker, name)? == text, "{}", text_in(docker, name)?);
    Ok(())
}

fn trips(fixture: &Fixture) -> Result<()> {
    let (registry, _directory) = plain()?;
    let docker = &fixture.docker;
    let name = registry.image("e2e/trips:1");
    let made = Committed::with_text(fixture, &name, "travelled")?;
    let pushed = docker.ok(["push", &name])?;
    for words in [
        "The push refers to repository",
        "Pushed",
        "1: digest: sha256:",
    ] {
        ensure!(pushed.contains(words), "{words}: {pushed}");
    }
    again(docker, &name, &made.id, "travelled")?;
    let there = docker.ok(["pull", &name])?;
    ensure!(there.contains("Status: Image is up to date for"), "{there}");
    let by_digest = docker.ok(["image", "inspect", "-f", "{{index .RepoDigests 0}}", &name])?;
    let (repository, digest) = by_digest.split_once('@').context("no digest")?;
    ensure!(pushed.contains(digest), "{digest}: {pushed}");
    ensure!(repository == registry.image("e2e/trips"), "{repository}");
    docker.ok(["rmi", &name])?;
    docker.ok(["pull", &by_digest])?;
    ensure!(
        id(docker, &by_digest)? == made.id,
        "by its digest it is another"
    );
    docker.ok(["tag", &by_digest, &name])?;
    ensure!(text_in(docker, &name)? == "travelled");
    Ok(())
}

/// What skopeo says of the image, and every way through its archives and layouts.
fn through_skopeo(fixture: &Fixture) -> Result<()> {
    let (registry, directory) = plain()?;
    let docker = &fixture.docker;
    let [first, second, third] =
        ["a", "b", "c"].map(|name| registry.image(&format!("e2e/{name}:1")));
    let made = Committed::with_text(fixture, &first, "copied")?;
    docker.ok(["push", &first])?;
    let address = |name: &str| format!("docker://{name}");
    let told = skopeo(&["inspect", "--tls-verify=false", &address(&first)])?;
    let told: Value = serde_json::from_str(&told)?;
    let layers = told["Layers"].as_array().map_or(0, Vec::len);
    ensure!(
        told["Os"] == "windows" && told["Architecture"] == "amd64" && layers == 2,
        "{told}"
    );
    let inside = directory.path();
    let archive = format!(
        "docker-archive:{}:local/copied:1",
        text(&inside.join("archive.tar"))?
    );
    skopeo(&["copy", "--src-tls-verify=false", &address(&first), &archive])?;
    let layout = format!("oci:{}:1", text(&inside.join("layout"))?);
    skopeo(&["copy", "--src-tls-verify=false", &address(&first), &layout])?;
    skopeo(&[
        "copy",
        "--dest-tls-verify=false",
        &layout,
        &address(&second),
    ])?;
    let saved = Saved::of(docker, &[&first])?;
    let of_docker = format!("docker-archive:{}", text(&saved.file())?);
    skopeo(&[
        "copy",
        "--dest-tls-verify=false",
        &of_docker,
        &address(&third),
    ])?;
    let expected = made.id.clone();
    drop(made);
    for name in [&second, &third] {
        docker.ok(["pull", name])?;
        ensure!(id(docker, name)? == expected, "{name} is another");
        ensure!(text_in(docker, name)? == "copied", "{name}");
    }
    docker.ok(["rmi", &second, &third])?;
    let loaded = docker.ok(["load", "-i", text(&inside.join("archive.tar"))?])?;
    ensure!(loaded.contains("Loaded image: local/copied:1"), "{loaded}");
    ensure!(
        id(docker, "local/copied:1")? == expected,
        "skopeo's archive differs"
    );
    ensure!(text_in(docker, "local/copied:1")? == "copied");
    docker.ok(["rmi", "local/copied:1"])?;
    load_layout(docker, &inside.join("layout"), &expected)
}

/// An OCI layout, packed as `docker load` wants it.
fn load_layout(docker: &Docker, layout: &Path, expected: &str) -> Result<()> {
    let packed = layout.with_extension("tar");
    let mut archive = tar::Builder::new(fs::File::create(&packed)?);
    archive.append_dir_all(".", layout)?;
    archive.finish()?;
    let loaded = docker.ok(["load", "-i", text(&packed)?])?;
    let found = loaded.contains(&format!("Loaded image ID: {expected}"));
    ensure!(found, "{loaded}");
    docker.ok(["rmi", expected])?;
    Ok(())
}

fn sent_once(fixture: &Fixture) -> Result<()> {
    let (registry, _directory) = plain()?;
    let docker = &fixture.docker;
    let [first, second] = ["e2e/once:1", "e2e/else/where:2"].map(|name| registry.image(name));
    let made = Committed::with_text(fixture, &first, "once")?;
    docker.ok(["push", &first])?;
    let again = docker.ok(["push", &first])?;
    let kept = again.matches("Layer already exists").count();
    ensure!(kept == 2 && !again.contains("Pushed"), "{again}");
    docker.ok(["tag", &first, &second])?;
    let mounted = docker.ok(["push", &second])?;
    let taken = mounted.matches("Mounted from e2e/once").count();
    ensure!(taken == 2 && !mounted.contains("Pushed"), "{mounted}");
    docker.ok(["rmi", &first, &second])?;
    docker.ok(["pull", &second])?;
    ensure!(id(docker, &second)? == made.id, "it came back as another");
    Ok(())
}

fn missing(fixture: &Fixture) -> Result<()> {
    let (registry, _directory) = plain()?;
    let docker = &fixture.docker;
    let name = registry.image("e2e/there:1");
    let _made = Committed::with_text(fixture, &name, "there")?;
    docker.ok(["push", &name])?;
    let unknown_tag = docker.run(["pull", &registry.image("e2e/there:2")])?;
    let words = format!("manifest for {} not found", registry.image("e2e/there:2"));
    said(&unknown_tag, 1, &words)?;
    let unknown = docker.run(["pull", &registry.image("e2e/nowhere")])?;
    said(&unknown, 1, "not found")?;
    let not_here = docker.run(["push", &registry.image("e2e/nowhere:1")])?;
    said(&not_here, 1, "tag does not exist")?;
    let host = registry.host();
    drop(registry);
    let gone = docker.run(["pull", &format!("{host}/e2e/there:1")])?;
    said(&gone, 1, "connection refused")
}

/// An image on Microsoft's nanoserver that prints a line.
pub(crate) fn hello(version: &str, line: &str) -> Result<MadeImage> {
    let upper = LayerArchive::new().file("Files/hello.txt", line.as_bytes());
    let layers = vec![
        MadeLayer::of_a_base(version)?,
        MadeLayer::new(&upper.finish())?,
    ];
    let applied = format!("Apply image {version}");
    let image = MadeImage::new(version, &[&applied, "cmd /S /C COPY hello.txt"], layers);
    Ok(image
        .with("User", json!("ContainerUser"))
        .with("Cmd", json!(["cmd", "/c", r"type C:\hello.txt"])))
}

/// Puts an image of Linux into a registry; gives its entry in an index.
pub(crate) fn put_linux(
    registry: &Registry,
    repository: &str,
    tag: &str,
    architecture: &str,
) -> Result<Value> {
    let platform = json!({ "os": "linux", "architecture": architecture });
    let mut config = platform.clone();
    config["rootfs"] = json!({ "type": "layers", "diff_ids": [] });
    let config = config.to_string();
    put_blob(registry, repository, config.as_bytes())?;
    let kind = "application/vnd.docker.container.image.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "config": { "mediaType": kind, "size": config.len(), "digest": digest(config.as_bytes()) },
    });
    let manifest = manifest.to_string();
    put_manifest(registry, repository, tag, MANIFEST, manifest.as_bytes())?;
    Ok(entry(manifest.as_bytes(), &platform))
}

/// An entry of an index.
fn entry(manifest: &[u8], platform: &Value) -> Value {
    json!({
        "mediaType": MANIFEST, "size": manifest.len(), "digest": digest(manifest),
        "platform": platform,
    })
}

/// Puts an index of these entries.
pub(crate) fn put_index(
    registry: &Registry,
    repository: &str,
    tag: &str,
    entries: &[Value],
) -> Result<()> {
    let list = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    put_manifest(
        registry,
        repository,
        tag,
        INDEX,
        list.to_string().as_bytes(),
    )
}

/// Two builds of Windows among images of Linux, in the order of hello-world's.
fn index(fixture: &Fixture) -> Result<()> {
    let (registry, _directory) = plain()?;
    let docker = &fixture.docker;
    let mut entries = Vec::new();
    for architecture in ["amd64", "arm64"] {
        entries.push(put_linux(&registry, "hello", architecture, architecture)?);
    }
    for version in ["10.0.20348.2031", "10.0.17763.4974"] {
        let image = hello(version, &format!("Hello from {version}"))?;
        image.put(&registry, "hello", version)?;
        let platform = json!({ "os": "windows", "architecture": "amd64", "os.version": version });
        entries.push(entry(&image.manifest(), &platform));
    }
    put_index(&registry, "hello", "latest", &entries)?;
    let name = registry.image("hello");
    let outcome = docker.run(["run", "--rm", &name])?;
    said(&outcome, 0, "Hello from 10.0.20348.2031")?;
    docker.ok(["rmi", &name])?;
    docker.ok(["pull", "--platform", "windows(10.0.17763)/amd64", &name])?;
    let outcome = docker.run(["run", "--rm", &name])?;
    said(&outcome, 0, "Hello from 10.0.17763.4974")?;
    docker.ok(["rmi", &name])?;
    let linux = docker.run(["pull", "--platform", "linux/amd64", &name])?;
    said(&linux, 1, "no matching manifest for linux/amd64")
}

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

/// The client goes away in the middle of a layer.
fn left(fixture: &Fixture) -> Result<()> {
    let (registry, _directory) = plain()?;
    let mut noise = vec![0; 8 << 20];
    rand::Rng::fill(&mut rand::rng(), &mut noise[..]);
    let layer = LayerArchive::new().file("Files/noise", &noise).finish();
    let image = MadeImage::new("10.0.20348.1", &["COPY"], vec![MadeLayer::new(&layer)?]);
    image.put(&registry, "noise", "1")?;
    let slow = Stalling::before(&registry.host(), 3 << 20)?;
    let name = format!("{}/noise:1", slow.host());
    let server = Server::start(&fixture.programs, fixture.place.clone())?;
    let checked = leave(fixture, &slow, &name).and_then(|()| {
        fixture.check_store()?;
        let docker = &fixture.docker;
        let gone = docker.run(["image", "inspect", &name])?;
        said(&gone, 1, "No such image")?;
        slow.release();
        docker.ok(["pull", &name])?;
        ensure!(id(docker, &name)? == image.id(), "another image came");
        docker.ok(["rmi", &name])?;
        fixture.check_store()
    });
    server.stop()?;
    checked
}

fn leave(fixture: &Fixture, slow: &Stalling, name: &str) -> Result<()> {
    let kept = || fixture.entries(&["blobs/sha256", "layers", "tmp"]);
    let before = kept()?;
    let mut pull = fixture.docker.command(["pull", name]);
    let mut pull = pull.stdout(Stdio::null()).spawn()?;
    slow.wait_until_it_stalls()?;
    pull.kill()?;
    pull.wait()?;
    crate::eventually("what was pulled is gone", || Ok(kept()? == before))
}
