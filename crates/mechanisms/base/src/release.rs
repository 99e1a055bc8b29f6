//! A Debian archive's Release file: which index files it has, by digest.

use crate::error::{Error, Result};

/// What is needed of a Release file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    /// For example `trixie`.
    pub(crate) codename: String,
    /// When it was made, as it says.
    pub(crate) date: String,
    /// Whether index files can also be had under their digest.
    pub(crate) by_hash: bool,
    indices: Vec<Index>,
}

/// An index file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    /// Its path, relative to the Release file's directory.
    pub(crate) path: String,
    /// In bytes.
    pub(crate) size: u64,
    /// In lower-case hexadecimal digits.
    pub(crate) sha256: String,
}

impl Release {
    /// Reads the text whose signature has been checked.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut release = Self {
            codename: String::new(),
            date: String::new(),
            by_hash: false,
            indices: Vec::new(),
        };
        let mut in_sha256 = false;
        for line in text.lines() {
            if let Some(entry) = line.strip_prefix(' ') {
                if in_sha256 {
                    release.indices.push(parse_index(entry)?);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            in_sha256 = field == "SHA256";
            match field {
                "Codename" => release.codename = value.trim().to_owned(),
                "Date" => release.date = value.trim().to_owned(),
                "Acquire-By-Hash" => release.by_hash = value.trim() == "yes",
                _ => {}
            }
        }
        Ok(release)
    }

    /// The index file at `path`.
    pub(crate) fn index(&self, path: &str) -> Result<&Index> {
        self.indices
            .iter()
            .find(|index| index.path == path)
            .ok_or_else(|| {
                Error::malformed("look up index", path, "the Release file does not list it")
            })
    }
}

fn parse_index(line: &str) -> Result<Index> {
    let mut words = line.split_ascii_whitespace();
    let parsed = (|| {
        let sha256 = words.next().filter(|digest| digest.len() == 64)?;
        let size = words.next()?.parse().ok()?;
        let path = words.next()?;
        Some(Index {
            path: path.to_owned(),
            size,
            sha256: sha256.to_ascii_lowercase(),
        })
    })();
    parsed
        .ok_or_else(|| Error::malformed("read Release file", line, "not a line of its SHA256 list"))
}

#[cfg(test)]
mod tests {
    use super::Release;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn only_the_sha256_list_counts() {
        let text = format!(
            "Codename: trixie\nDate: Sat, 21 Nov 2026 09:15:44 UTC\nAcquire-By-Hash: yes\nMD5Sum:\n \
             00 1 main/a\nSHA256:\n {DIGEST} 12 main/a\n"
        );
        let release = Release::parse(&text).unwrap();
        assert_eq!(release.codename, "trixie");
        assert!(release.by_hash);
        assert_eq!(release.index("main/a").unwrap().size, 12);
        assert!(release.index("main/b").is_err());
    }

    #[test]
    fn a_bad_line_is_an_error() {
        assert!(Release::parse("SHA256:\n abc 12 main/a\n").is_err());
    }
}
