//! What a build is asked for.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use porthole_wine::environment::Account;

use porthole_wine::OsVersion;

/// A base OS image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BaseKind {
    /// `porthole/nanoserver`: the headless console subset.
    Nanoserver,
    /// `porthole/servercore`: all of Wine, with 32-bit programs, without a display.
    Servercore,
}

impl BaseKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Nanoserver, Self::Servercore];

    /// The name, for example `nanoserver`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nanoserver => "nanoserver",
            Self::Servercore => "servercore",
        }
    }

    /// The image's name, for example `porthole/nanoserver`.
    #[must_use]
    pub const fn repository(self) -> &'static str {
        match self {
            Self::Nanoserver => "porthole/nanoserver",
            Self::Servercore => "porthole/servercore",
        }
    }

    /// The account that containers run as by default.
    #[must_use]
    pub const fn account(self) -> Account {
        match self {
            Self::Nanoserver => Account::ContainerUser,
            Self::Servercore => Account::ContainerAdministrator,
        }
    }

    /// The most that its files may take, unpacked and compressed, in bytes.
    #[must_use]
    pub const fn size_limits(self) -> (u64, u64) {
        match self {
            Self::Nanoserver => (120_000_000, 40_000_000),
            Self::Servercore => (400_000_000, 110_000_000),
        }
    }
}

impl fmt::Display for BaseKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The text names no base.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no base OS image; there are nanoserver and servercore")]
pub struct UnknownBase(String);

impl FromStr for BaseKind {
    type Err = UnknownBase;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.strip_prefix("porthole/").unwrap_or(text);
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| UnknownBase(text.to_owned()))
    }
}

/// What to build, and from what.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Which base.
    pub kind: BaseKind,
    /// A mirror of Debian's archive, or nothing: the one that apt uses.
    pub mirror: Option<String>,
    /// Whether to look for newer packages than those of the last build.
    pub refresh: bool,
    /// The directory whose PE files are added to System32: the guest agent and our own tools.
    pub guest_programs: PathBuf,
    /// The version that programs see.
    pub os_version: OsVersion,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        assert_eq!("nanoserver".parse(), Ok(BaseKind::Nanoserver));
        assert_eq!("porthole/servercore".parse(), Ok(BaseKind::Servercore));
        assert!("windows".parse::<BaseKind>().is_err());
    }
}
