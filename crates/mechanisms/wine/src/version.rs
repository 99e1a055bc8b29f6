//! The version of Windows that programs see, and where the registry says it.

use std::fmt;
use std::str::FromStr;

use porthole_registry::{Key, Value};
use serde::{Deserialize, Serialize};

/// Keys of the hive `SOFTWARE` that say the version: what 64-bit programs see and, where there are
/// 32-bit ones, what those do.
const CURRENT_VERSION: [&str; 2] = [
    r"Microsoft\Windows NT\CurrentVersion",
    r"Wow6432Node\Microsoft\Windows NT\CurrentVersion",
];

/// The version of Windows that programs see: `10.0.<build>.<revision>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OsVersion {
    /// For example 20348, Windows Server 2022.
    pub build: u32,
    /// The update's number.
    pub revision: u32,
}

impl Default for OsVersion {
    fn default() -> Self {
        Self {
            build: 20348,
            revision: 2700,
        }
    }
}

impl OsVersion {
    const fn product_name(self) -> &'static str {
        match self.build {
            0..=14393 => "Windows Server 2016 Datacenter",
            14394..=17763 => "Windows Server 2019 Datacenter",
            17764..=20348 => "Windows Server 2022 Datacenter",
            _ => "Windows Server 2025 Datacenter",
        }
    }

    const fn display_version(self) -> &'static str {
        match self.build {
            0..=14393 => "1607",
            14394..=17763 => "1809",
            17764..=20348 => "21H2",
            _ => "24H2",
        }
    }

    /// Says this version in the tree of the hive `SOFTWARE`: from there Wine and the guest agent
    /// take it at the start of a silo and of each process.
    pub fn write(self, software: &mut Key) {
        let build = self.build.to_string();
        let strings = [
            ("CurrentBuild", build.as_str()),
            ("CurrentBuildNumber", &build),
            ("ProductName", self.product_name()),
            ("DisplayVersion", self.display_version()),
        ];
        let [all, only_32_bit] = CURRENT_VERSION;
        let has_32_bit = software.open(only_32_bit).is_some();
        for path in [all].into_iter().chain(has_32_bit.then_some(only_32_bit)) {
            let key = software.create(path);
            for (name, value) in strings {
                key.set_value(name, Value::string(value));
            }
            key.set_value("CurrentMajorVersionNumber", Value::dword(10));
            key.set_value("CurrentMinorVersionNumber", Value::dword(0));
            key.set_value("UBR", Value::dword(self.revision));
        }
    }
}

impl fmt::Display for OsVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "10.0.{}.{}", self.build, self.revision)
    }
}

impl From<OsVersion> for String {
    fn from(version: OsVersion) -> Self {
        version.to_string()
    }
}

/// The text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version of Windows, which looks like 10.0.20348.2700")]
pub struct BadOsVersion(String);

impl FromStr for OsVersion {
    type Err = BadOsVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (build, revision) = text.strip_prefix("10.0.")?.split_once('.')?;
            Some(Self {
                build: build.parse().ok()?,
                revision: revision.parse().ok()?,
            })
        };
        parse().ok_or_else(|| BadOsVersion(text.to_owned()))
    }
}

impl TryFrom<String> for OsVersion {
    type Error = BadOsVersion;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_printed() {
        let version = OsVersion {
            build: 17763,
            revision: 1,
        };
        assert_eq!("10.0.17763.1".parse(), Ok(version));
        assert_eq!(serde_json::to_string(&version).unwrap(), "\"10.0.17763.1\"");
        assert_eq!(
            serde_json::from_str::<OsVersion>("\"10.0.17763.1\"").unwrap(),
            version
        );
        for text in ["10.0.17763", "11.0.1.1", "10.0.x.1", ""] {
            assert!(text.parse::<OsVersion>().is_err());
        }
        assert_eq!(OsVersion::default().to_string(), "10.0.20348.2700");
    }

    #[test]
    fn both_views_say_the_same_version_where_there_are_two() {
        let version: OsVersion = "10.0.17763.5".parse().unwrap();
        let mut software = Key::default();
        version.write(&mut software);
        let [all, only_32_bit] = CURRENT_VERSION;
        assert!(software.open(only_32_bit).is_none());
        software.create(only_32_bit);
        version.write(&mut software);
        for path in [all, only_32_bit] {
            let text = |name| software.value_at(path, name).and_then(Value::as_string);
            assert_eq!(text("CurrentBuild").as_deref(), Some("17763"));
            assert_eq!(text("DisplayVersion").as_deref(), Some("1809"));
            assert_eq!(software.value_at(path, "UBR"), Some(&Value::dword(5)));
        }
    }
}
