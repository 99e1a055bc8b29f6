//! `-v [SOURCE:]TARGET[:ro]`.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// What `-v` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Volumes {
    /// With a source: a directory or a volume's name.
    pub(super) binds: Vec<String>,
    /// Without: the paths.
    pub(super) anonymous: Map<String, Value>,
}

/// Reads the options.
pub(super) fn parse(texts: &[String]) -> Result<Volumes> {
    let mut volumes = Volumes::default();
    for text in texts {
        if is_path_alone(text) {
            volumes.anonymous.insert(text.clone(), json!({}));
        } else if text.starts_with("./") || text.starts_with("../") || text.starts_with(".:") {
            // The daemon has another working directory.
            let (source, rest) = text.split_once(':').unwrap_or((text, ""));
            let source = std::fs::canonicalize(source)
                .with_context(|| format!("-v {text}: there is no directory {source}"))?;
            volumes.binds.push(format!("{}:{rest}", source.display()));
        } else {
            volumes.binds.push(text.clone());
        }
    }
    Ok(volumes)
}

/// `C:\data`, `/data`: a place in the container and no source. A source of one letter is none.
fn is_path_alone(text: &str) -> bool {
    let rest = if is_drive(text) { &text[2..] } else { text };
    rest.starts_with(['/', '\\']) && !rest.contains(':')
}

/// Whether it begins with a drive, as `C:` does.
pub(super) fn is_drive(text: &str) -> bool {
    matches!(text.as_bytes(), [drive, b':', ..] if drive.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_alone_is_an_anonymous_volume() {
        for text in [r"C:\data", "c:/data", "/data", r"\data"] {
            assert!(is_path_alone(text), "{text}");
        }
        for text in ["/a:C:/b", "name:C:/b", r"C:\a:C:\b", "name:/b"] {
            assert!(!is_path_alone(text), "{text}");
        }
    }
}
