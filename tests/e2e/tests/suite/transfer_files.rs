//! Images and containers as files: save, load, export and import.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::docker::Outcome;

use crate::archive::fed;
use crate::committed::{Committed, id, text_in};
use crate::made_images::text;
use crate::own_cli::porthole;
use crate::registries::said;
use crate::saved::Saved;
use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("save_and_load_keep_images", save_and_load),
    ("save_and_load_work_as_a_pipe", piped),
    ("load_of_what_is_no_archive_says_so", no_archive),
    ("load_never_makes_a_base", local_names),
    ("export_and_import_keep_the_files", export_and_import),
    ("import_takes_addresses_and_standard_input", import),
    ("export_is_the_drive_in_every_state", export_states),
];

/// Several images in one archive, all of a repository, and what is there already.
fn save_and_load(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let [first, second, other] = ["e2e/save:1", "e2e/save:2", "e2e/save-other:1"];
    let one = Committed::with_text(fixture, first, "one")?;
    let two = Committed::of(fixture, first, second, r"echo two>C:\made.txt")?;
    docker.ok(["tag", first, other])?;
    let saved = Saved::of(docker, &["e2e/save", other])?;
    let contents = saved.contents()?;
    let mut names = BTreeSet::new();
    for image in &contents {
        for name in image["RepoTags"].as_array().context("no names")? {
            names.insert(name.as_str().unwrap_or_default().to_owned());
        }
    }
    let expected = [first, other, second].map(str::to_owned);
    ensure!(
        contents.len() == 2 && names == BTreeSet::from(expected.clone()),
        "{contents:?}"
    );
    let (one_id, two_id) = (one.id.clone(), two.id.clone());
    drop((two, one));
    let gone = docker.run(["image", "inspect", first])?;
    said(&gone, 1, "No such image")?;
    let loaded = docker.ok(["load", "-i", text(&saved.file())?])?;
    for name in &expected {
        ensure!(
            loaded.contains(&format!("Loaded image: {name}")),
            "{loaded}"
        );
    }
    let again = docker.ok(["load", "-q", "-i", text(&saved.file())?])?;
    ensure!(again.contains(&format!("Loaded image: {first}")), "{again}");
    let there = id(docker, first)? == one_id
        && id(docker, other)? == one_id
        && id(docker, second)? == two_id;
    let texts = (text_in(docker, first)?, text_in(docker, second)?);
    docker.ok(["rmi", first, second, other])?;
    ensure!(there, "they came back as others");
    ensure!(texts == ("one".to_owned(), "two".to_owned()), "{texts:?}");
    Ok(())
}

/// `docker save | docker load`, through gzip, and the own program's.
fn piped(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e/piped:1";
    let made = Committed::with_text(fixture, name, "piped")?;
    let saved = docker.command(["save", name]).output()?;
    ensure!(
        saved.status.success(),
        "{}",
        String::from_utf8_lossy(&saved.stderr)
    );
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&saved.stdout)?;
    let compressed = encoder.finish()?;
    for archive in [&saved.stdout, &compressed] {
        docker.ok(["rmi", name])?;
        let loaded = Outcome::from(fed(&mut docker.command(["load"]), archive)?);
        said(&loaded, 0, &format!("Loaded image: {name}"))?;
        ensure!(id(docker, name)? == made.id, "another image");
    }
    let file = tempfile::NamedTempFile::new()?;
    let ours = porthole(fixture, &["save", "-o", text(file.path())?, name])?;
    ensure!(ours.status.success(), "{ours:?}");
    docker.ok(["rmi", name])?;
    let ours = porthole(fixture, &["load", "-i", text(file.path())?])?;
    ensure!(ours.status.success(), "{ours:?}");
    ensure!(id(docker, name)? == made.id && text_in(docker, name)? == "piped");
    Ok(())
}

fn no_archive(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let before = docker.ok(["images", "-aq", "--no-trunc"])?;
    let empty = tar::Builder::new(Vec::new()).into_inner()?;
    let noise = vec![7; 4096];
    for (archive, words) in [
        (&b"no archive"[..], "archive"),
        (&noise, "archive"),
        (&empty, "manifest.json"),
    ] {
        let outcome = Outcome::from(fed(&mut docker.command(["load"]), archive)?);
        said(&outcome, 1, words)?;
    }
    let after = docker.ok(["images", "-aq", "--no-trunc"])?;
    ensure!(before == after, "{before}\n{after}");
    let unknown = docker.run(["save", "-o", "/dev/null", "e2e/no-such:1"])?;
    ensure!(unknown.code == 1, "{unknown:?}");
    Ok(())
}

/// The names of bases mean what was built here, whatever an archive says.
fn local_names(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let made = Committed::with_text(fixture, "e2e/local:1", "local")?;
    let saved = Saved::of(docker, &["e2e/local:1"])?;
    let contents = saved.contents()?;
    let renamed = serde_json::to_string(&contents)?.replace("e2e/local:1", "porthole/local:1");
    let mut archive = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(fs::File::open(saved.file())?).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let mut header = entry.header().clone();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        match path.to_str() {
            Some("manifest.json") => content = renamed.clone().into_bytes(),
            // Of two tables of contents the one that names it is meant.
            Some("index.json" | "repositories") => continue,
            _ => {}
        }
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, &path, &*content)?;
    }
    let archive = archive.into_inner()?;
    docker.ok(["rmi", "e2e/local:1"])?;
    let loaded = Outcome::from(fed(&mut docker.command(["load"]), &archive)?);
    said(&loaded, 0, "Loaded without the name porthole/local:1")?;
    let none = docker.run(["image", "inspect", "porthole/local:1"])?;
    said(&none, 1, "No such image")?;
    docker.ok(["rmi", &made.id])?;
    Ok(())
}

/// The archive of a drive: names and contents of files.
fn exported(archive: &[u8]) -> Result<std::collections::BTreeMap<String, Vec<u8>>> {
    let mut found = std::collections::BTreeMap::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let name = entry
            .path()?
            .to_string_lossy()
            .trim_end_matches('/')
            .to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        found.insert(name, content);
    }
    Ok(found)
}

/// What `porthole base build` says of the base, which an image of its files must say too.
fn build_label(fixture: &Fixture) -> Result<String> {
    let format = r#"{{index .Config.Labels "io.porthole.wine-build"}}"#;
    let build = fixture
        .docker
        .ok(["image", "inspect", "-f", format, "porthole/nanoserver"])?;
    Ok(format!("LABEL io.porthole.wine-build={build}"))
}

fn export_and_import(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let made = Committed::with_text(fixture, "e2e/exported:1", "exported")?;
    let container = docker.ok(["create", &made.name])?;
    let file = tempfile::NamedTempFile::new()?;
    docker.ok(["export", "-o", text(file.path())?, &container])?;
    docker.ok(["rm", &container])?;
    let label = build_label(fixture)?;
    let image = "e2e/imported:1";
    let command = r#"CMD ["cmd", "/c", "type C:\\made.txt"]"#;
    let id = docker.ok([
        "import",
        "-m",
        "brought in",
        "-c",
        &label,
        "-c",
        command,
        text(file.path())?,
        image,
    ])?;
    let history = docker.ok(["history", "--format", "{{.Comment}}", image])?;
    let ran = docker.run(["run", "--rm", image]);
    docker.ok(["rmi", image])?;
    ensure!(id.starts_with("sha256:"), "{id}");
    ensure!(history == "brought in", "{history}");
    said(&ran?, 0, "exported")
}

/// A small drive, as an archive.
fn drive() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o644);
    // Writing to memory does not fail.
    let _ = archive.append_data(&mut header, "app/hello.txt", &b"hello"[..]);
    archive.into_inner().unwrap_or_default()
}

fn import(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let archive = drive();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}/drive.tar", listener.local_addr()?);
    let served = archive.clone();
    let server = std::thread::spawn(move || serve_once(&listener, &served));
    let downloaded = docker.run(["import", &address, "e2e/import:address"])?;
    server
        .join()
        .map_err(|_| anyhow::anyhow!("the server panicked"))??;
    said(&downloaded, 0, "sha256:")?;
    let mut command = docker.command(["import", "-", "e2e/import:input"]);
    let piped = Outcome::from(fed(&mut command, &archive)?);
    said(&piped, 0, "sha256:")?;
    for tag in ["address", "input"] {
        let image = format!("e2e/import:{tag}");
        let container = docker.ok(["create", &image, "cmd"]);
        let layer = crate::saved::TopLayer::of(docker, &image)?;
        docker.ok(["rmi", "-f", &image])?;
        let file = layer.entries()?.remove("Files/app/hello.txt");
        ensure!(file.is_some_and(|file| file.content == b"hello"), "{tag}");
        // No Wine build is known of it, so nothing runs of it.
        ensure!(container.is_err() || docker.run(["rm", "-f", container?.as_str()])?.code == 0);
    }
    let gone = docker.run(["import", &address, "e2e/import:gone"])?;
    ensure!(
        gone.code == 1 && gone.stderr.to_lowercase().contains("connection refused"),
        "{gone:?}"
    );
    Ok(())
}

fn serve_once(listener: &TcpListener, body: &[u8]) -> Result<()> {
    let (mut client, _) = listener.accept()?;
    let mut request = [0; 4096];
    let read = client.read(&mut request)?;
    ensure!(
        request[..read].starts_with(b"GET /drive.tar"),
        "another request"
    );
    write!(
        client,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    client.write_all(body)?;
    Ok(())
}

fn export_states(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-export";
    let bound = tempfile::tempdir()?;
    fs::write(bound.path().join("host.txt"), "of the host")?;
    let bind = format!(r"{}:C:\bound:ro", bound.path().display());
    let user = ["-u", "ContainerAdministrator"];
    docker.idle(
        name,
        &["-v", &bind, user[0], user[1], "porthole/nanoserver"],
    )?;
    let line = r"echo exported>C:\made.txt& del C:\License.txt& mkdir C:\new";
    docker.ok(["exec", name, "cmd", "/c", line])?;
    let export = || -> Result<_> {
        let mut command = docker.command(["export", name]);
        let output = command.stdin(Stdio::null()).output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        exported(&output.stdout)
    };
    let running = export()?;
    docker.ok(["stop", "-t", "0", name])?;
    let stopped = export()?;
    docker.ok(["rm", name])?;
    for (state, files) in [("running", &running), ("stopped", &stopped)] {
        let made = files
            .get("made.txt")
            .with_context(|| format!("{state}: {:?}", files.keys()))?;
        ensure!(made == b"exported\r\n", "{state}: {made:?}");
        ensure!(files.contains_key("new"), "{state}: no directory");
        ensure!(
            files.contains_key("Windows/System32/cmd.exe"),
            "{state}: no base"
        );
        ensure!(
            !files.contains_key("License.txt"),
            "{state}: what was deleted"
        );
        ensure!(
            !files.contains_key("bound/host.txt"),
            "{state}: what is bound"
        );
        let foreign: Vec<_> = files.keys().filter(|name| name.contains(".wh.")).collect();
        ensure!(foreign.is_empty(), "{state}: {foreign:?}");
    }
    ensure!(
        running.keys().eq(stopped.keys()),
        "the same files, running and stopped"
    );
    Ok(())
}
