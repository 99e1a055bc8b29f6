//! Layers that are not what a layer may be: refused by layer and entry, and nothing is outside.

use std::path::Path;

use anyhow::Result;
use porthole_layer::Metadata;
use porthole_layers::{Error, ErrorKind, Limits, unpack};

use crate::support::{Fill, archive, is_root, path, raw};

/// Unpacks into a directory in an otherwise empty one; the error.
fn refused(archive: &[u8], limits: &Limits) -> Error {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("layer");
    std::fs::create_dir(&directory).unwrap();
    let error = unpack("sha256:x", archive, &directory, limits).unwrap_err();
    let names: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "something is outside");
    assert!(error.to_string().starts_with("layer sha256:x"), "{error}");
    error
}

fn end(archive: &[&[u8]]) -> Vec<u8> {
    [&archive.concat()[..], &[0; 1024]].concat()
}

#[test]
fn entries_that_lead_elsewhere_are_refused_by_name() {
    if !is_root() {
        return;
    }
    let inside_file = [raw("Files/f", b'0', "", 0), raw("Files/f/x", b'0', "", 0)].concat();
    let through_link = [
        raw("Files/l", b'2', "/etc", 0),
        raw("Files/l/passwd", b'0', "", 0),
    ]
    .concat();
    let cases: &[(Vec<u8>, &str, ErrorKind)] = &[
        (raw("/etc/x", b'0', "", 0), "/etc/x", ErrorKind::Malformed),
        (
            raw("Files/../x", b'0', "", 0),
            "Files/../x",
            ErrorKind::Malformed,
        ),
        (raw("C:/x", b'0', "", 0), "C:/x", ErrorKind::Malformed),
        (
            raw("Files/CON", b'0', "", 0),
            "Files/CON",
            ErrorKind::Malformed,
        ),
        (
            raw("Files/nul.txt", b'0', "", 0),
            "Files/nul.txt",
            ErrorKind::Malformed,
        ),
        (
            raw("Files/dot.", b'0', "", 0),
            "Files/dot.",
            ErrorKind::Malformed,
        ),
        (
            raw("Files/blank ", b'0', "", 0),
            "Files/blank ",
            ErrorKind::Malformed,
        ),
        (
            raw("Files/x:s", b'0', "", 0),
            "Files/x:s",
            ErrorKind::Malformed,
        ),
        (
            raw("Files/dev", b'3', "", 0),
            "Files/dev",
            ErrorKind::Malformed,
        ),
        (
            raw("Files/h", b'1', "../x", 0),
            "Files/h",
            ErrorKind::Malformed,
        ),
        (
            raw("Hives/.wh.x", b'0', "", 0),
            "Hives/.wh.x",
            ErrorKind::Malformed,
        ),
        (inside_file, "Files/f/x", ErrorKind::Malformed),
        (through_link, "Files/l/passwd", ErrorKind::Malformed),
        (raw("Files", b'0', "", 0), "Files", ErrorKind::Malformed),
        (
            raw("Files/h", b'1', "Files/h", 0),
            "Files/h",
            ErrorKind::Malformed,
        ),
    ];
    for (entry, name, kind) in cases {
        let archive = end(&[entry]);
        if *name == "Files/h" && entry[157..164] == *b"Files/h" {
            // A link to itself is one to nothing, which only the layers below can tell.
            let home = tempfile::tempdir().unwrap();
            let unpacked =
                unpack("x", archive.as_slice(), home.path(), &Limits::default()).unwrap();
            let settled = porthole_layers::settle("x", home.path(), &unpacked.unsettled, &[]);
            assert!(settled.unwrap_err().to_string().contains("Files/h"));
            continue;
        }
        let error = refused(&archive, &Limits::default());
        assert_eq!(
            (error.kind(), error.entry()),
            (*kind, Some(*name)),
            "{error}"
        );
    }
}

#[test]
fn what_is_cut_off_or_damaged_is_refused() {
    if !is_root() {
        return;
    }
    let plain = archive(|layer| {
        layer
            .put("Files/a", &"content ".repeat(1000))
            .put("Files/b", "b");
    });
    let gzip = {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&plain).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = zstd::encode_all(plain.as_slice(), 1).unwrap();
    for whole in [&gzip, &zstd] {
        for cut in [10, whole.len() / 2, whole.len() - 1] {
            refused(&whole[..cut], &Limits::default());
        }
    }
    let mut damaged = gzip;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    refused(&damaged, &Limits::default());
    refused(&plain[..2048], &Limits::default());
    refused(
        b"not a layer at all, but a text that is longer than nothing",
        &Limits::default(),
    );
}

#[test]
fn bombs_are_refused_before_they_fill_the_disk() {
    if !is_root() {
        return;
    }
    let limits = Limits {
        entries: 100,
        bytes: 1 << 20,
        levels: 20,
    };
    // A few kilobytes that become many megabytes.
    let bomb = archive(|layer| {
        layer.put("Files/zeros", &"0".repeat(64 << 20));
    });
    let bomb = zstd::encode_all(bomb.as_slice(), 1).unwrap();
    assert!(bomb.len() < 100_000);
    assert_eq!(refused(&bomb, &limits).kind(), ErrorKind::TooLarge);
    let announced = end(&[&raw("Files/huge", b'0', "", 0o7_7777_7777)]);
    assert_eq!(refused(&announced, &limits).kind(), ErrorKind::Malformed);
    let many = archive(|layer| {
        for number in 0..200 {
            layer.put(&format!("Files/{number}"), "");
        }
    });
    assert_eq!(refused(&many, &limits).kind(), ErrorKind::TooLarge);
    let deep = end(&[&raw(&format!("Files/{}x", "d/".repeat(30)), b'0', "", 0)]);
    assert_eq!(refused(&deep, &limits).kind(), ErrorKind::TooLarge);
    // Directories that no entry describes count too.
    let entries: Vec<_> = (0..20)
        .map(|number| raw(&format!("Files/{number}/{}x", "d/".repeat(12)), b'0', "", 0))
        .collect();
    let implied = end(&[&entries.concat()]);
    assert_eq!(refused(&implied, &limits).kind(), ErrorKind::TooLarge);
}

#[test]
fn a_directory_that_is_not_empty_keeps_its_place() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let home = tempfile::tempdir()?;
    let layer = archive(|layer| {
        layer.put("Files/d/x", "x");
        layer
            .file(
                &path("Files/D"),
                &Metadata::file(),
                0,
                &mut std::io::empty(),
            )
            .unwrap();
    });
    let error = unpack("x", layer.as_slice(), home.path(), &Limits::default()).unwrap_err();
    assert_eq!(error.entry(), Some("Files/D"));
    let taken = archive(|layer| {
        layer
            .dir("Files/d")
            .put("Files/D", "now a file")
            .dir("Files/d");
    });
    let home = tempfile::tempdir()?;
    unpack("x", taken.as_slice(), home.path(), &Limits::default())?;
    assert!(Path::new(&home.path().join("Files/d")).is_dir());
    Ok(())
}
