//! Which Wine builds fit each other.
//!
//! The Unix side of Wine (the kernel package) and its PE side (the base OS image) must come from
//! one build, as a Windows container's base must match the host's kernel.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The image label that names the Wine build of its base: a [`WineBuild`] as text.
pub const LABEL: &str = "io.porthole.wine-build";

/// Whether 32-bit programs can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// 64-bit programs only.
    Win64,
    /// 64-bit programs, and 32-bit programs where the image has their side.
    Wow64,
}

/// What the image's base and the kernel package must agree in. A distribution's revision is not
/// part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WineBuild {
    /// Wine's version as its authors number it, for example `10.0`.
    pub wine: String,
    /// The version of the protocol between wineserver and its clients.
    pub server_protocol: u32,
    /// With or without 32-bit programs.
    pub variant: Variant,
}

/// Image and kernel package are from different Wine builds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the image's base is of Wine build {image}, the kernel package of {kernel}")]
pub struct WineBuildMismatch {
    /// The image's.
    pub image: String,
    /// The kernel package's.
    pub kernel: WineBuild,
}

/// The text is no Wine build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a Wine build, which looks like 10.0/855/wow64")]
pub struct ParseWineBuildError {
    text: String,
}

impl WineBuild {
    /// Whether an image whose label is `label` runs on this kernel.
    ///
    /// # Errors
    /// [`WineBuildMismatch`] when it does not; also when the label is no Wine build.
    pub fn accept(&self, label: &str) -> Result<(), WineBuildMismatch> {
        match label.parse::<Self>() {
            Ok(image) if image == *self => Ok(()),
            _ => Err(WineBuildMismatch {
                image: label.to_owned(),
                kernel: self.clone(),
            }),
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Win64 => "win64",
            Self::Wow64 => "wow64",
        })
    }
}

impl fmt::Display for WineBuild {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}/{}/{}",
            self.wine, self.server_protocol, self.variant
        )
    }
}

impl FromStr for WineBuild {
    type Err = ParseWineBuildError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseWineBuildError {
            text: text.chars().take(64).collect(),
        };
        let mut parts = text.split('/');
        let (Some(wine), Some(protocol), Some(variant), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(error());
        };
        let variant = match variant {
            "win64" => Variant::Win64,
            "wow64" => Variant::Wow64,
            _ => return Err(error()),
        };
        if wine.is_empty() {
            return Err(error());
        }
        let server_protocol = protocol.parse().map_err(|_| error())?;
        Ok(Self {
            wine: wine.to_owned(),
            server_protocol,
            variant,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Variant, WineBuild};

    fn build() -> WineBuild {
        WineBuild {
            wine: "10.0".to_owned(),
            server_protocol: 855,
            variant: Variant::Wow64,
        }
    }

    #[test]
    fn text_goes_both_ways() {
        assert_eq!(build().to_string(), "10.0/855/wow64");
        assert_eq!("10.0/855/wow64".parse(), Ok(build()));
        for text in [
            "",
            "10.0",
            "10.0/855",
            "/855/wow64",
            "10.0/x/wow64",
            "10.0/1/dos",
            "10.0/1/wow64/x",
        ] {
            assert!(text.parse::<WineBuild>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_part_must_agree() {
        assert_eq!(build().accept("10.0/855/wow64"), Ok(()));
        for label in ["10.1/855/wow64", "10.0/856/wow64", "10.0/855/win64", "junk"] {
            let mismatch = build().accept(label).unwrap_err();
            assert_eq!(mismatch.image, label);
        }
    }
}
