//! A Debian archive's Packages file: where its packages are, by digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A package of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// The architecture whose index lists it.
    pub(crate) architecture: String,
    /// Debian's version, for example `10.0~repack-6`.
    pub(crate) version: String,
    /// Its path, relative to the archive.
    pub(crate) path: String,
    /// In bytes.
    pub(crate) size: u64,
    /// In lower-case hexadecimal digits.
    pub(crate) sha256: String,
}

/// Finds the packages `names` in the text of a Packages file. The text is signed by way of the
/// Release file, but a path out of the archive is refused all the same.
pub(crate) fn find(text: &str, architecture: &str, names: &[&str]) -> Result<Vec<Package>> {
    let mut found = BTreeMap::new();
    for stanza in text.split("\n\n") {
        let Some(name) = field(stanza, "Package") else {
            continue;
        };
        if names.contains(&name) {
            let package = parse(stanza, name, architecture).ok_or_else(|| {
                Error::malformed("read Packages file", name, "a field is missing or bad")
            })?;
            found.insert(name.to_owned(), package);
        }
    }
    let take = |name: &&str| {
        found.remove(*name).ok_or_else(|| {
            Error::malformed(
                "find package",
                *name,
                format!("the mirror does not list it for {architecture}"),
            )
        })
    };
    names.iter().map(take).collect()
}

fn parse(stanza: &str, name: &str, architecture: &str) -> Option<Package> {
    let path = field(stanza, "Filename")?;
    let sha256 = field(stanza, "SHA256")?.to_ascii_lowercase();
    let escapes = path.starts_with('/') || path.split('/').any(|part| part == "..");
    if escapes || sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some(Package {
        name: name.to_owned(),
        architecture: architecture.to_owned(),
        version: field(stanza, "Version")?.to_owned(),
        path: path.to_owned(),
        size: field(stanza, "Size")?.parse().ok()?,
        sha256,
    })
}

fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    let line = stanza
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim())
}

#[cfg(test)]
mod tests {
    use super::find;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn index(path: &str) -> String {
        format!(
            "Package: libwine-dev\nVersion: 1\n\nPackage: libwine\nVersion: 10.0~repack-6\nDescription: x\n y\n\
             Filename: {path}\nSize: 5\nSHA256: {DIGEST}\n\nPackage: z\n"
        )
    }

    #[test]
    fn finds_exact_names() {
        let found = find(&index("pool/w.deb"), "amd64", &["libwine"]).unwrap();
        assert_eq!(found[0].version, "10.0~repack-6");
        assert_eq!((found[0].path.as_str(), found[0].size), ("pool/w.deb", 5));
        assert!(find(&index("pool/w.deb"), "amd64", &["wine64"]).is_err());
    }

    #[test]
    fn refuses_what_is_incomplete_or_leads_out() {
        assert!(find(&index("pool/w.deb"), "amd64", &["z"]).is_err());
        for path in ["/etc/passwd", "../x", "pool/../../x"] {
            assert!(find(&index(path), "amd64", &["libwine"]).is_err());
        }
    }
}
