//! The configuration: defaults, under the file, under the command line.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ipnet::Ipv4Net;
use serde::Deserialize;

use crate::address::Address;
use crate::arguments::Arguments;

/// A configuration file with every key explained, all of them commented out.
pub(crate) const DEFAULT: &str = include_str!("../porthole.toml");

/// The file that is read when the command line names none.
const FILE: &str = "/etc/porthole/porthole.toml";

/// What the daemon runs with.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// Where to listen.
    pub(crate) hosts: Vec<Address>,
    /// The group that may use the sockets.
    pub(crate) group: String,
    /// Images and containers.
    pub(crate) data_root: PathBuf,
    /// Run-time state.
    pub(crate) exec_root: PathBuf,
    /// What to log, as tracing's filters are written.
    pub(crate) log_level: String,
    /// The Windows build to name.
    pub(crate) windows_build: u32,
    /// The bridge of network nat.
    pub(crate) bridge: String,
    /// The subnet of network nat; none for one by choice.
    pub(crate) subnet: Option<Ipv4Net>,
}

/// The file's keys.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct File {
    hosts: Option<Vec<String>>,
    group: Option<String>,
    data_root: Option<PathBuf>,
    exec_root: Option<PathBuf>,
    log_level: Option<String>,
    windows_build: Option<u32>,
    nat: Nat,
}

/// The file's section `nat`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Nat {
    bridge: Option<String>,
    subnet: Option<Ipv4Net>,
}

impl Configuration {
    /// Puts it together.
    ///
    /// # Errors
    /// A file that cannot be read or has a key that is none, or an address that is none.
    pub(crate) fn load(arguments: Arguments) -> Result<Self> {
        let file = File::read(arguments.config.as_deref())?;
        Self::merge(arguments, file)
    }

    fn merge(arguments: Arguments, file: File) -> Result<Self> {
        let exec_root = arguments
            .exec_root
            .or(file.exec_root)
            .unwrap_or_else(|| "/run/porthole".into());
        let hosts = match (arguments.hosts, file.hosts) {
            (given, _) if !given.is_empty() => given,
            (_, Some(configured)) if !configured.is_empty() => configured,
            _ => vec![format!(
                "unix://{}",
                exec_root.join("docker.sock").display()
            )],
        };
        Ok(Self {
            hosts: hosts
                .iter()
                .map(|host| Address::parse(host))
                .collect::<Result<_>>()?,
            group: file.group.unwrap_or_else(|| "porthole".to_owned()),
            data_root: arguments
                .data_root
                .or(file.data_root)
                .unwrap_or_else(|| "/var/lib/porthole".into()),
            exec_root,
            log_level: arguments
                .log_level
                .or(file.log_level)
                .unwrap_or_else(|| "info".to_owned()),
            windows_build: file.windows_build.unwrap_or(20348),
            bridge: file.nat.bridge.unwrap_or_else(|| "porthole0".to_owned()),
            subnet: file.nat.subnet,
        })
    }
}

impl File {
    fn read(path: Option<&Path>) -> Result<Self> {
        let text = match path {
            Some(path) => fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?,
            None => match fs::read_to_string(FILE) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
                text => text.with_context(|| format!("cannot read {FILE}"))?,
            },
        };
        let path = path.map_or_else(|| FILE.to_owned(), |path| path.display().to_string());
        toml::from_str(&text).with_context(|| format!("{path} is no configuration"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_explained_keys_are_the_keys_with_their_defaults() {
        let uncommented: Vec<_> = DEFAULT
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(key) if !key.starts_with(' ') => key,
                _ => line,
            })
            .collect();
        let file: File = toml::from_str(&uncommented.join("\n")).expect("the explained file");
        let explained = Configuration::merge(Arguments::default(), file).expect("a configuration");
        let default =
            Configuration::merge(Arguments::default(), File::default()).expect("a configuration");
        assert_eq!(
            explained.subnet.map(|subnet| subnet.to_string()).as_deref(),
            Some("172.30.0.0/16")
        );
        let explained = Configuration {
            subnet: None,
            ..explained
        };
        assert_eq!(format!("{explained:?}"), format!("{default:?}"));
        toml::from_str::<File>(DEFAULT).expect("the file as it is");
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let file = toml::from_str("data-root = '/file'\nexec-root = '/file-run'").expect("a file");
        let arguments = Arguments {
            data_root: Some("/line".into()),
            ..Arguments::default()
        };
        let configuration = Configuration::merge(arguments, file).expect("a configuration");
        assert_eq!(configuration.data_root, Path::new("/line"));
        assert_eq!(
            configuration.hosts,
            [Address::Unix("/file-run/docker.sock".into())]
        );
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = toml::from_str::<File>("data-rot = '/x'").expect_err("an unknown key");
        assert!(error.to_string().contains("data-rot"), "{error}");
    }
}
