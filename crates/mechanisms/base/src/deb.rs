//! Reads the files of a Debian package.
//!
//! A package is an `ar` archive; its member `data.tar.xz` holds the files.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;

use liblzma::read::XzDecoder;

use crate::error::{Error, IoContext, Result};

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;

/// A file of a package.
pub(crate) enum Content {
    /// An ordinary file.
    File(Vec<u8>),
    /// A symbolic link and where it leads.
    Link(String),
}

/// Calls `wanted` with the path of each file of the package (without a leading `./`), and `take`
/// with path and content of those that are, until it breaks off. Also gives `take` the time of last
/// change, in seconds.
pub(crate) fn read(
    path: &Path,
    mut wanted: impl FnMut(&str) -> bool,
    mut take: impl FnMut(&str, Content, u64) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let file = BufReader::with_capacity(1 << 20, File::open(path).at("open package", path)?);
    let mut archive = tar::Archive::new(XzDecoder::new(data_member(file, path)?));
    for entry in archive.entries().at("read package", path)? {
        let mut entry = entry.at("read package", path)?;
        let name = entry
            .path()
            .at("read package", path)?
            .to_string_lossy()
            .into_owned();
        let name = name.strip_prefix("./").unwrap_or(&name);
        if !wanted(name) {
            continue;
        }
        let kind = entry.header().entry_type();
        let time = entry.header().mtime().at("read package", path)?;
        let content = if kind.is_file() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).at("unpack package", path)?;
            Content::File(bytes)
        } else if kind.is_symlink() {
            let target = entry
                .link_name()
                .at("read package", path)?
                .unwrap_or_default();
            Content::Link(target.to_string_lossy().into_owned())
        } else {
            continue;
        };
        if take(name, content, time)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The reader at the start of `data.tar.xz`.
fn data_member<R: Read>(mut reader: R, path: &Path) -> Result<io::Take<R>> {
    let malformed =
        |message: &str| Error::malformed("read package", path.display().to_string(), message);
    let mut magic = [0; MAGIC.len()];
    reader.read_exact(&mut magic).at("read package", path)?;
    if magic != MAGIC {
        return Err(malformed("not a Debian package"));
    }
    loop {
        let mut header = [0; HEADER];
        reader
            .read_exact(&mut header)
            .map_err(|_| malformed("it has no data.tar.xz"))?;
        let text = std::str::from_utf8(&header).map_err(|_| malformed("bad member header"))?;
        let size: u64 = text[48..58]
            .trim()
            .parse()
            .map_err(|_| malformed("bad member size"))?;
        if text[..16].trim_end().trim_end_matches('/') == "data.tar.xz" {
            return Ok(reader.take(size));
        }
        let skipped = io::copy(
            &mut reader.by_ref().take(size.next_multiple_of(2)),
            &mut io::sink(),
        );
        skipped.at("read package", path)?;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use liblzma::write::XzEncoder;

    use super::*;

    fn package(member: &str) -> Vec<u8> {
        let mut tar = tar::Builder::new(XzEncoder::new(Vec::new(), 1));
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_mtime(7);
        header.set_mode(0o644);
        tar.append_data(&mut header, "./usr/a", &b"abc"[..])
            .unwrap();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "./usr/b", "a").unwrap();
        let data = tar.into_inner().unwrap().finish().unwrap();
        let mut output = MAGIC.to_vec();
        for (name, content) in [("debian-binary", &b"2.0"[..]), (member, &data)] {
            writeln!(
                output,
                "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`",
                0,
                0,
                0,
                100_644,
                content.len()
            )
            .unwrap();
            output.extend_from_slice(content);
            if content.len() % 2 == 1 {
                output.push(b'\n');
            }
        }
        output
    }

    fn names(bytes: &[u8]) -> Result<Vec<String>> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.deb");
        fs::write(&path, bytes).unwrap();
        let mut names = Vec::new();
        read(
            &path,
            |name| name.starts_with("usr/"),
            |name, content, time| {
                let what = match content {
                    Content::File(bytes) => String::from_utf8(bytes).unwrap(),
                    Content::Link(target) => format!("-> {target}"),
                };
                names.push(format!("{name} {what} {time}"));
                Ok(ControlFlow::Continue(()))
            },
        )?;
        Ok(names)
    }

    #[test]
    fn reads_files_and_links() {
        assert_eq!(
            names(&package("data.tar.xz")).unwrap(),
            ["usr/a abc 7", "usr/b -> a 7"]
        );
    }

    #[test]
    fn refuses_other_files() {
        let whole = package("data.tar.xz");
        for bytes in [
            &b"!<arch>\n"[..],
            b"nothing of the kind",
            &package("data.tar.zst"),
            &whole[..whole.len() / 2],
        ] {
            assert!(names(bytes).is_err());
        }
    }
}
