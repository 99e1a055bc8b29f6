//! Whole conversations over a socket.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;

use porthole_protocol::archive::Kind;
use rustix::fs::{Mode, OFlags};

use super::*;
use crate::drive::Ownership;

/// Asks for one thing on the drive at `c`; all replies but data, and the data.
fn ask(c: &Path, request: &Request, archive: &[u8]) -> (Vec<Reply>, Vec<u8>) {
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    let root = rustix::fs::open(c, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let server =
        std::thread::spawn(move || serve(&mut theirs, |_| Ok(Drive::new(root, Ownership::Caller))));
    frame::write(&mut ours, &Hello::new(VERSION)).unwrap();
    let _: Hello = frame::read(&mut ours).unwrap();
    frame::write(&mut ours, request).unwrap();
    let ready: Reply = frame::read(&mut ours).unwrap();
    assert_eq!(ready, Reply::Ready);
    if let Request::Write { .. } = request {
        // The server may have answered already, and gone.
        let _ = archive
            .chunks(CHUNK)
            .map(|piece| Piece::Data(piece.to_vec()))
            .chain([Piece::End])
            .try_for_each(|piece| frame::write(&mut ours, &piece));
    }
    let (mut replies, mut data) = (Vec::new(), Vec::new());
    loop {
        match frame::read(&mut ours).unwrap() {
            Reply::Data(bytes) => data.extend(bytes),
            reply => {
                let is_last = matches!(reply, Reply::Done | Reply::Failed(_));
                replies.push(reply);
                if is_last {
                    break;
                }
            }
        }
    }
    server.join().unwrap().unwrap();
    (replies, data)
}

fn place(text: &str) -> Place {
    Place {
        components: text
            .split('/')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        is_directory: text.ends_with('/'),
    }
}

fn read(c: &Path, from: &str, name: &str) -> Vec<u8> {
    let request = Request::Read {
        place: place(from),
        name: name.to_owned(),
    };
    let (replies, data) = ask(c, &request, &[]);
    assert_eq!(replies.last(), Some(&Reply::Done), "{replies:?}");
    data
}

fn write(c: &Path, to: &str, archive: &[u8]) -> Result<(), (FailureKind, String)> {
    write_as(c, to, archive, true)
}

fn write_as(
    c: &Path,
    to: &str,
    archive: &[u8],
    keeps_kinds: bool,
) -> Result<(), (FailureKind, String)> {
    let request = Request::Write {
        place: place(to),
        keeps_kinds,
    };
    match ask(c, &request, archive).0.pop() {
        Some(Reply::Done) => Ok(()),
        Some(Reply::Failed(failure)) => Err((failure.kind, failure.message)),
        other => panic!("{other:?}"),
    }
}

fn names(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        String::from_utf8(entry.path_bytes().into_owned()).unwrap()
    });
    entries.collect()
}

/// An archive of one entry, its name not checked.
fn one(kind: tar::EntryType, name: &str, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_mtime(1_700_000_000);
    header.set_size(content.len() as u64);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, content).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn streams_go_both_ways_beside_their_files() {
    use tar::EntryType::{Directory, Regular};
    let c = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let whole = one(Regular, name, "", content.as_bytes());
        whole[..whole.len() - 1024].to_vec()
    };
    let both = [
        file("d/File", "f"),
        one(Regular, "d/FILE:zone:$DATA", "", b"z"),
    ]
    .concat();
    write(c.path(), "", &both).unwrap();
    assert_eq!(
        fs::read_to_string(c.path().join("d/File:zone")).unwrap(),
        "z"
    );
    assert_eq!(
        names(&read(c.path(), "d", "d")),
        ["d/", "d/File", "d/File:zone"]
    );
    for (archive, why) in [
        (one(Regular, "d/absent:s", "", b""), "of nothing"),
        (one(Directory, "d/File:s", "", b""), "is a file"),
    ] {
        let (kind, message) = write(c.path(), "", &archive).unwrap_err();
        assert!(
            kind == FailureKind::BadArchive && message.contains(why),
            "{message}"
        );
    }
}

#[test]
fn a_directory_comes_back_as_it_was() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let long = "long-".repeat(30);
    fs::create_dir_all(from.path().join("App/Ünï")).unwrap();
    fs::write(from.path().join("App/Ünï/中文.txt"), "text").unwrap();
    fs::write(from.path().join("App").join(&long), vec![7; 200_000]).unwrap();
    fs::write(from.path().join("App/read-only"), "").unwrap();
    let read_only = from.path().join("App/read-only");
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o444)).unwrap();
    symlink("Ünï", from.path().join("App/link")).unwrap();
    let archive = read(from.path(), "APP", "App");
    let long_name = format!("App/{long}");
    let expected = [
        "App/",
        "App/link",
        &long_name,
        "App/read-only",
        "App/Ünï/",
        "App/Ünï/中文.txt",
    ];
    assert_eq!(names(&archive), expected);
    write(to.path(), "", &archive).unwrap();
    assert_eq!(read(to.path(), "app", "App"), archive);
    assert_eq!(
        fs::read(to.path().join("App").join(&long)).unwrap().len(),
        200_000
    );
    let mode = fs::metadata(to.path().join("App/read-only")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o444);
}

#[test]
fn names_in_an_archive_begin_as_clients_expect() {
    let c = tempfile::tempdir().unwrap();
    fs::create_dir(c.path().join("d")).unwrap();
    fs::write(c.path().join("d/f"), "").unwrap();
    assert_eq!(names(&read(c.path(), "d/", ".")), ["./", "./f"]);
    assert_eq!(names(&read(c.path(), "", "")), ["/", "/d/", "/d/f"]);
    assert_eq!(names(&read(c.path(), "D/F", "F")), ["F"]);
}

#[test]
fn places_are_described() {
    let c = tempfile::tempdir().unwrap();
    fs::create_dir(c.path().join("Dir")).unwrap();
    fs::write(c.path().join("Dir/f.exe"), "12345").unwrap();
    symlink("../Dir/./f.exe", c.path().join("Dir/link")).unwrap();
    let stat = |text: &str| match ask(c.path(), &Request::Stat(place(text)), &[]).0.remove(0) {
        Reply::Stat(stat) => Ok(stat),
        Reply::Failed(failure) => Err(failure.kind),
        other => panic!("{other:?}"),
    };
    let file = stat("DIR/F.EXE").unwrap();
    assert_eq!((file.kind, file.size), (Kind::File, 5));
    let link = stat("dir/link").unwrap();
    assert_eq!(link.kind, Kind::Link);
    assert_eq!(link.link_target, ["Dir", "f.exe"]);
    symlink("/etc/../Dir/no/such", c.path().join("dangling")).unwrap();
    let dangling = stat("dangling").unwrap();
    assert_eq!(dangling.link_target, ["Dir", "no", "such"]);
    assert_eq!(stat("dir/").unwrap().kind, Kind::Directory);
    assert_eq!(stat("dir/f.exe/").unwrap_err(), FailureKind::NotADirectory);
    assert_eq!(stat("absent").unwrap_err(), FailureKind::NotFound);
}

#[test]
fn names_that_are_there_keep_their_case() {
    let c = tempfile::tempdir().unwrap();
    fs::create_dir(c.path().join("Data")).unwrap();
    fs::write(c.path().join("Data/ReadMe.txt"), "old").unwrap();
    write(
        c.path(),
        "DATA",
        &one(tar::EntryType::Regular, "readme.TXT", "", b"new"),
    )
    .unwrap();
    let entries: Vec<_> = fs::read_dir(c.path().join("Data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(entries, ["ReadMe.txt"]);
    assert_eq!(fs::read(c.path().join("Data/ReadMe.txt")).unwrap(), b"new");
}

#[test]
fn kinds_are_kept_when_asked_with_dockers_words() {
    let c = tempfile::tempdir().unwrap();
    fs::create_dir_all(c.path().join("d/below")).unwrap();
    fs::write(c.path().join("d/below/f"), "").unwrap();
    fs::write(c.path().join("f"), "").unwrap();
    let file = one(tar::EntryType::Regular, "d", "", b"x");
    let directory = one(tar::EntryType::Directory, "f/", "", b"");
    let refused = write(c.path(), "", &file).unwrap_err().1;
    assert_eq!(
        refused,
        r#"cannot overwrite directory "d" with non-directory "C:\\""#
    );
    let refused = write(c.path(), "", &directory).unwrap_err().1;
    assert_eq!(
        refused,
        r#"cannot overwrite non-directory "f/" with directory "C:\\""#
    );
    write_as(c.path(), "", &file, false).unwrap();
    write_as(c.path(), "", &directory, false).unwrap();
    assert!(c.path().join("d").is_file() && c.path().join("f").is_dir());
}

#[test]
fn nothing_in_an_archive_leads_out() {
    use tar::EntryType;
    let outside = tempfile::tempdir().unwrap();
    let c = outside.path().join("c");
    fs::create_dir_all(c.join("in")).unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink("../../secret", c.join("in/host")).unwrap();
    symlink("../..", c.join("in/up")).unwrap();
    for (kind, name, link) in [
        (EntryType::Regular, "../x", ""),
        (EntryType::Regular, "/x", ""),
        (EntryType::Regular, r"C:\x", ""),
        (EntryType::Regular, "a/../../x", ""),
        (EntryType::Regular, "nul.txt", ""),
        (EntryType::Regular, "file:stream", ""),
        (EntryType::Symlink, "l", "../../secret"),
        (EntryType::Symlink, "l", r"D:\x"),
        (EntryType::Link, "l", "../secret"),
        (EntryType::Link, "l", "host"),
        (EntryType::Link, "l", "/secret"),
        (EntryType::Char, "device", ""),
        (EntryType::Block, "device", ""),
        (EntryType::Fifo, "fifo", ""),
    ] {
        let (failure, message) = write(&c, "in", &one(kind, name, link, b"")).unwrap_err();
        assert_eq!(failure, FailureKind::BadArchive, "{message}");
        assert!(message.contains(&format!("{name:?}")), "{message}");
    }
    // Links that are there already lead back into the drive.
    write(&c, "in", &one(EntryType::Regular, "up/y", "", b"y")).unwrap();
    write(&c, "in", &one(EntryType::Regular, "host", "", b"z")).unwrap();
    assert_eq!(fs::read(c.join("y")).unwrap(), b"y");
    assert_eq!(fs::read(c.join("in/host")).unwrap(), b"z");
    let mut left: Vec<_> = fs::read_dir(outside.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["c", "secret"]);
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(c.join("in")).unwrap().count(), 2);
}

#[test]
fn a_file_of_the_host_behind_a_link_is_not_read() {
    let outside = tempfile::tempdir().unwrap();
    let c = outside.path().join("c");
    fs::create_dir(&c).unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink("../secret", c.join("link")).unwrap();
    symlink("..", c.join("up")).unwrap();
    assert_eq!(names(&read(&c, "link", "link")), ["link"]);
    assert_eq!(names(&read(&c, "up/", ".")), ["./", "./link", "./up"]);
    let request = Request::Stat(place("up/secret"));
    let (replies, _) = ask(&c, &request, &[]);
    assert!(matches!(&replies[0], Reply::Failed(failure) if failure.kind == FailureKind::NotFound));
}

#[test]
fn archives_come_compressed_too() {
    let plain = one(tar::EntryType::Regular, "f", "", b"content");
    let mut gzip = flate2::read::GzEncoder::new(Cursor::new(&plain), flate2::Compression::fast());
    let mut xz = liblzma::read::XzEncoder::new(Cursor::new(&plain), 1);
    let (mut zipped, mut xzipped) = (Vec::new(), Vec::new());
    gzip.read_to_end(&mut zipped).unwrap();
    xz.read_to_end(&mut xzipped).unwrap();
    let zstd = zstd::encode_all(Cursor::new(&plain), 1).unwrap();
    for archive in [&plain, &zipped, &xzipped, &zstd] {
        let c = tempfile::tempdir().unwrap();
        write(c.path(), "", archive).unwrap();
        assert_eq!(fs::read(c.path().join("f")).unwrap(), b"content");
    }
    let c = tempfile::tempdir().unwrap();
    let (kind, message) = write(c.path(), "", b"BZh91AY&SY").unwrap_err();
    assert_eq!(kind, FailureKind::BadArchive);
    assert!(message.contains("bzip2"), "{message}");
}

#[test]
fn headers_are_bounded_and_what_is_no_archive_is_told() {
    let c = tempfile::tempdir().unwrap();
    let long = vec![b'x'; 2 << 20];
    let archive = one(tar::EntryType::GNULongName, "././@LongLink", "", &long);
    let (kind, message) = write(c.path(), "", &archive).unwrap_err();
    assert_eq!(kind, FailureKind::BadArchive);
    assert!(message.contains("exceed"), "{message}");
    assert_eq!(
        write(c.path(), "", &[1; 4096]).unwrap_err().0,
        FailureKind::BadArchive
    );
    let cut = &one(tar::EntryType::Regular, "f", "", &[1; 4096])[..1024];
    assert_eq!(
        write(c.path(), "", cut).unwrap_err().0,
        FailureKind::BadArchive
    );
    assert_eq!(
        write(c.path(), "absent", &[]).unwrap_err().0,
        FailureKind::NotFound
    );
    fs::write(c.path().join("file"), "").unwrap();
    let not = write(c.path(), "file", &[]).unwrap_err();
    assert_eq!(not.1, "extraction point is not a directory");
    assert_eq!(not.0, FailureKind::NotADirectory);
}
