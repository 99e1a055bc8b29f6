//! From streams to the store.

use std::io::{self, Read};
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use porthole_layers::{
    Compression, ErrorKind, Expected, Limits, commit, take_in, take_in_stored, write_plain,
};
use porthole_store::{CheckDepth, Digest, ImageImport, Store};

use crate::support::{Fill, archive, config, holds, is_root, listing, raw};

const ANY: Expected = Expected {
    blob: None,
    diff_id: None,
    most_bytes: 1 << 30,
};

fn layer(content: &str) -> Vec<u8> {
    archive(|layer| {
        layer
            .dir("Files")
            .put("Files/App/a.txt", content)
            .dir("Hives");
    })
}

#[test]
fn hard_links_to_what_another_base_has_not_are_left_out_and_counted() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let take = |plain: &[u8]| take_in(&store, "x", plain, &ANY, &Limits::default());
    let base = take(&layer("one"))?;
    base.settle(&[])?;
    let link = |name: &str, target: &str| raw(name, b'1', target, 0);
    let above = [
        link("Files/missing", "Files/Windows/WinSxS/a/b.dll"),
        link("Files/there", "Files/app/A.TXT"),
        vec![0; 1024],
    ];
    let above = above.concat();
    let lower = base.directory();
    assert!(take(&above)?.settle(&[&lower]).is_err());
    let above = take(&above)?;
    assert_eq!(above.settle_on_another_base(&[&lower])?, 1);
    holds(&above.directory().join("Files"), &["there = one"])
}

#[test]
fn a_stream_becomes_a_blob_and_a_layer() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let plain = layer("one");
    let zstd = zstd::encode_all(plain.as_slice(), 1)?;
    let expected = Expected {
        blob: Some(Digest::of(&zstd)),
        diff_id: Some(Digest::of(&plain)),
        most_bytes: zstd.len() as u64,
    };
    let taken = take_in(&store, "x", zstd.as_slice(), &expected, &Limits::default())?;
    assert_eq!(
        (taken.compression(), taken.blob_size()),
        (Compression::Zstd, zstd.len() as u64)
    );
    taken.settle(&[])?;
    let diff_id = taken.diff_id();
    let (import, staging) = taken.into_import();
    let image = store.import_image(&ImageImport::new(config(&[diff_id]), vec![import]))?;
    drop(staging);
    let image = store.image(image)?;
    holds(
        &image.layers[0].directory.join("Files"),
        &["App/", "App/a.txt = one"],
    )?;
    assert_eq!(store.check(CheckDepth::Content)?, []);
    let mut saved = Vec::new();
    let blob = || store.open_blob(image.layers[0].blob.unwrap());
    write_plain(blob()?, diff_id, &mut saved)?;
    ensure!(saved == plain);
    let error = write_plain(blob()?, Digest::of(b"x"), io::sink()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DigestMismatch);
    let again = take_in_stored(&store, Digest::of(&zstd), Some(diff_id), &Limits::default())?;
    assert_eq!(again.compression(), Compression::Zstd);
    assert_eq!(
        listing(&again.directory())?,
        listing(&image.layers[0].directory)?
    );
    Ok(())
}

#[test]
fn what_comes_uncompressed_gives_one_blob_always() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let plain = layer(&"text ".repeat(100_000));
    let take = || take_in(&store, "x", plain.as_slice(), &ANY, &Limits::default());
    let (one, two) = (take()?, take()?);
    assert_eq!(
        (one.blob_digest(), one.diff_id()),
        (two.blob_digest(), Digest::of(&plain))
    );
    assert_eq!(one.compression(), Compression::Gzip);
    assert!(one.blob_size() < 100_000);
    Ok(())
}

/// Gives so many bytes and fails then.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionReset,
                "the registry went away",
            ));
        }
        self.0.read(buffer)
    }
}

#[test]
fn streams_that_lie_or_break_leave_nothing() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let plain = layer(&"text ".repeat(200_000));
    let gzip = {
        let mut bytes = Vec::new();
        flate2::read::GzEncoder::new(plain.as_slice(), flate2::Compression::fast())
            .read_to_end(&mut bytes)?;
        bytes
    };
    let wrong = Some(Digest::of(b"another"));
    let right = Expected {
        blob: Some(Digest::of(&gzip)),
        diff_id: Some(Digest::of(&plain)),
        most_bytes: gzip.len() as u64,
    };
    let trailing = [&gzip[..], b"trailing garbage".as_slice()].concat();
    let cases: &[(&[u8], Expected, ErrorKind)] = &[
        (
            &gzip,
            Expected {
                blob: wrong,
                ..right
            },
            ErrorKind::DigestMismatch,
        ),
        (
            &gzip,
            Expected {
                diff_id: wrong,
                ..right
            },
            ErrorKind::DigestMismatch,
        ),
        (
            &gzip,
            Expected {
                most_bytes: 1000,
                ..right
            },
            ErrorKind::TooLarge,
        ),
        (
            &gzip[..gzip.len() - 9],
            Expected {
                blob: None,
                ..right
            },
            ErrorKind::Malformed,
        ),
        (
            &trailing,
            Expected {
                blob: None,
                most_bytes: 1 << 30,
                ..right
            },
            ErrorKind::Malformed,
        ),
    ];
    for (bytes, expected, kind) in cases {
        let error = take_in(&store, "sha256:x", *bytes, expected, &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), *kind, "{error}");
        assert!(error.to_string().contains("sha256:x"), "{error}");
    }
    let error = take_in(
        &store,
        "x",
        Broken(&gzip[..5000]),
        &right,
        &Limits::default(),
    )
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Origin, "{error}");
    assert_eq!(std::fs::read_dir(root.path().join("tmp"))?.count(), 0);
    assert_eq!(store.check(CheckDepth::Content)?, []);
    Ok(())
}

#[test]
fn a_commit_is_what_the_container_sees() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut layers = crate::support::Layers::new();
    layers.add(&layer("one"))?;
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let union = layers.mount()?;
    std::fs::write(union.root().join("App/a.txt"), "two")?;
    std::fs::write(union.root().join("App/b.txt"), "new")?;
    let (taken, aside) = commit(
        &store,
        &union.upper(),
        &layers.lowers(),
        &[],
        &Limits::default(),
    )?;
    assert!(aside.is_empty());
    holds(
        &taken.directory().join("Files"),
        &["App/", "App/a.txt = two", "App/b.txt = new"],
    )?;
    let seen = union.listing()?;
    layers.directories.push(taken.directory());
    assert_eq!(layers.mount()?.listing()?, seen);
    Ok(())
}

/// Says to [`on_small_disk`] where to work.
const ROOT: &str = "PORTHOLE_LAYERS_SMALL_DISK";

#[test]
fn on_small_disk() -> Result<()> {
    let Ok(root) = std::env::var(ROOT) else {
        return Ok(());
    };
    let root = Path::new(&root).join("data");
    let (store, _) = Store::open(&root)?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b' ' + (state >> 56) as u8 % 90)
    };
    let noise: String = (0..3 << 20).map(|_| random()).collect();
    let plain = layer(&noise);
    let zstd = zstd::encode_all(plain.as_slice(), 1)?;
    let mut kinds = Vec::new();
    // The blob does not fit, the unpacked files do not, neither does.
    for (filler, archive) in [
        (6_500_000, &plain),
        (3_500_000, &plain),
        (3_500_000, &zstd),
        (7_900_000, &zstd),
    ] {
        std::fs::write(root.join("filler"), vec![1; filler])?;
        let error = take_in(
            &store,
            "sha256:x",
            archive.as_slice(),
            &ANY,
            &Limits::default(),
        )
        .unwrap_err();
        kinds.push((error.kind(), error.to_string()));
        std::fs::remove_file(root.join("filler"))?;
    }
    let all_full = kinds
        .iter()
        .all(|(kind, text)| *kind == ErrorKind::NoSpace && text.contains("sha256:x"));
    ensure!(all_full, "{kinds:?}");
    ensure!(std::fs::read_dir(root.join("tmp"))?.count() == 0);
    ensure!(store.check(CheckDepth::Content)?.is_empty());
    println!("the small disk was filled");
    Ok(())
}

#[test]
fn a_full_disk_says_so_and_leaves_nothing() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let path = directory.path().display();
    let program = std::env::current_exe()?;
    let script = format!(
        "mount -t tmpfs -o size=8m none {path} && exec {} intake::on_small_disk --exact --nocapture",
        program.display()
    );
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .env(ROOT, directory.path())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && text.contains("the small disk was filled"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
