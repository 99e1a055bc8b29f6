//! Image references: `[domain/]path[:tag][@digest]`, by the grammar of the distribution project.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};

const DEFAULT_DOMAIN: &str = "docker.io";
const DEFAULT_TAG: &str = "latest";
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// A normalised image reference. Displays in the familiar form: no `docker.io/library/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The registry, for example `docker.io`.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The path in the registry, for example `library/golang` or `porthole/nanoserver`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if one was given.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The manifest's digest, if one was given.
    #[must_use]
    pub const fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The repository in its familiar form, for example `porthole/nanoserver`.
    #[must_use]
    pub fn repository(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return format!("{}/{}", self.domain, self.path);
        }
        let short = self
            .path
            .strip_prefix("library/")
            .filter(|rest| !rest.contains('/'));
        match short {
            Some(id) if is_identifier(id) => self.full_repository(),
            Some(short) => short.to_owned(),
            // What would be read as another registry's needs its own.
            None if splits_off_domain(&self.path) => self.full_repository(),
            None => self.path.clone(),
        }
    }

    /// The same with the tag `latest` when it names neither tag nor digest.
    #[must_use]
    pub fn or_latest(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some(DEFAULT_TAG.to_owned());
        }
        self
    }

    /// The same repository with another tag.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`].
    pub fn with_tag(&self, tag: &str) -> Result<Self> {
        if !is_tag(tag) {
            return Err(invalid(tag, "invalid tag format"));
        }
        Ok(Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        })
    }

    /// The full name of the repository with its registry, for example
    /// `docker.io/library/golang`.
    #[must_use]
    pub fn full_repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// A reference from parts that [`Self::full_repository`], [`Self::tag`] and [`Self::digest`]
    /// gave earlier; they are not checked again.
    #[must_use]
    pub fn from_parts(repository: &str, tag: Option<String>, digest: Option<Digest>) -> Self {
        let (domain, path) = repository
            .split_once('/')
            .unwrap_or((DEFAULT_DOMAIN, repository));
        Self {
            domain: domain.to_owned(),
            path: path.to_owned(),
            tag,
            digest,
        }
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if is_identifier(text) {
            return Err(invalid(
                text,
                "invalid repository name, cannot specify 64-byte hexadecimal strings",
            ));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        // A colon after the last slash begins a tag; one before it belongs to the domain's port.
        let name_end = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_end..].find(':') {
            Some(colon) => (
                &rest[..name_end + colon],
                Some(&rest[name_end + colon + 1..]),
            ),
            None => (rest, None),
        };
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(invalid(text, &format!("invalid tag {tag:?}")));
        }
        let (domain, path) = split_domain(name);
        if path.is_empty() {
            return Err(invalid(text, "invalid reference format"));
        }
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(invalid(
                text,
                "invalid reference format: repository name must be lowercase",
            ));
        }
        if domain.len() + 1 + path.len() > MAX_NAME
            || !is_domain(&domain)
            || !path.split('/').all(is_component)
        {
            return Err(invalid(text, "invalid reference format"));
        }
        Ok(Self {
            domain,
            path,
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn invalid(text: &str, message: &str) -> Error {
    let shown: String = text.chars().take(MAX_NAME).collect();
    Error::new(ErrorKind::Invalid, "parse reference", shown, message)
}

fn split_domain(name: &str) -> (String, String) {
    let hub = |path: &str| {
        let path = match path.contains('/') || path.is_empty() {
            true => path.to_owned(),
            false => format!("library/{path}"),
        };
        (DEFAULT_DOMAIN.to_owned(), path)
    };
    match name.split_once('/') {
        Some((DEFAULT_DOMAIN | "index.docker.io", path)) => hub(path),
        Some((domain, path)) if looks_like_domain(domain) => (domain.to_owned(), path.to_owned()),
        _ => hub(name),
    }
}

fn splits_off_domain(path: &str) -> bool {
    path.split_once('/')
        .is_some_and(|(first, _)| looks_like_domain(first))
}

/// Whether the first part of a name is a registry rather than a part of a path on Docker Hub.
fn looks_like_domain(first: &str) -> bool {
    first.contains(['.', ':'])
        || first == "localhost"
        || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Whether a text is what identifies an image, and so never names one.
fn is_identifier(text: &str) -> bool {
    Digest::from_hex(text).is_ok()
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty()
        && text.len() <= MAX_TAG
        && text
            .bytes()
            .all(|byte| word(byte) || byte == b'.' || byte == b'-')
        && text.bytes().next().is_some_and(word)
}

fn is_domain(text: &str) -> bool {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (is_host, port) = match bracketed {
        Some((address, "")) => (address.parse::<Ipv6Addr>().is_ok(), None),
        Some((address, rest)) => {
            let is_address = address.parse::<Ipv6Addr>().is_ok();
            (is_address && rest.starts_with(':'), rest.get(1..))
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host.split('.').all(is_label), Some(port)),
            None => (text.split('.').all(is_label), None),
        },
    };
    let number = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_host && port.is_none_or(number)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Letters and digits, separated by one dot, one or two underscores, or any number of dashes.
fn is_component(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let separator = |run: &str| {
        run.is_empty()
            || run == "."
            || run == "_"
            || run == "__"
            || run.bytes().all(|byte| byte == b'-')
    };
    text.bytes().next().is_some_and(alphanumeric)
        && text.bytes().last().is_some_and(alphanumeric)
        && separators.into_iter().all(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn normalises_and_shows_the_familiar_form() {
        let digest = Digest::of(b"");
        let table = [
            ("golang", "docker.io", "library/golang", None, "golang"),
            (
                "golang:1.20",
                "docker.io",
                "library/golang",
                Some("1.20"),
                "golang:1.20",
            ),
            (
                "porthole/nanoserver",
                "docker.io",
                "porthole/nanoserver",
                None,
                "porthole/nanoserver",
            ),
            (
                "docker.io/golang",
                "docker.io",
                "library/golang",
                None,
                "golang",
            ),
            ("index.docker.io/a/b", "docker.io", "a/b", None, "a/b"),
            (
                "localhost/x:y",
                "localhost",
                "x",
                Some("y"),
                "localhost/x:y",
            ),
            ("[::1]:5000/x", "[::1]:5000", "x", None, "[::1]:5000/x"),
            (
                "docker.io/r.example/x",
                "docker.io",
                "r.example/x",
                None,
                "docker.io/r.example/x",
            ),
            (
                "r.example:5000/a/b:c",
                "r.example:5000",
                "a/b",
                Some("c"),
                "r.example:5000/a/b:c",
            ),
        ];
        for (text, domain, path, tag, shown) in table {
            let reference = parse(text);
            assert_eq!(
                (reference.domain(), reference.path(), reference.tag()),
                (domain, path, tag),
                "{text}"
            );
            assert_eq!(reference.to_string(), shown);
        }
        assert_eq!(parse(&format!("a@{digest}")).digest(), Some(digest));
        let identifier = "a1".repeat(32);
        let named = parse(&format!("docker.io/{identifier}"));
        assert_eq!(named.to_string(), format!("docker.io/library/{identifier}"));
        assert_eq!(parse(&named.to_string()), named);
        assert_eq!(parse("a").or_latest().to_string(), "a:latest");
        assert_eq!(parse(&format!("a@{digest}")).or_latest().tag(), None);
    }

    #[test]
    fn refuses_what_is_no_reference() {
        for text in [
            "",
            ":",
            "a:",
            "a//b",
            "a/",
            "-a",
            "a..b",
            "a___b",
            "a:-x",
            "a@sha256:0",
            "a b",
            "../x",
            "[::1/x",
            "[::1]x/x",
            "[x]/x",
            "[::1]:/x",
            &"a1".repeat(32),
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
        let message = "Nano".parse::<Reference>().unwrap_err().to_string();
        assert!(message.contains("must be lowercase"), "{message}");
    }

    #[test]
    fn survives_the_database() {
        for text in ["golang:1", "r.example:5000/a/b:c"] {
            let reference = parse(text);
            let again = Reference::from_parts(
                &reference.full_repository(),
                reference.tag().map(str::to_owned),
                None,
            );
            assert_eq!(reference, again);
        }
    }

    proptest::proptest! {
        #[test]
        fn shown_form_reads_back(text in "(docker.io/|index.docker.io/|localhost/|library/)?[a-z0-9./:@_-]{0,40}") {
            if let Ok(reference) = text.parse::<Reference>() {
                proptest::prop_assert_eq!(parse(&reference.to_string()), reference);
            }
        }
    }
}
