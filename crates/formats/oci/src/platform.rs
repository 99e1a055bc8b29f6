//! What an image runs on, and which of an index's images is the right one.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// What an image runs on, as an index says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    /// The processor architecture, for example `amd64`.
    pub architecture: String,
    /// The operating system, for example `windows`.
    pub os: String,
    /// Its version, for example `10.0.20348.2700`.
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// What of it is needed, for example `win32k`.
    #[serde(rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// The variant of the processor, for example `v8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A version of Windows, `10.0.20348` or `10.0.20348.2700`. Orders by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowsVersion {
    /// 10.
    pub major: u32,
    /// 0.
    pub minor: u32,
    /// The build, for example 20348.
    pub build: u32,
    /// The revision: a month's updates.
    pub revision: Option<u32>,
}

impl WindowsVersion {
    /// Whether both are of one build, whatever its updates.
    #[must_use]
    pub fn is_same_build(&self, other: &Self) -> bool {
        self.without_revision() == other.without_revision()
    }

    fn without_revision(self) -> Self {
        Self {
            revision: None,
            ..self
        }
    }
}

impl fmt::Display for WindowsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.build)?;
        match self.revision {
            Some(revision) => write!(f, ".{revision}"),
            None => Ok(()),
        }
    }
}

impl FromStr for WindowsVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = || {
            let shown: String = text.chars().take(80).collect();
            let message = "not of the form 10.0.BUILD or 10.0.BUILD.REVISION";
            Error::new(ErrorKind::Invalid, "parse Windows version", shown, message)
        };
        let number = |part: &str| -> Result<u32> {
            let is_plain = part.bytes().all(|byte| byte.is_ascii_digit());
            let number = part.parse().ok().filter(|_| is_plain);
            number.ok_or_else(invalid)
        };
        let parts: Vec<_> = text.splitn(5, '.').collect();
        let (major, minor, build, revision) = match parts[..] {
            [major, minor, build] => (major, minor, build, None),
            [major, minor, build, revision] => (major, minor, build, Some(revision)),
            _ => return Err(invalid()),
        };
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
            build: number(build)?,
            revision: revision.map(number).transpose()?,
        })
    }
}

/// The platform that somebody wants an image for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The operating system.
    pub os: String,
    /// The processor architecture.
    pub architecture: String,
    /// The variant of the processor; any that every processor of the architecture is when missing.
    pub variant: Option<String>,
    /// The version of Windows that comes nearest to what runs here.
    pub version: Option<WindowsVersion>,
}

impl Wanted {
    /// Windows of this version on 64-bit PCs.
    #[must_use]
    pub fn windows(version: WindowsVersion) -> Self {
        Self {
            os: "windows".to_owned(),
            architecture: "amd64".to_owned(),
            variant: None,
            version: Some(version),
        }
    }

    /// How well an image for `platform` fits; the smallest is the best, nothing does not fit.
    ///
    /// The version never refuses an image, it orders candidates: programs of another build run all
    /// the same, on the kernel that is here. First comes the same build, then the newest of the
    /// older ones, which knows nothing that is missing here, then the oldest of the newer ones.
    pub(crate) fn rank(&self, platform: &Platform) -> Option<Rank> {
        let fits = normal_os(&platform.os) == normal_os(&self.os)
            && normal_architecture(&platform.architecture)
                == normal_architecture(&self.architecture);
        if !fits {
            return None;
        }
        let special = match (&self.variant, platform.variant.as_deref()) {
            (Some(wanted), Some(variant)) if wanted != variant => return None,
            (Some(_), variant) => variant.is_none(),
            (None, variant) => !matches!(variant, None | Some("" | "v1" | "v8")),
        };
        let Some(wanted) = self.version else {
            return Some(Rank(special, Nearness::Unknown));
        };
        let offered = platform.os_version.as_deref();
        let nearness = match offered.and_then(|text| text.parse::<WindowsVersion>().ok()) {
            None => Nearness::Unknown,
            Some(version) if version.is_same_build(&wanted) => Nearness::Same {
                other_revision: version.revision != wanted.revision,
                revision: Reverse(version.revision),
            },
            Some(version) if version < wanted => Nearness::Older(Reverse(version)),
            Some(version) => Nearness::Newer(version.without_revision(), Reverse(version.revision)),
        };
        Some(Rank(special, nearness))
    }
}

/// As Docker's messages have it: `windows/amd64 10.0.20348`.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if let Some(variant) = &self.variant {
            write!(f, "/{variant}")?;
        }
        match self.version {
            Some(version) => write!(f, " {version}"),
            None => Ok(()),
        }
    }
}

/// How well a platform fits: first whether every processor can run it, then how near its version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(bool, Nearness);

/// Declared from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    Same {
        other_revision: bool,
        revision: Reverse<Option<u32>>,
    },
    Older(Reverse<WindowsVersion>),
    Newer(WindowsVersion, Reverse<Option<u32>>),
    Unknown,
}

fn normal_os(os: &str) -> String {
    os.to_ascii_lowercase()
}

fn normal_architecture(architecture: &str) -> String {
    let lower = architecture.to_ascii_lowercase();
    match lower.as_str() {
        "x86_64" | "x86-64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        _ => lower,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> WindowsVersion {
        text.parse().unwrap()
    }

    fn windows(version: &str) -> Platform {
        Platform {
            architecture: "amd64".to_owned(),
            os: "windows".to_owned(),
            os_version: Some(version.to_owned()),
            ..Platform::default()
        }
    }

    /// The platforms in the order in which they would be chosen.
    fn ranked(wanted: &str, offered: &[&str]) -> Vec<String> {
        let wanted = Wanted::windows(version(wanted));
        let mut offered: Vec<_> = offered.iter().map(|offered| windows(offered)).collect();
        offered.sort_by_key(|platform| wanted.rank(platform));
        let versions = offered
            .into_iter()
            .filter_map(|platform| platform.os_version);
        versions.collect()
    }

    #[test]
    fn versions_are_read_and_shown() {
        for text in ["10.0.20348", "10.0.20348.2700", "10.0.14393.0"] {
            assert_eq!(version(text).to_string(), text);
        }
        for text in [
            "",
            "10",
            "10.0",
            "10.0.x",
            "10.0.1.2.3",
            "10.0.+1",
            "10..1",
            "10.0.99999999999",
        ] {
            assert!(text.parse::<WindowsVersion>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_same_build_then_the_highest_below_then_the_lowest_above() {
        let offered = [
            "10.0.26100.1",
            "10.0.17763.9",
            "",
            "10.0.20348.10",
            "10.0.25398.3",
            "10.0.14393.0",
            "10.0.20348.9",
        ];
        let expected = [
            "10.0.20348.10",
            "10.0.20348.9",
            "10.0.17763.9",
            "10.0.14393.0",
            "10.0.25398.3",
            "10.0.26100.1",
            "",
        ];
        assert_eq!(ranked("10.0.20348", &offered), expected);
        assert_eq!(ranked("10.0.20348.9", &offered)[0], "10.0.20348.9");
        assert_eq!(ranked("10.0.19041", &offered)[0], "10.0.17763.9");
        assert_eq!(ranked("10.0.10240", &offered)[0], "10.0.14393.0");
    }

    #[test]
    fn other_systems_and_processors_do_not_fit() {
        let wanted = Wanted::windows(version("10.0.20348"));
        for (os, architecture) in [
            ("linux", "amd64"),
            ("windows", "arm64"),
            ("unknown", "unknown"),
        ] {
            let platform = Platform {
                architecture: architecture.to_owned(),
                os: os.to_owned(),
                ..windows("10.0.20348.1")
            };
            assert_eq!(wanted.rank(&platform), None);
        }
        let spelled = Platform {
            architecture: "x86_64".to_owned(),
            os: "Windows".to_owned(),
            ..windows("10.0.20348.1")
        };
        assert_eq!(wanted.rank(&spelled), wanted.rank(&windows("10.0.20348.1")));
    }

    #[test]
    fn what_every_processor_runs_goes_first() {
        let special = Platform {
            variant: Some("v3".to_owned()),
            ..windows("10.0.20348.1")
        };
        let any = Wanted::windows(version("10.0.20348"));
        assert!(any.rank(&special) > any.rank(&windows("10.0.17763.1")));
        let wanted = Wanted {
            variant: Some("v3".to_owned()),
            ..any
        };
        assert!(wanted.rank(&special) < wanted.rank(&windows("10.0.20348.1")));
        assert_eq!(wanted.to_string(), "windows/amd64/v3 10.0.20348");
    }
}
