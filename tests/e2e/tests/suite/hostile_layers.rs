//! Layers that are none, broken or hostile, in `docker load` and `docker pull`: the error names layer
//! and entry, and nothing of them is kept.

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::docker::Outcome;
use porthole_e2e::server::Server;
use tar::EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};

use crate::archive::fed;
use crate::made_images::{LayerArchive, MadeImage, MadeLayer, config_of, digest};
use crate::registries::{plain, said};
use crate::{Fixture, Test};

pub(crate) const ALONE: &[(&str, Test)] = &[
    ("hostile_layers_are_refused_by_load", refused),
    ("hostile_archives_are_refused_by_load", archives),
    ("hostile_blobs_are_refused_by_pull", pulled),
];

const NAME: &str = "e2e/hostile:1";

/// An entry that makes a layer none: its kind, name and link.
const ENTRIES: &[(tar::EntryType, &str, &str)] = &[
    (Regular, "Files/../../up", ""),
    (Regular, "../up", ""),
    (Regular, "/rooted", ""),
    (Regular, "Files//etc/passwd", ""),
    (Regular, r"C:\Windows\x", ""),
    (Regular, "Files/C:/x", ""),
    (Regular, r"Files\..\up", ""),
    (Regular, "Files/NUL", ""),
    (Regular, "Files/con.txt", ""),
    (Regular, "Files/dot.", ""),
    (Regular, "Files/blank ", ""),
    (Regular, "Files/alone.txt:stream", ""),
    (Regular, "Elsewhere/x", ""),
    (Regular, "UtilityVM/x", ""),
    (Link, "Files/link", "Files/nothing"),
    (Link, "Files/link", "../up"),
    (Link, "Files/link", "/etc/passwd"),
    (Char, "Files/device", ""),
    (Block, "Files/device", ""),
    (Fifo, "Files/fifo", ""),
    (Regular, "Hives/.wh.Sam_Delta", ""),
];

/// All that the store keeps.
fn kept(fixture: &Fixture) -> Result<Vec<String>> {
    fixture.entries(&["blobs/sha256", "layers", "tmp"])
}

/// Does something on a server that is alone; what the store keeps must be the same afterwards.
fn leaves_nothing(fixture: &Fixture, what: impl FnOnce() -> Result<()>) -> Result<()> {
    let server = Server::start(&fixture.programs, fixture.place.clone())?;
    let checked = (|| {
        let images = || {
            fixture
                .docker
                .ok(["images", "-aq", "--no-trunc", "--digests"])
        };
        let before = (images()?, kept(fixture)?);
        what()?;
        let after = (images()?, kept(fixture)?);
        ensure!(before == after, "before: {before:?}\nafter: {after:?}");
        fixture.check_store()
    })();
    server.stop()?;
    checked
}

fn load(fixture: &Fixture, archive: &[u8]) -> Result<Outcome> {
    Ok(fed(&mut fixture.docker.command(["load"]), archive)?.into())
}

fn refused(fixture: &Fixture) -> Result<()> {
    leaves_nothing(fixture, || {
        for &(kind, name, link) in ENTRIES {
            let content: &[u8] = if kind == Regular { b"x" } else { b"" };
            let layer = LayerArchive::new()
                .entry(kind, name, link, content)
                .finish();
            refused_layer(fixture, &layer, &[name]).with_context(|| format!("{kind:?} {name}"))?;
        }
        let noise = LayerArchive::new()
            .file("Files/noise", &vec![b'n'; 100_000])
            .finish();
        refused_layer(fixture, &noise[..60_000], &["Files/noise", "too early"])
            .context("truncated")?;
        let huge = LayerArchive::new().sized(Regular, "Files/huge", "", 1 << 50, b"little");
        refused_layer(fixture, &huge.finish(), &["Files/huge"]).context("huge")?;
        let broken = [&LayerArchive::new().finish()[..1024], &[b'#'; 1024]].concat();
        refused_layer(fixture, &broken, &["header"]).context("no header")?;
        let mut deep = LayerArchive::new();
        let mut path = "Files".to_owned();
        while path.len() < 90 {
            path += "/a";
            deep = deep.entry(Directory, &path, "", b"");
        }
        // A name that is too long for a header comes before its entry.
        let long = format!("Files{}", "/b".repeat(2000));
        let deep = deep.entry(
            tar::EntryType::GNULongName,
            "././@LongLink",
            "",
            long.as_bytes(),
        );
        let deep = deep.file("Files/cut", b"x").finish();
        refused_layer(fixture, &deep, &["Files/b/b"]).context("deep")
    })
}

/// Loads an image with the layer over a good one: the error names it and says more.
fn refused_layer(fixture: &Fixture, layer: &[u8], words: &[&str]) -> Result<()> {
    let below = LayerArchive::new()
        .file("Files/below.txt", b"below")
        .finish();
    let layers = [&*below, layer];
    let archive = MadeImage::archived(NAME, &config_of(&layers), &layers);
    let outcome = load(fixture, &archive)?;
    ensure!(outcome.code == 1, "it was taken: {outcome:?}");
    let told = outcome.stderr.replace(r"\\", r"\");
    for words in [&digest(layer)]
        .into_iter()
        .map(String::as_str)
        .chain(words.iter().copied())
    {
        ensure!(told.contains(words), "{words} is not in {told}");
    }
    Ok(())
}

/// Links out of C: are there and lead nowhere; everything else about an archive that is wrong.
fn archives(fixture: &Fixture) -> Result<()> {
    leaves_nothing(fixture, || {
        let good = LayerArchive::new().file("Files/a.txt", b"a").finish();
        let other = LayerArchive::new().file("Files/b.txt", b"b").finish();
        let config = config_of(&[&good]);
        for (layers, words) in [
            (&[&*other][..], "digest"),
            (&[], "layers length mismatch"),
            (&[&*good, &*other], "layers length mismatch"),
        ] {
            said(
                &load(fixture, &MadeImage::archived(NAME, &config, layers))?,
                1,
                words,
            )?;
        }
        let mut linux = config.clone();
        linux["os"] = "linux".into();
        said(
            &load(fixture, &MadeImage::archived(NAME, &linux, &[&good]))?,
            1,
            "Windows",
        )?;
        let missing = LayerArchive::new().finish();
        said(&load(fixture, &missing)?, 1, "manifest.json")?;
        let whole = MadeImage::archived(NAME, &config, &[&good]);
        let cut = load(fixture, &whole[..whole.len() / 2])?;
        ensure!(cut.code == 1, "{cut:?}");
        let escape = LayerArchive::new()
            .entry(Symlink, "Files/etc", "/etc", b"")
            .entry(Symlink, "Files/up", "../../../../../../etc", b"")
            .entry(Symlink, "Files/drive", r"D:\secret", b"")
            .entry(Symlink, "Files/share", r"\\server\share", b"")
            .finish();
        let config = config_of(&[&escape]);
        let loaded = load(fixture, &MadeImage::archived(NAME, &config, &[&escape]))?;
        said(&loaded, 0, "2 links that lead out of C: lead nowhere")?;
        let through = LayerArchive::new()
            .file("Files/etc/porthole-was-here", b"x")
            .finish();
        let layers = [&*escape, &*through];
        let config = config_of(&layers);
        // What a link leads to is never written to: the name becomes a directory of the layer above.
        let over = load(
            fixture,
            &MadeImage::archived("e2e/hostile:2", &config, &layers),
        )?;
        ensure!(
            !std::path::Path::new("/etc/porthole-was-here").exists(),
            "it was written"
        );
        fixture.docker.ok(["rmi", NAME])?;
        if over.code == 0 {
            fixture.docker.ok(["rmi", "e2e/hostile:2"])?;
        }
        Ok(())
    })
}

/// Blobs that are not what the manifest promises.
fn pulled(fixture: &Fixture) -> Result<()> {
    let (registry, _directory) = plain()?;
    leaves_nothing(fixture, || {
        for (tag, damage) in [("flipped", true), ("short", false)] {
            let layer = LayerArchive::new().file("Files/noise", tag.repeat(50_000).as_bytes());
            let image = MadeImage::new(
                "10.0.20348.1",
                &["COPY"],
                vec![MadeLayer::new(&layer.finish())?],
            );
            image.put(&registry, "hostile", tag)?;
            let digest = image.layers[0].digest();
            let file = registry.blob_file(&digest);
            let mut bytes = std::fs::read(&file)?;
            if damage {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x55;
            } else {
                bytes.truncate(bytes.len() / 2);
            }
            std::fs::write(&file, bytes)?;
            let outcome = fixture
                .docker
                .run(["pull", &registry.image(&format!("hostile:{tag}"))])?;
            ensure!(outcome.code == 1, "{tag} was taken: {outcome:?}");
            let named = outcome.stderr.contains(&digest["sha256:".len()..][..12]);
            ensure!(named, "{tag}: {outcome:?}");
        }
        Ok(())
    })
}
