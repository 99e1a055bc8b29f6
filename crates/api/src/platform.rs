//! Platforms that requests name. One is there: Windows on amd64.

use porthole_engine::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::Value;

use crate::error::ApiError;
use crate::go_json;
use crate::query::Params;

/// A platform as queries about images have it, in JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Platform {
    os: String,
    architecture: String,
    variant: String,
    #[serde(rename = "os.version")]
    os_version: String,
    #[serde(rename = "os.features")]
    os_features: Vec<String>,
}

/// Checks a `platform` as people write it: `windows`, `windows/amd64`, or with a version in
/// brackets (`windows(10.0.20348)/amd64`).
pub(crate) fn check(params: &Params) -> Result<(), ApiError> {
    let Some(platform) = params.get("platform") else {
        return Ok(());
    };
    let (os, architecture) = platform.split_once('/').unwrap_or((platform, "amd64"));
    let os = os.split('(').next().unwrap_or_default();
    if is_ours(os, architecture) {
        return Ok(());
    }
    // moby's words for an image that is not there for a platform, which scripts look for.
    let message = format!(
        "no matching manifest for {platform} in the manifest list entries: Porthole runs Windows images, those of windows/amd64"
    );
    Err(Error::new(ErrorKind::NotFound, message).into())
}

/// Checks a `platform` in JSON (`{"os":"windows","architecture":"amd64"}`): what of the image
/// `name` is asked for. A version of Windows orders candidates elsewhere; an image here is the one
/// there is, so it excludes none.
pub(crate) fn check_json(params: &Params, name: &str) -> Result<(), ApiError> {
    let Some(text) = params.get("platform") else {
        return Ok(());
    };
    let invalid = |error| ApiError::bad_parameter(format!("invalid platform {text:?}: {error}"));
    let value: Value = serde_json::from_str(text).map_err(invalid)?;
    let wanted: Platform = go_json::decode(value).map_err(invalid)?;
    if is_ours(&wanted.os, &wanted.architecture) && wanted.variant.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NotFound,
        format!("image {name} is there for windows/amd64 only, not for {text}"),
    )
    .into())
}

fn is_ours(os: &str, architecture: &str) -> bool {
    os.eq_ignore_ascii_case("windows") && matches!(architecture, "amd64" | "x86_64")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(platform: &str) -> Params {
        Params::of(&[("platform", platform)])
    }

    #[test]
    fn only_windows_on_amd64_is_there() {
        for fine in ["", "windows", "windows/amd64", "windows(10.0.20348)/amd64"] {
            assert!(check(&params(fine)).is_ok(), "{fine}");
        }
        for wrong in ["linux", "linux/amd64", "windows/arm64"] {
            assert!(check(&params(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_platform_of_an_image_is_json() {
        for fine in [
            "",
            r#"{"os":"windows","architecture":"amd64","os.version":"10.0.20348.1"}"#,
        ] {
            assert!(check_json(&params(fine), "x").is_ok(), "{fine}");
        }
        for wrong in [
            "windows/amd64",
            r#"{"os":"linux","architecture":"amd64"}"#,
            r#"{"os":"windows","architecture":"amd64","planet":"mars"}"#,
        ] {
            assert!(check_json(&params(wrong), "x").is_err(), "{wrong}");
        }
    }
}
