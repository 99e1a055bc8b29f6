//! Layers written, read back, read by others, and damaged.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Command, Stdio};

use porthole_layer::{
    Entry, EntryKind, FileTime, LayerErrorKind, LayerPath, LayerReader, LayerWriter, Metadata,
    attributes,
};
use proptest::prelude::*;

fn path(path: &str) -> LayerPath {
    LayerPath::new(path).expect("allowed in a layer")
}

/// A layer with every kind of entry.
fn sample() -> Vec<u8> {
    let time = FileTime::from_unix(1_600_000_000, 123_456_700);
    let mut layer = LayerWriter::new(Vec::new());
    layer
        .directory(&path("Files"), &Metadata::directory().at(time))
        .expect("written");
    layer
        .directory(&path("Hives"), &Metadata::directory())
        .expect("written");
    let mut hidden = Metadata::file().at(time);
    hidden.attributes |= attributes::HIDDEN;
    hidden
        .extended
        .insert("$KERNEL.PURGE".to_owned(), vec![0, 10, 255]);
    layer
        .file(&path("Files/App/a.txt"), &hidden, 3, &mut &b"abc"[..])
        .expect("written");
    layer
        .stream("Zone.Identifier", 4, &mut &b"zone"[..])
        .expect("written");
    layer
        .hard_link(&path("UtilityVM/Files/a.txt"), &path("Files/App/a.txt"))
        .expect("written");
    layer
        .symlink(&path("Files/App/link"), &Metadata::file(), r"C:\App\a.txt")
        .expect("written");
    layer
        .junction(
            &path("Files/App/junction"),
            &Metadata::directory(),
            r"\??\C:\App",
        )
        .expect("written");
    let long = format!("Files/{}/ünïcode 中文.txt", "long".repeat(40));
    layer
        .file(&path(&long), &Metadata::file(), 0, &mut &b""[..])
        .expect("written");
    layer.whiteout(&path("Files/App/gone")).expect("written");
    layer.finish().expect("written")
}

fn read_all(archive: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, porthole_layer::LayerError> {
    let mut reader = LayerReader::new(archive);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut content = Vec::new();
        if matches!(
            entry.kind,
            EntryKind::File { .. } | EntryKind::Stream { .. }
        ) {
            reader
                .read_to_end(&mut content)
                .map_err(|error| porthole_layer::LayerError {
                    entry: entry.path.to_string(),
                    kind: error.into(),
                })?;
        }
        entries.push((entry, content));
    }
    Ok(entries)
}

#[test]
fn every_kind_of_entry_comes_back() {
    let entries = read_all(&sample()).expect("well-formed");
    let paths: Vec<_> = entries
        .iter()
        .map(|(entry, _)| entry.path.as_str())
        .collect();
    let long = "long".repeat(40);
    assert_eq!(
        paths,
        [
            "Files",
            "Hives",
            "Files/App",
            "Files/App/a.txt",
            "Files/App/a.txt",
            "UtilityVM",
            "UtilityVM/Files",
            "UtilityVM/Files/a.txt",
            "Files/App/link",
            "Files/App/junction",
            &format!("Files/{long}"),
            &format!("Files/{long}/ünïcode 中文.txt"),
            "Files/App/gone",
        ]
    );
    let (file, content) = &entries[3];
    assert_eq!(content, b"abc");
    assert_eq!(
        file.metadata.attributes,
        attributes::ARCHIVE | attributes::HIDDEN
    );
    assert_eq!(
        file.metadata.modified,
        FileTime::from_unix(1_600_000_000, 123_456_700)
    );
    assert_eq!(file.metadata.security, Metadata::file().security);
    assert_eq!(file.metadata.extended["$KERNEL.PURGE"], [0, 10, 255]);
    assert_eq!(
        entries[4].0.kind,
        EntryKind::Stream {
            name: "Zone.Identifier".to_owned(),
            size: 4
        }
    );
    assert_eq!(entries[4].1, b"zone");
    assert_eq!(
        entries[7].0.kind,
        EntryKind::HardLink {
            target: path("Files/App/a.txt")
        }
    );
    assert_eq!(
        entries[8].0.kind,
        EntryKind::Symlink {
            target: r"C:\App\a.txt".to_owned()
        }
    );
    assert_eq!(
        entries[9].0.kind,
        EntryKind::Junction {
            target: r"\??\C:\App".to_owned()
        }
    );
    assert_eq!(entries[12].0.kind, EntryKind::Whiteout);
}

#[test]
fn content_that_is_not_read_is_skipped() {
    let archive = sample();
    let mut reader = LayerReader::new(archive.as_slice());
    let mut count = 0;
    while reader.next_entry().expect("well-formed").is_some() {
        count += 1;
    }
    assert_eq!(count, 13);
}

/// `golden/layer.tar` is what an earlier build wrote: layers must not get another digest by a change
/// here. Where the format must change on purpose, the test writes the new file when `UPDATE_GOLDEN`
/// is set.
#[test]
fn the_same_calls_give_the_same_bytes() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/layer.tar");
        std::fs::write(golden, sample()).expect("writable");
    }
    assert!(
        sample() == include_bytes!("golden/layer.tar"),
        "the bytes of layers have changed"
    );
}

/// Python's tarfile sees what we meant.
#[test]
fn python_reads_our_layers() {
    const SCRIPT: &str = r"
import base64, io, sys, tarfile
archive = tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()))
for entry in archive:
    records = entry.pax_headers
    print(entry.name, entry.type.decode(), oct(entry.mode), entry.linkname, records.get('MSWINDOWS.fileattr', '-'),
          records.get('mtime', '-'), records.get('MSWINDOWS.mountpoint', '-'), sep='|')
    if entry.name == 'Files/App/a.txt': assert archive.extractfile(entry).read() == b'abc'
";
    let python = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut python) = python else {
        println!("skipped: python3 is not installed");
        return;
    };
    let mut input = python.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, &sample()).expect("python reads");
    drop(input);
    let output = python.wait_with_output().expect("python ends");
    assert!(output.status.success());
    let output = String::from_utf8(output.stdout).expect("UTF-8");
    for line in [
        "Files|5|0o40755||16|1600000000.1234567|-",
        "Files/App/a.txt|0|0o100644||34|1600000000.1234567|-",
        "Files/App/a.txt:Zone.Identifier|0|0o100644||-|-|-",
        "UtilityVM/Files/a.txt|1|0o100644|Files/App/a.txt|-|-|-",
        "Files/App/junction|2|0o120777|/??/C:/App|16|-|1",
        "Files/App/.wh.gone|0|0o100644||-|-|-",
    ] {
        assert!(
            output.lines().any(|found| found == line),
            "{line} is not in:\n{output}"
        );
    }
}

/// Archives of the crate `tar`: GNU long names, headers without records.
#[test]
fn archives_of_others_are_read() {
    let mut builder = tar::Builder::new(Vec::new());
    let long = format!("Files/{}", "x/".repeat(90) + "file");
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o644);
    header.set_mtime(7);
    builder
        .append_data(&mut header, &long, &b"ab"[..])
        .expect("written");
    let mut directory = tar::Header::new_ustar();
    directory.set_entry_type(tar::EntryType::Directory);
    directory.set_size(0);
    builder
        .append_data(&mut directory, "Files/plain/", &b""[..])
        .expect("written");
    let entries = read_all(&builder.into_inner().expect("written")).expect("well-formed");
    assert_eq!(entries[0].0.path.as_str(), long);
    assert_eq!(entries[0].0.metadata.modified, FileTime::from_unix(7, 0));
    assert_eq!(entries[0].0.metadata.attributes, attributes::ARCHIVE);
    assert_eq!(entries[1].0.metadata.attributes, attributes::DIRECTORY);
}

/// An archive of one entry, with a name and type that our writer would refuse.
fn raw(name: &str, kind: tar::EntryType, link: &str, records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_pax_extensions(records.iter().copied())
        .expect("written");
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_cksum();
    builder.append(&header, &b""[..]).expect("written");
    builder.into_inner().expect("written")
}

#[test]
fn hostile_entries_are_refused_by_name() {
    use tar::EntryType::{Block, Fifo, Link, Regular, Symlink};
    type Case<'a> = (
        &'a str,
        tar::EntryType,
        &'a str,
        &'a [(&'a str, &'a [u8])],
        &'a str,
    );
    let cases: &[Case<'_>] = &[
        ("/etc/passwd", Regular, "", &[], "path not allowed"),
        ("Files/../../x", Regular, "", &[], "path not allowed"),
        ("Files/CON", Regular, "", &[], "path not allowed"),
        ("Files/a", Link, "../../etc/passwd", &[], "path not allowed"),
        ("Files/a:s", Regular, "", &[], "stream without"),
        ("Files/a", Block, "", &[], "not allowed in a layer"),
        ("Files/a", Fifo, "", &[], "not allowed in a layer"),
        (
            "Hives/.wh.System_Delta",
            Regular,
            "",
            &[],
            "whiteout not allowed",
        ),
        (
            "UtilityVM/.wh.Files",
            Regular,
            "",
            &[],
            "whiteout not allowed",
        ),
        ("Files/.wh...", Regular, "", &[], "path not allowed"),
        ("Files/.wh.", Regular, "", &[], "path not allowed"),
        (
            "Files/a",
            Symlink,
            "x",
            &[("MSWINDOWS.fileattr", b"x")],
            "malformed record",
        ),
        (
            "Files/a",
            Regular,
            "",
            &[("path", b"Files/b/../c")],
            "path not allowed",
        ),
        (
            "Files/a",
            Regular,
            "",
            &[("path", b"Files/\xff")],
            "path not allowed",
        ),
        (
            "Files/a",
            Regular,
            "",
            &[("size", b"-1")],
            "malformed record",
        ),
        (
            "Files/a",
            Regular,
            "",
            &[("mtime", b"soon")],
            "malformed record",
        ),
        (
            "Files/a",
            Regular,
            "",
            &[("MSWINDOWS.rawsd", b"!")],
            "malformed record",
        ),
    ];
    for (name, kind, link, records, message) in cases {
        let error = read_all(&raw(name, *kind, link, records)).expect_err(name);
        assert!(error.to_string().contains(message), "{name}: {error}");
    }
}

#[test]
fn opaque_directories_are_understood() {
    let entries = read_all(&raw(
        "Files/App/.wh..wh..opq",
        tar::EntryType::Regular,
        "",
        &[],
    ))
    .expect("well-formed");
    assert_eq!(
        (entries[0].0.path.as_str(), &entries[0].0.kind),
        ("Files/App", &EntryKind::Opaque)
    );
}

#[test]
fn halves_of_surrogate_pairs_are_set_aside_and_other_bytes_refused() {
    use tar::EntryType::{Link, Regular, Symlink};
    let broken: &[u8] = b"Files/a\xed\xa0\x80b";
    let stream: &[u8] = b"Files/a\xed\xa0\x80b:zone";
    for (kind, records) in [
        (Regular, [("path", broken)]),
        (Regular, [("path", stream)]),
        (Link, [("linkpath", broken)]),
        (Symlink, [("linkpath", broken)]),
    ] {
        let entries = read_all(&raw("Files/x", kind, "", &records)).expect("well-formed");
        assert_eq!(entries[0].0.kind, EntryKind::SetAside);
    }
    let entries = read_all(&raw("Files/x", Regular, "", &[("path", broken)])).expect("well-formed");
    assert_eq!(entries[0].0.path.as_str(), "Files/a\u{fffd}b");
    for bad in [
        &b"Files/\xed\xa0"[..],
        b"Files/\xc0\x80",
        b"Files/\xed\xa0\x80/../x",
    ] {
        assert!(read_all(&raw("Files/x", Regular, "", &[("path", bad)])).is_err());
    }
}

#[test]
fn records_without_end_are_refused() {
    let value = "x".repeat(20_000);
    let global = |key: &str| {
        let record = format!("{key}={value}\n");
        let content = format!("{} {record}", record.len() + 6);
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::XGlobalHeader);
        header.set_size(content.len() as u64);
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder
            .append(&header, content.as_bytes())
            .expect("written");
        builder.into_inner().expect("written")
    };
    let error = read_all(&global("a")).expect_err("too large");
    assert!(matches!(error.kind, LayerErrorKind::RecordsTooLarge));
    let one = raw(
        "Files/x",
        tar::EntryType::Regular,
        "",
        &[("comment", value.as_bytes())],
    );
    // The header and records of one entry, again and again, and no entry.
    let about = &one[..one.len() - 1536];
    let error = read_all(&about.repeat(60)).expect_err("too large");
    assert!(matches!(error.kind, LayerErrorKind::RecordsTooLarge));
}

#[test]
fn truncated_layers_are_refused() {
    let archive = sample();
    // The end without its blocks of zeros is taken; every other cut is noticed.
    for cut in (1..archive.len() - 1024).step_by(97) {
        let result = read_all(&archive[..cut]);
        if cut % 512 != 0 {
            let error = result.expect_err("cut");
            assert!(
                matches!(
                    error.kind,
                    LayerErrorKind::Truncated | LayerErrorKind::Header
                ),
                "{cut}: {error}"
            );
        }
    }
}

#[test]
fn content_of_another_length_than_announced_is_refused() {
    let mut layer = LayerWriter::new(Vec::new());
    let error = layer
        .file(&path("Files/a"), &Metadata::file(), 4, &mut &b"abc"[..])
        .expect_err("too short");
    assert!(matches!(error.kind, LayerErrorKind::Length));
    assert!(layer.stream("a:b", 0, &mut &b""[..]).is_err());
}

proptest! {
    #[test]
    fn any_file_comes_back(
        name in "[^/\\\\:<>\"|?*\u{0}-\u{1f}]{1,120}",
        attributes in any::<u32>(),
        modified in any::<u64>(),
        created in any::<u64>(),
        security in prop::option::of(prop::collection::vec(any::<u8>(), 1..300)),
        extended in prop::collection::btree_map("[A-Z$.]{1,8}", prop::collection::vec(any::<u8>(), 1..40), 0..3),
        content in prop::collection::vec(any::<u8>(), 0..1500),
    ) {
        let Ok(path) = LayerPath::new(&format!("Files/{name}")) else { return Ok(()) };
        prop_assume!(!name.starts_with(".wh."));
        let metadata = Metadata {
            attributes,
            security,
            sddl: None,
            modified: FileTime(modified),
            created: FileTime(created),
            extended: extended.into_iter().collect::<BTreeMap<_, _>>(),
        };
        let mut layer = LayerWriter::new(Vec::new());
        layer.file(&path, &metadata, content.len() as u64, &mut content.as_slice()).expect("written");
        let entries = read_all(&layer.finish().expect("written")).expect("well-formed");
        prop_assert_eq!(entries.len(), 2);
        let (entry, read) = &entries[1];
        prop_assert_eq!(&entry.path, &path);
        prop_assert_eq!(&entry.metadata, &metadata);
        prop_assert_eq!(read, &content);
    }

    #[test]
    fn damaged_layers_never_crash(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut archive = sample();
        for (at, byte) in damage {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        let _ = read_all(&archive);
    }
}
