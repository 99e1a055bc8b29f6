//! Downloads packages into the cache: by content, resumable.
//!
//! A package lies in `debs/<sha256>.deb` when all of it is there and its digest is right; until
//! then in `debs/<sha256>.part`, which the next attempt continues.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use porthole_files::rename_synced;

use crate::digest;
use crate::error::{IoContext, Result};
use crate::mirror::Mirror;
use crate::packages::Package;
use crate::progress::Progress;

/// The downloaded packages.
pub(crate) struct Downloads {
    directory: PathBuf,
}

impl Downloads {
    /// Those in `directory`, which is made when it is missing.
    pub(crate) fn open(directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(&directory).at("create directory", &directory)?;
        Ok(Self { directory })
    }

    /// Where a package lies once it is complete.
    pub(crate) fn path(&self, package: &Package) -> PathBuf {
        self.directory.join(format!("{}.deb", package.sha256))
    }

    /// Fetches the packages that are not there yet.
    pub(crate) fn fetch(
        &self,
        mirror: &Mirror,
        packages: &[&Package],
        progress: &dyn Progress,
    ) -> Result<()> {
        let missing: Vec<_> = packages
            .iter()
            .copied()
            .filter(|package| !self.path(package).exists())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let total = missing.iter().map(|package| package.size).sum();
        progress.begin(&format!("downloading {} packages", missing.len()), total);
        missing
            .iter()
            .try_for_each(|package| self.fetch_one(mirror, package, progress))
    }

    fn fetch_one(&self, mirror: &Mirror, package: &Package, progress: &dyn Progress) -> Result<()> {
        let partial = self.directory.join(format!("{}.part", package.sha256));
        receive(mirror, package, &partial, progress)?;
        let actual = digest::of_file(&partial).at("read download", &partial)?;
        if actual != package.sha256 {
            let _ = fs::remove_file(&partial);
            let message = "its digest is not the one that the mirror's signed index names";
            return Err(mirror.distrust(&package.path, message));
        }
        let complete = self.path(package);
        rename_synced(&partial, &complete).at("keep download", &complete)
    }
}

/// Appends to `partial` until it has the package's size. A mirror that cannot continue sends the
/// whole file, which then begins anew.
fn receive(
    mirror: &Mirror,
    package: &Package,
    partial: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    let have = fs::metadata(partial).map_or(0, |metadata| metadata.len());
    if have == package.size {
        progress.advance(have);
        return Ok(());
    }
    let offset = if have < package.size { have } else { 0 };
    let transfer = mirror.get(&package.path, offset, package.size)?;
    let mut file = open_partial(partial, transfer.is_continued).at("write download", partial)?;
    let start = if transfer.is_continued { offset } else { 0 };
    progress.advance(start);
    let mut received = start;
    let copied = transfer.copy(package.size - start, &mut |piece| {
        file.write_all(piece)?;
        received += piece.len() as u64;
        progress.advance(piece.len() as u64);
        Ok(())
    });
    match copied {
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            Err(error).at("write download", partial)
        }
        Err(error) => Err(mirror.broken(&package.path, error)),
        Ok(()) if received != package.size => {
            let message = format!("{received} bytes came instead of {}", package.size);
            Err(mirror.failure(&package.path, message))
        }
        Ok(()) => file.sync_all().at("sync download", partial),
    }
}

fn open_partial(path: &Path, is_continued: bool) -> std::io::Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .append(is_continued)
        .truncate(!is_continued)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::error::ErrorKind;
    use crate::progress::Silent;

    const CONTENT: &[u8] = b"the whole content of a package";

    fn package() -> Package {
        Package {
            name: "p".to_owned(),
            architecture: "amd64".to_owned(),
            version: "1".to_owned(),
            path: "pool/p.deb".to_owned(),
            size: CONTENT.len() as u64,
            sha256: digest::of(CONTENT),
        }
    }

    /// Serves `CONTENT` from the offset that each of `connections` requests asks for; the first
    /// breaks off after `limit` bytes.
    fn serve(connections: usize, limit: usize) -> String {
        let served = AtomicUsize::new(0);
        serve_by(connections, move |mut stream, start| {
            let status = if start > 0 {
                "206 Partial Content"
            } else {
                "200 OK"
            };
            let rest = &CONTENT[start..];
            let head = format!(
                "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                rest.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            let is_first = served.fetch_add(1, Ordering::Relaxed) == 0;
            let end = if is_first {
                limit.min(rest.len())
            } else {
                rest.len()
            };
            stream.write_all(&rest[..end]).unwrap();
        })
    }

    /// Answers `connections` requests by `answer`, which is told the offset that they ask for.
    fn serve_by(connections: usize, answer: impl Fn(TcpStream, usize) + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming().take(connections) {
                let mut stream = stream.unwrap();
                let mut request = vec![0; 4096];
                let count = stream.read(&mut request).unwrap();
                let request = String::from_utf8_lossy(&request[..count]).to_lowercase();
                let range = request
                    .lines()
                    .find_map(|line| line.strip_prefix("range: bytes="));
                let start = range.map_or(0, |range| {
                    range.trim_end_matches('-').parse::<usize>().unwrap()
                });
                answer(stream, start);
            }
        });
        url
    }

    /// Fetches the package; the error, and the sizes of the files that are left.
    fn failed_fetch(mirror: &Mirror) -> (ErrorKind, Vec<u64>) {
        let directory = tempfile::tempdir().unwrap();
        let downloads = Downloads::open(directory.path().join("debs")).unwrap();
        let error = downloads.fetch(mirror, &[&package()], &Silent).unwrap_err();
        let left = fs::read_dir(&downloads.directory).unwrap();
        let sizes = left.map(|entry| entry.unwrap().metadata().unwrap().len());
        (error.kind(), sizes.collect())
    }

    #[test]
    fn a_mirror_that_never_ends_does_not_fill_the_disk() {
        let url = serve_by(1, |mut stream, _| {
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            // Until the other side hangs up.
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
        let (kind, left) = failed_fetch(&Mirror::new(&url));
        assert_eq!(kind, ErrorKind::Untrusted);
        let size = CONTENT.len() as u64;
        assert!(left.iter().all(|&left| left <= size), "{left:?}");
    }

    #[test]
    fn a_mirror_that_falls_silent_is_given_up() {
        let url = serve_by(1, |mut stream, _| {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                CONTENT.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&CONTENT[..7]).unwrap();
            // Until the other side hangs up.
            let _ = stream.read(&mut [0]);
        });
        let mirror = Mirror::with_patience(&url, Duration::from_millis(200));
        let (kind, left) = failed_fetch(&mirror);
        assert_eq!((kind, left), (ErrorKind::Mirror, vec![7]));
    }

    #[test]
    fn continues_what_broke_off() {
        let directory = tempfile::tempdir().unwrap();
        let downloads = Downloads::open(directory.path().join("debs")).unwrap();
        let mirror = Mirror::new(&serve(2, 10));
        let first = downloads
            .fetch(&mirror, &[&package()], &Silent)
            .unwrap_err();
        assert_eq!(first.kind(), ErrorKind::Mirror);
        assert!(!downloads.path(&package()).exists());
        let partial = downloads
            .directory
            .join(format!("{}.part", package().sha256));
        assert_eq!(fs::read(partial).unwrap(), &CONTENT[..10]);
        downloads.fetch(&mirror, &[&package()], &Silent).unwrap();
        assert_eq!(fs::read(downloads.path(&package())).unwrap(), CONTENT);
        downloads
            .fetch(&mirror, &[&package()], &Silent)
            .expect("nothing left to fetch");
    }

    #[test]
    fn other_bytes_are_refused_and_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let downloads = Downloads::open(directory.path().join("debs")).unwrap();
        let other = Package {
            sha256: digest::of(b"other"),
            ..package()
        };
        let error = downloads
            .fetch(&Mirror::new(&serve(1, 1000)), &[&other], &Silent)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Untrusted);
        assert_eq!(fs::read_dir(&downloads.directory).unwrap().count(), 0);
    }

    #[test]
    fn an_unreachable_mirror_has_a_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let downloads = Downloads::open(directory.path().join("debs")).unwrap();
        let error = downloads
            .fetch(&Mirror::new("http://127.0.0.1:1"), &[&package()], &Silent)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mirror);
        assert!(error.remedy().unwrap().contains("--mirror"));
    }
}
