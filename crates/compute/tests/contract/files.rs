//! Files on C:.

use std::io::{self, Read};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use porthole_compute_service::files::{
    Answering, Archive, FailureKind, FilesError, Kind, Place, Request, Stat,
};
use porthole_hcs as hcs;

use crate::ground::Ground;

/// More than what is under way at once.
const LARGE: usize = 3 << 20;

fn place(path: &str) -> Place {
    let names = path.split('\\').filter(|name| !name.is_empty());
    Place {
        components: names.map(str::to_owned).collect(),
        is_directory: path.ends_with('\\'),
    }
}

/// An archive of one file.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).unwrap();
    builder.into_inner().unwrap()
}

struct Drive<'a> {
    ground: &'a Ground,
    id: &'a str,
    document: hcs::ComputeSystem,
}

impl Drive<'_> {
    async fn ask(&self, request: Request) -> Result<Answering, FilesError> {
        let settings = self.ground.settings();
        let service = &self.ground.service;
        let files = service.open_files(self.id, &self.document, &settings).await;
        files.unwrap().ask(&request).await
    }

    async fn begin_put(&self, directory: &str) -> Answering {
        let request = Request::Write {
            place: place(directory),
            keeps_kinds: true,
        };
        self.ask(request).await.unwrap()
    }

    async fn put(&self, directory: &str, archive: Vec<u8>) -> Result<(), FilesError> {
        let pieces: Vec<_> = archive
            .chunks(100_000)
            .map(|piece| io::Result::Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let answering = self.begin_put(directory).await;
        answering.unpack(stream::iter(pieces)).await
    }

    async fn read(&self, path: &str) -> Result<(Stat, Archive), FilesError> {
        let request = Request::Read {
            place: place(path),
            name: "it".to_owned(),
        };
        self.ask(request).await?.archive().await
    }

    /// The content of a file.
    async fn get(&self, path: &str) -> Vec<u8> {
        let (stat, archive) = self.read(path).await.unwrap();
        let archive: Vec<Bytes> = archive.try_collect().await.unwrap();
        let archive = archive.concat();
        let mut archive = tar::Archive::new(archive.as_slice());
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(&*entry.path_bytes(), b"it");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert_eq!((stat.kind, stat.size), (Kind::File, content.len() as u64));
        content
    }
}

pub(crate) async fn files_are_the_same_whether_the_system_runs_or_not(ground: &Ground) {
    let id = ground.id();
    let document = ground.document(&id);
    let drive = Drive {
        ground,
        id: &id,
        document: document.clone(),
    };
    drive
        .put("", archive("Before.txt", b"before"))
        .await
        .unwrap();
    assert_eq!(drive.get("before.TXT").await, b"before");
    let service = &ground.service;
    let system = service
        .create(&id, &document, &ground.settings())
        .await
        .unwrap();
    system.start().await.unwrap();
    assert_eq!(drive.get("Before.txt").await, b"before");
    let large: Vec<u8> = (0..250).cycle().take(LARGE).collect();
    drive.put("", archive("new/Large", &large)).await.unwrap();
    system.pause().await.unwrap();
    assert!(drive.get(r"NEW\large").await == large);
    system.resume().await.unwrap();
    system.terminate().await.unwrap();
    assert!(drive.get(r"new\Large").await == large);
    system.close().await.unwrap();
    assert!(drive.get(r"new\Large").await == large);
}

pub(crate) async fn what_cannot_be_copied_is_told(ground: &Ground) {
    let id = ground.id();
    let drive = Drive {
        ground,
        id: &id,
        document: ground.document(&id),
    };
    let refused = |error| match error {
        FilesError::Refused(failure) => failure.kind,
        other => panic!("{other:?}"),
    };
    let asked = drive.ask(Request::Stat(place("absent"))).await.unwrap();
    let missing = asked.stat().await.unwrap_err();
    assert_eq!(refused(missing), FailureKind::NotFound);
    let missing = drive.read("absent").await;
    assert_eq!(refused(missing.err().unwrap()), FailureKind::NotFound);
    // Far more than is read before the answer comes.
    let outside = archive("x", &vec![0; LARGE]);
    let bad = drive.put("absent", outside).await.unwrap_err();
    assert_eq!(refused(bad), FailureKind::NotFound);
    let bad = drive
        .put("", b"no archive at all".repeat(100))
        .await
        .unwrap_err();
    assert_eq!(refused(bad), FailureKind::BadArchive);
    let broken = stream::once(async { Err(io::Error::other("gone")) }).boxed();
    let bad = drive.begin_put("").await.unpack(broken).await;
    assert!(matches!(bad, Err(FilesError::BrokenOff(_))));
}
