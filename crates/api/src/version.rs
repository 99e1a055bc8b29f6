//! API versions: which ones are spoken, and which one a request asks for.

use std::fmt;

/// A version of the Docker Engine API, `major.minor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    /// Before the dot.
    pub major: u16,
    /// After the dot.
    pub minor: u16,
}

impl ApiVersion {
    /// The newest version spoken; requests without a version mean it.
    pub const NEWEST: Self = Self {
        major: 1,
        minor: 50,
    };
    /// The oldest version spoken.
    pub const OLDEST: Self = Self {
        major: 1,
        minor: 24,
    };

    /// Whether this is at least version 1.`minor`.
    #[must_use]
    pub const fn at_least(self, minor: u16) -> bool {
        self.major > 1 || (self.major == 1 && self.minor >= minor)
    }

    /// Reads `1.50`; nothing but digits and one dot is taken.
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        let digits = |part: &str| -> Option<u16> {
            if part.bytes().all(|byte| byte.is_ascii_digit()) {
                part.parse().ok()
            } else {
                None
            }
        };
        Some(Self {
            major: digits(major)?,
            minor: digits(minor)?,
        })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A version that is not spoken here. The texts are dockerd's: clients match on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VersionError {
    /// Newer than [`ApiVersion::NEWEST`].
    #[error("client version {0} is too new. Maximum supported API version is {newest}", newest = ApiVersion::NEWEST)]
    TooNew(ApiVersion),
    /// Older than [`ApiVersion::OLDEST`].
    #[error(
        "client version {0} is too old. Minimum supported API version is {oldest}, please upgrade your client to a newer version",
        oldest = ApiVersion::OLDEST
    )]
    TooOld(ApiVersion),
}

/// Splits `/v1.50/containers/json` into the version and `/containers/json`; a path without a
/// version means the newest.
///
/// # Errors
/// A version that is not spoken.
pub(crate) fn split_version(path: &str) -> Result<(ApiVersion, &str), VersionError> {
    let Some((version, rest)) = versioned(path) else {
        return Ok((ApiVersion::NEWEST, path));
    };
    if version > ApiVersion::NEWEST {
        return Err(VersionError::TooNew(version));
    }
    if version < ApiVersion::OLDEST {
        return Err(VersionError::TooOld(version));
    }
    Ok((version, rest))
}

fn versioned(path: &str) -> Option<(ApiVersion, &str)> {
    let rest = path.strip_prefix("/v")?;
    let end = rest.find('/')?;
    Some((ApiVersion::parse(&rest[..end])?, &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_without_a_version_means_the_newest() {
        assert_eq!(
            split_version("/containers/json"),
            Ok((ApiVersion::NEWEST, "/containers/json"))
        );
        assert_eq!(
            split_version("/volumes/v1.2"),
            Ok((ApiVersion::NEWEST, "/volumes/v1.2"))
        );
        assert_eq!(
            split_version("/volumes"),
            Ok((ApiVersion::NEWEST, "/volumes"))
        );
    }

    #[test]
    fn a_version_in_range_is_stripped() {
        let version = ApiVersion {
            major: 1,
            minor: 24,
        };
        assert_eq!(split_version("/v1.24/_ping"), Ok((version, "/_ping")));
    }

    #[test]
    fn a_version_out_of_range_is_refused_in_dockers_words() {
        let new = split_version("/v1.51/_ping").expect_err("too new");
        assert_eq!(
            new.to_string(),
            "client version 1.51 is too new. Maximum supported API version is 1.50"
        );
        let old = split_version("/v1.9/_ping").expect_err("too old");
        assert!(
            old.to_string().starts_with(
                "client version 1.9 is too old. Minimum supported API version is 1.24"
            )
        );
    }
}
