//! Debian's `docker-registry`, on a port of its own.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::certificates;

/// The user of registries with a password.
pub const USER: &str = "porthole";

/// And the password.
pub const PASSWORD: &str = "correct horse";

/// The same as `htpasswd -B` writes it.
const HTPASSWD: &str = "porthole:$2a$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n";

/// How a registry is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// Where it listens.
    pub address: IpAddr,
    /// Whether it speaks TLS, with a certificate of a CA of its own.
    pub has_tls: bool,
    /// Whether it wants [`USER`] and [`PASSWORD`].
    pub has_password: bool,
}

impl Default for Setup {
    /// On the loopback address, open to everybody.
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            has_tls: false,
            has_password: false,
        }
    }
}

/// A registry that is empty at first and ends when dropped, with all that it holds.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    directory: PathBuf,
    address: SocketAddr,
}

/// An address of this host that is not the loopback's, whose registries are no exception to what
/// holds for others.
///
/// # Errors
/// When the host has none.
pub fn address_of_this_host() -> Result<IpAddr> {
    // Nothing is sent: the kernel says from where it would be.
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket
        .connect("192.0.2.254:9")
        .context("this host has no address beside 127.0.0.1")?;
    Ok(socket.local_addr()?.ip())
}

impl Registry {
    /// Starts one that keeps what it holds in `directory`, which is made anew.
    ///
    /// # Errors
    /// When it cannot be started, or does not listen within 20 seconds.
    pub fn start(directory: &Path, setup: Setup) -> Result<Self> {
        if let Err(error) = fs::remove_dir_all(directory) {
            ensure!(
                error.kind() == std::io::ErrorKind::NotFound,
                "cannot empty {}: {error}",
                directory.display()
            );
        }
        fs::create_dir_all(directory)?;
        let address = TcpListener::bind((setup.address, 0))?.local_addr()?;
        if setup.has_tls {
            let names = format!("DNS:localhost,IP:127.0.0.1,IP:{}", setup.address);
            certificates::make(&directory.join("certificates"), &names)?;
        }
        let configuration = directory.join("config.yml");
        fs::write(&configuration, text(directory, address, setup)?)?;
        let log = File::create(directory.join("log"))?;
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&configuration)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start docker-registry")?;
        let mut registry = Self {
            process,
            directory: directory.to_owned(),
            address,
        };
        registry.wait_until_it_listens()?;
        Ok(registry)
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(self.address).is_err() {
            let ended = self.process.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                bail!("docker-registry does not listen on {}: {log}", self.address);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// `ADDRESS:PORT`.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The name of an image in it.
    #[must_use]
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// The certificate of the CA that signed its own, if it speaks TLS.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.directory.join("certificates/ca.pem")
    }

    /// The file that holds the bytes of a blob, `sha256:…`, whichever repository it is in.
    #[must_use]
    pub fn blob_file(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = self.directory.join("storage/docker/registry/v2/blobs");
        let beginning = hex.get(..2).unwrap_or_default();
        blobs.join("sha256").join(beginning).join(hex).join("data")
    }
}

fn text(directory: &Path, address: SocketAddr, setup: Setup) -> Result<String> {
    let file = |name: &str| directory.join(name).display().to_string();
    // Addresses in manifests, as foreign layers have them, are refused unless they are allowed.
    let mut text = format!(
        "version: 0.1\nlog: {{ level: error, accesslog: {{ disabled: true }} }}\n\
         storage: {{ filesystem: {{ rootdirectory: {} }}, delete: {{ enabled: true }} }}\n\
         validation: {{ manifests: {{ urls: {{ allow: ['^https?://'] }} }} }}\n\
         http:\n  addr: {address}\n",
        file("storage")
    );
    if setup.has_tls {
        text += &format!(
            "  tls: {{ certificate: {}, key: {} }}\n",
            file("certificates/server-cert.pem"),
            file("certificates/server-key.pem")
        );
    }
    if setup.has_password {
        fs::write(file("htpasswd"), HTPASSWD)?;
        text += &format!(
            "auth: {{ htpasswd: {{ realm: tests, path: {} }} }}\n",
            file("htpasswd")
        );
    }
    Ok(text)
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
