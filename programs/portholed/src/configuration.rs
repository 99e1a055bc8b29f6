//! The configuration: defaults, under the file, under the command line.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ipnet::Ipv4Net;
use serde::Deserialize;

use crate::address::Address;
use crate::arguments::Arguments;
use crate::registries::{self, Registries, Section};
use crate::tls::CertificateFiles;

/// A configuration file with every key explained, all of them commented out.
pub(crate) const DEFAULT: &str = include_str!("../porthole.toml");

/// The file that is read when the command line names none.
const FILE: &str = "/etc/porthole/porthole.toml";

/// A subnet of this length has two addresses beside its own and that of broadcasts.
const MAX_PREFIX: u8 = 30;

/// What the daemon runs with.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// Where to listen.
    pub(crate) hosts: Vec<Address>,
    /// What is spoken on TCP; none for plain HTTP, which needs leave.
    pub(crate) tls: Option<CertificateFiles>,
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
    /// Registries of images.
    pub(crate) registries: Registries,
}

/// The file's keys.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct File {
    hosts: Option<Vec<String>>,
    tlsverify: Option<bool>,
    tlscacert: Option<PathBuf>,
    tlscert: Option<PathBuf>,
    tlskey: Option<PathBuf>,
    insecure_tcp_without_authentication: bool,
    group: Option<String>,
    data_root: Option<PathBuf>,
    exec_root: Option<PathBuf>,
    log_level: Option<String>,
    windows_build: Option<u32>,
    nat: Nat,
    registries: Section,
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

    fn merge(mut arguments: Arguments, mut file: File) -> Result<Self> {
        let is_insecure = arguments.insecure_tcp_without_authentication
            || file.insecure_tcp_without_authentication;
        let tls = certificate_files(&mut arguments, &mut file)?;
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
        let hosts = hosts.iter().map(|host| Address::parse(host));
        let hosts = hosts.collect::<Result<Vec<_>>>()?;
        check_tcp(&hosts, tls.as_ref(), is_insecure)?;
        check_subnet(file.nat.subnet)?;
        Ok(Self {
            hosts,
            tls,
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
            registries: registries::settings(file.registries)?,
        })
    }
}

fn check_subnet(subnet: Option<Ipv4Net>) -> Result<()> {
    if let Some(subnet) = subnet {
        ensure!(
            subnet.prefix_len() <= MAX_PREFIX,
            "nat.subnet {subnet} is too small for a bridge and a container: its prefix must be at most /{MAX_PREFIX}"
        );
    }
    Ok(())
}

/// The files of TLS, if TLS is asked for.
fn certificate_files(
    arguments: &mut Arguments,
    file: &mut File,
) -> Result<Option<CertificateFiles>> {
    let ca = arguments.tlscacert.take().or(file.tlscacert.take());
    let certificate = arguments.tlscert.take().or(file.tlscert.take());
    let key = arguments.tlskey.take().or(file.tlskey.take());
    match arguments.tlsverify.or(file.tlsverify) {
        Some(true) => Ok(Some(CertificateFiles {
            ca: ca.unwrap_or_else(|| "/etc/porthole/ca.pem".into()),
            certificate: certificate.unwrap_or_else(|| "/etc/porthole/cert.pem".into()),
            key: key.unwrap_or_else(|| "/etc/porthole/key.pem".into()),
        })),
        // Said in so many words, it may stand beside the files.
        Some(false) => Ok(None),
        None => {
            ensure!(
                ca.is_none() && certificate.is_none() && key.is_none(),
                "certificates are named but TLS is not asked for: add --tlsverify"
            );
            Ok(None)
        }
    }
}

/// Refuses what would open this host to everybody unless that was asked for.
fn check_tcp(hosts: &[Address], tls: Option<&CertificateFiles>, is_insecure: bool) -> Result<()> {
    ensure!(
        tls.is_none() || !is_insecure,
        "tlsverify and insecure-tcp-without-authentication exclude each other: leave one out"
    );
    let mut tcp = hosts.iter().filter(|host| matches!(host, Address::Tcp(_)));
    match tcp.next() {
        Some(host) => ensure!(
            tls.is_some() || is_insecure,
            "cannot listen on {host}: whoever reaches it would be root on this host. Add --tlsverify \
             with --tlscacert, --tlscert and --tlskey, or forward the socket instead, for example by \
             'ssh -L 2375:/run/porthole/docker.sock host'. To have it open to everybody, add \
             --insecure-tcp-without-authentication"
        ),
        None => ensure!(
            tls.is_none() && !is_insecure,
            "tlsverify and insecure-tcp-without-authentication are for TCP, and no address to \
             listen on is tcp://host:port"
        ),
    }
    Ok(())
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
    use clap::Parser as _;

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
        assert_eq!(
            file.tlscacert.as_deref(),
            Some(Path::new("/etc/porthole/ca.pem"))
        );
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

    fn with(line: &[&str], file: &str) -> Result<Configuration> {
        let arguments = Arguments::parse_from(["portholed"].iter().chain(line));
        Configuration::merge(arguments, toml::from_str(file).expect("a file"))
    }

    #[test]
    fn tcp_wants_tls_or_a_word_that_it_shall_be_open() {
        const TCP: &str = "tcp://127.0.0.1:2376";
        const OPEN: &str = "--insecure-tcp-without-authentication";
        let refusal = with(&["-H", TCP], "").expect_err("no TLS").to_string();
        assert!(refusal.contains("--tlsverify"), "{refusal}");
        with(&["-H", TCP, "--tlsverify=false"], "").expect_err("no TLS");
        with(&["-H", TCP, "--tlsverify", OPEN], "").expect_err("both");
        with(&["-H", TCP, "--tlscert=/c"], "").expect_err("certificates and no TLS");
        with(&["--tlsverify"], "").expect_err("no TCP");
        assert!(with(&["-H", TCP, OPEN], "").expect("open").tls.is_none());
        let file = "hosts = ['tcp://:1']\ntlsverify = true\ntlskey = '/file'\ntlscert = '/c'";
        let files = with(&["--tlskey", "/line"], file).expect("TLS").tls;
        let expected = CertificateFiles {
            ca: "/etc/porthole/ca.pem".into(),
            certificate: "/c".into(),
            key: "/line".into(),
        };
        assert_eq!(files, Some(expected));
    }

    #[test]
    fn a_subnet_without_room_is_refused() {
        let nat = |subnet| with(&[], &format!("nat.subnet = '{subnet}'"));
        assert!(nat("10.0.0.0/30").is_ok());
        for small in ["10.0.0.0/31", "10.0.0.1/32"] {
            let refusal = nat(small).expect_err("no room").to_string();
            assert!(refusal.contains(small), "{refusal}");
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = toml::from_str::<File>("data-rot = '/x'").expect_err("an unknown key");
        assert!(error.to_string().contains("data-rot"), "{error}");
    }
}
