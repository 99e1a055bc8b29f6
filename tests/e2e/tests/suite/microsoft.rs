//! Images that stand on Microsoft's bases: these are never fetched, and ours run in their place.

use anyhow::{Result, ensure};
use porthole_e2e::registry::{Registry, digest};
use serde_json::json;

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "microsoft_bases_are_not_fetched_and_programs_see_their_version",
        versions,
    ),
    (
        "microsoft_bases_are_known_without_a_history",
        without_history,
    ),
    ("microsoft_base_images_alone_load_and_run", skeleton),
];

/// What a base layer would be; nobody is to fetch it.
const BASE: &[u8] = b"not for us";

/// How an image is made.
#[derive(Clone, Copy)]
struct Shape<'a> {
    /// The base's layer is one that registries do not hold.
    is_foreign: bool,
    has_history: bool,
    version: &'a str,
}

/// A layer with one file.
fn layer(text: &str) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, kind, text) in [
        ("Files", tar::EntryType::Directory, ""),
        ("Files/from-above.txt", tar::EntryType::Regular, text),
        ("Hives", tar::EntryType::Directory, ""),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        archive.append_data(&mut header, path, text.as_bytes())?;
    }
    Ok(archive.into_inner()?)
}

/// Puts an image as Microsoft's tools would have made it into a registry.
fn put(registry: &Registry, repository: &str, shape: Shape<'_>) -> Result<()> {
    let upper = layer(shape.version)?;
    let (base_id, upper_id) = (digest(BASE)?, digest(&upper)?);
    let mut config = json!({
        "architecture": "amd64",
        "os": "windows",
        "os.version": shape.version,
        "config": { "User": "ContainerUser", "Env": null },
        "rootfs": { "type": "layers", "diff_ids": [base_id, upper_id] },
    });
    if shape.has_history {
        config["history"] = json!([
            { "created_by": format!("Apply image {}", shape.version) },
            { "created_by": "cmd /S /C copy from-above.txt" },
        ]);
    }
    let config = config.to_string();
    let config_digest = registry.put_blob(repository, config.as_bytes())?;
    registry.put_blob(repository, &upper)?;
    let mut base = json!({
        "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "digest": base_id,
        "size": BASE.len(),
    });
    if shape.is_foreign {
        base["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();
        base["urls"] = json!(["http://192.0.2.1/windows/nanoserver/layer"]);
    } else {
        registry.put_blob(repository, BASE)?;
    }
    let media_type = "application/vnd.docker.distribution.manifest.v2+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": config_digest,
            "size": config.len(),
        },
        "layers": [base, {
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar",
            "digest": upper_id,
            "size": upper.len(),
        }],
    });
    registry.put_manifest(repository, "1", media_type, &manifest.to_string())
}

fn check(fixture: &Fixture, registry: &Registry, repository: &str, version: &str) -> Result<()> {
    let docker = &fixture.docker;
    let name = format!("{}/{repository}:1", registry.name());
    docker.ok(["pull", &name])?;
    let line = r"type C:\from-above.txt & ver";
    let said = docker.ok(["run", "--rm", &name, "cmd", "/c", line])?;
    let build = version.rsplit_once('.').map_or(version, |(build, _)| build);
    ensure!(said.contains(version) && said.contains(build), "{said}");
    let seen = said
        .lines()
        .any(|line| line.contains("Windows") && line.contains(build));
    ensure!(seen, "programs do not see {build}: {said}");
    let image = docker.inspect(&name)?;
    ensure!(image["OsVersion"] == version, "{image}");
    ensure!(
        image["RootFS"]["Layers"]
            .as_array()
            .is_some_and(|layers| layers.len() == 2),
        "{image}"
    );
    Ok(())
}

fn versions(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let registry = Registry::open()?;
    for (repository, is_foreign, version) in [
        ("foreign", true, "10.0.17763.2928"),
        ("ordinary", false, "10.0.17763.5329"),
        ("newest", false, "10.0.26100.1742"),
    ] {
        let shape = Shape {
            is_foreign,
            has_history: true,
            version,
        };
        put(&registry, repository, shape)?;
        check(fixture, &registry, repository, version)?;
    }
    let base = digest(BASE)?;
    let log = registry.log();
    let fetched = log
        .lines()
        .any(|line| line.contains("http.request.method=GET") && line.contains(&base));
    ensure!(!fetched, "the base was fetched");

    // Its registry takes the base over from the repository that has it.
    let name = |repository: &str| format!("{}/{repository}:1", registry.name());
    docker.ok(["tag", &name("ordinary"), &name("copied")])?;
    let pushed = docker.ok(["push", &name("copied")])?;
    ensure!(pushed.contains("Mounted from "), "{pushed}");
    // Another one cannot, and is told what to do; addresses of foreign layers are left to it.
    let other = Registry::open()?;
    let there = format!("{}/moved:1", other.name());
    docker.ok(["tag", &name("newest"), &there])?;
    let refused = docker.run(["push", &there])?;
    ensure!(
        refused.code == 1
            && refused.stderr.contains(&base)
            && refused.stderr.contains("push-base-layers"),
        "{refused:?}"
    );
    docker.ok(["rmi", &there])?;
    docker.ok(["tag", &name("foreign"), &there])?;
    let pushed = docker.ok(["push", &there])?;
    ensure!(pushed.contains("Skipped foreign layer"), "{pushed}");
    let all = [
        there,
        name("copied"),
        name("foreign"),
        name("ordinary"),
        name("newest"),
    ];
    docker.ok(["rmi"].into_iter().chain(all.iter().map(String::as_str)))?;
    Ok(())
}

fn without_history(fixture: &Fixture) -> Result<()> {
    let registry = Registry::open()?;
    let version = "10.0.20348.2700";
    let shape = Shape {
        is_foreign: true,
        has_history: false,
        version,
    };
    put(&registry, "lost", shape)?;
    check(fixture, &registry, "lost", version)?;
    fixture
        .docker
        .ok(["rmi", &format!("{}/lost:1", registry.name())])?;
    Ok(())
}

/// A base itself, as `docker save` of old wrote it: with links between its files.
fn skeleton(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let directory = tempfile::tempdir()?;
    let base = layer("of the base")?;
    let id = digest(&base)?;
    let config = json!({
        "architecture": "amd64",
        "os": "windows",
        "os.version": "10.0.17763.1879",
        "config": { "User": "ContainerUser" },
        "history": [{ "created_by": "Apply image 10.0.17763.1879" }],
        "rootfs": { "type": "layers", "diff_ids": [id] },
    });
    let name = "e2e/skeleton:1809";
    let contents =
        json!([{ "Config": "config.json", "RepoTags": [name], "Layers": ["1/layer.tar"] }]);
    let file = directory.path().join("base.tar");
    let mut archive = tar::Builder::new(std::fs::File::create(&file)?);
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    archive.append_link(&mut link, "1/layer.tar", "../base.tar")?;
    for (path, bytes) in [
        ("base.tar", base.as_slice()),
        ("config.json", config.to_string().as_bytes()),
        ("manifest.json", contents.to_string().as_bytes()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, path, bytes)?;
    }
    archive.into_inner()?.sync_all()?;
    let loaded = docker.ok(["load", "-i", &file.display().to_string()])?;
    ensure!(loaded.contains(name), "{loaded}");
    let said = docker.ok(["run", "--rm", name, "cmd", "/c", "ver"])?;
    ensure!(said.contains("10.0.17763"), "{said}");
    docker.ok(["rmi", name])?;
    Ok(())
}
