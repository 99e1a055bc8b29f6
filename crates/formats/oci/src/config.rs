//! The image configuration document of OCI and Docker, as far as the product reads it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, LayerId};
use crate::error::{Error, ErrorKind, Result};
use crate::go_json;

/// The largest configuration that is accepted, in bytes.
pub const MAX_CONFIG_SIZE: usize = 8 << 20;

/// The most layers that an image may have.
pub const MAX_LAYERS: usize = 127;

/// An image's configuration. Fields that are not listed are kept in the store's bytes, which are
/// never rewritten, but not shown here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// When it was made: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The processor architecture, for example `amd64`.
    pub architecture: String,
    /// The processor's variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system, for example `windows`.
    pub os: String,
    /// The operating system's build, for example `10.0.20348.2700`.
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// What of the operating system it needs, for example `win32k`.
    #[serde(rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// The comment of a commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// How containers run.
    pub config: RunConfig,
    /// The layers.
    pub rootfs: RootFs,
    /// The steps that made it, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
}

/// How containers of an image run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    /// The account; empty for the default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Ports such as `80/tcp`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// Variables, `NAME=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The start of every command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The default arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Whether `cmd` and `entrypoint` are one finished command line each.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub args_escaped: bool,
    /// Windows paths that are volumes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Empty>,
    /// The working directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The signal that stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Seconds that a stop waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// The shell of shell forms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
    /// Instructions for images made from this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
    /// The health check, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<serde_json::Value>,
}

/// An empty JSON object, the value in Docker's sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// The layers of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Digests of the uncompressed layer archives, base first.
    pub diff_ids: Vec<Digest>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self {
            kind: "layers".to_owned(),
            diff_ids: Vec::new(),
        }
    }
}

/// A step that made an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryEntry {
    /// When: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// A comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether the step made no layer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// Reads a configuration from outside.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`], also for too many layers; [`ErrorKind::Invalid`] when it is no JSON of
    /// this shape.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let failed = |kind, message: String| {
            let subject = Digest::of(bytes).to_string();
            Error::new(kind, "read image configuration", subject, message)
        };
        if bytes.len() > MAX_CONFIG_SIZE {
            let message = format!("larger than {MAX_CONFIG_SIZE} bytes");
            return Err(failed(ErrorKind::TooLarge, message));
        }
        let config: Self = go_json::decode(bytes).map_err(|error| {
            let message = format!("not an image configuration: {error}");
            failed(ErrorKind::Invalid, message).with_source(error)
        })?;
        if config.rootfs.kind != "layers" {
            let message = format!("root file system of type {:?}", config.rootfs.kind);
            return Err(failed(ErrorKind::Invalid, message));
        }
        if config.rootfs.diff_ids.len() > MAX_LAYERS {
            let message = format!("more than {MAX_LAYERS} layers");
            return Err(failed(ErrorKind::TooLarge, message));
        }
        Ok(config)
    }

    /// The IDs of the layers, base first.
    #[must_use]
    pub fn layer_ids(&self) -> Vec<LayerId> {
        let mut parent = None;
        let chain = |diff_id: &Digest| {
            let id = LayerId::chain(parent, *diff_id);
            parent = Some(id);
            id
        };
        self.rootfs.diff_ids.iter().map(chain).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_docker_writes() {
        let text = r#"{"architecture":"amd64","os":"windows","os.version":"10.0.20348.1",
            "config":{"Env":null,"Cmd":["c:\\windows\\system32\\cmd.exe"],"Labels":null,"ExposedPorts":{"80/tcp":{}},
            "Image":"","Hostname":""},"container":"x","history":null,
            "rootfs":{"type":"layers","diff_ids":[]}}"#;
        let config = ImageConfig::parse(text.as_bytes()).unwrap();
        assert_eq!(config.os_version.as_deref(), Some("10.0.20348.1"));
        assert_eq!(
            config.config.cmd.unwrap(),
            ["c:\\windows\\system32\\cmd.exe"]
        );
        assert_eq!(config.config.entrypoint, None);
        assert!(config.config.exposed_ports.contains_key("80/tcp"));
    }

    #[test]
    fn writes_no_empty_members() {
        let config = ImageConfig {
            os: "windows".into(),
            architecture: "amd64".into(),
            ..Default::default()
        };
        assert_eq!(
            serde_json::to_string(&config).unwrap(),
            r#"{"architecture":"amd64","os":"windows","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#
        );
    }

    #[test]
    fn reads_names_in_any_case_and_null_anywhere() {
        let text = r#"{"Architecture":"amd64","OS":"windows","OS.Version":"10.0.17763.1","variant":null,
            "Config":{"env":["A=1",null],"ENTRYPOINT":["x"],"cmd":null,"exposedports":{"80/tcp":null},
            "OnBuild":null,"argsescaped":null,"User":null},"comment":null,
            "History":[{"Created":null,"CREATED_BY":"Apply image 10.0.17763.1","Empty_Layer":null},null],
            "RootFS":{"Type":"layers","DIFF_IDS":null}}"#;
        let config = ImageConfig::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (config.os.as_str(), config.os_version.as_deref()),
            ("windows", Some("10.0.17763.1"))
        );
        assert_eq!(config.config.env, ["A=1", ""]);
        assert_eq!(config.config.entrypoint.unwrap(), ["x"]);
        assert!(config.config.exposed_ports.contains_key("80/tcp"));
        let step = config.history[0].created_by.as_deref();
        assert_eq!(step, Some("Apply image 10.0.17763.1"));
        assert_eq!(config.history[1], HistoryEntry::default());
    }

    #[test]
    fn refuses_what_is_no_configuration() {
        let layers = vec![format!("\"{}\"", Digest::of(b"x")); MAX_LAYERS + 1].join(",");
        let many = format!(r#"{{"rootfs":{{"type":"layers","diff_ids":[{layers}]}}}}"#);
        let huge = " ".repeat(MAX_CONFIG_SIZE + 1);
        let table = [
            ("", ErrorKind::Invalid),
            ("1", ErrorKind::Invalid),
            (
                r#"{"rootfs":{"type":"x","diff_ids":[]}}"#,
                ErrorKind::Invalid,
            ),
            (r#"{"os":"windows","OS":"linux"}"#, ErrorKind::Invalid),
            (&many, ErrorKind::TooLarge),
            (&huge, ErrorKind::TooLarge),
        ];
        for (text, kind) in table {
            let error = ImageConfig::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), kind);
        }
    }
}
