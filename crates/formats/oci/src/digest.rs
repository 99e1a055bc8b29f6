//! SHA-256 digests and the identifiers that are digests.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

use crate::error::{Error, ErrorKind};

/// A SHA-256 digest, written `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// A digest that was computed elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 64 hexadecimal digits, without the algorithm.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Reads 64 lower-case hexadecimal digits, without the algorithm.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`].
    pub fn from_hex(text: &str) -> Result<Self, Error> {
        let mut bytes = [0; 32];
        let canonical = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        if !canonical || hex::decode_to_slice(text, &mut bytes).is_err() {
            let shown: String = text.chars().take(80).collect();
            return Err(Error::new(
                ErrorKind::Invalid,
                "parse digest",
                shown,
                "not 64 lower-case hexadecimal digits",
            ));
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.strip_prefix("sha256:") {
            Some(hex) => Self::from_hex(hex),
            None => Err(Error::new(
                ErrorKind::Invalid,
                "parse digest",
                text.chars().take(80).collect::<String>(),
                "only sha256 digests are supported",
            )),
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An image: the digest of its configuration document. Written like a [`Digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageId(pub Digest);

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl ImageId {
    /// The first twelve hexadecimal digits, as people read them.
    #[must_use]
    pub fn short(&self) -> String {
        let mut hex = self.0.hex();
        hex.truncate(12);
        hex
    }
}

/// An unpacked layer on top of certain parents: the chain ID of the OCI image specification, since
/// unpacking depends on what is below (names take the case that the parents have). Written as
/// hexadecimal digits alone, which is also its directory's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayerId(pub Digest);

impl LayerId {
    /// The ID of the layer with `diff_id` on top of `parent`.
    #[must_use]
    pub fn chain(parent: Option<Self>, diff_id: Digest) -> Self {
        match parent {
            None => Self(diff_id),
            Some(parent) => Self(Digest::of(format!("{} {diff_id}", parent.0).as_bytes())),
        }
    }
}

impl fmt::Display for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_the_same() {
        let digest = Digest::of(b"");
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse::<Digest>().unwrap(), digest);
    }

    #[test]
    fn refuses_what_is_no_digest() {
        for text in [
            "",
            "sha256:",
            "sha512:00",
            "sha256:ZZ",
            "sha256:../../x",
            "e3b0c4",
        ] {
            assert_eq!(
                text.parse::<Digest>().unwrap_err().kind(),
                ErrorKind::Invalid,
                "{text}"
            );
        }
        let upper = Digest::of(b"")
            .to_string()
            .to_uppercase()
            .replace("SHA256", "sha256");
        assert!(upper.parse::<Digest>().is_err());
    }

    #[test]
    fn chain_ids_follow_the_image_specification() {
        let base = LayerId::chain(None, Digest::of(b"a"));
        assert_eq!(base.0, Digest::of(b"a"));
        let top = LayerId::chain(Some(base), Digest::of(b"b"));
        let expected = format!("{} {}", Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(top.0, Digest::of(expected.as_bytes()));
    }
}
