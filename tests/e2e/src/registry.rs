//! Debian's registry of images, on a port of this host.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

/// The account of registries that want one, and its password.
pub const ACCOUNT: (&str, &str) = ("e2e", "secret-e2e");

/// The same as registries keep it.
const HTPASSWD: &str = "e2e:$2y$05$grzbxMmWep5YHV2YgzzXMemNcNpYcSFaiN5QgSQw0KajCbYkcOIT.\n";

/// A registry; ends when dropped.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddrV4,
    directory: TempDir,
    child: Child,
    /// An address that this host has for as long as the registry is there.
    own_address: Option<Ipv4Addr>,
}

impl Registry {
    /// One that everybody may use, without TLS. It takes foreign layers by any address.
    ///
    /// # Errors
    /// When it does not start.
    pub fn open() -> Result<Self> {
        Self::start(Ipv4Addr::LOCALHOST, false)
    }

    /// One with TLS and a password, on an address that is not the loopback's, so that clients may
    /// take nothing for granted.
    ///
    /// # Errors
    /// When it does not start, or this host does not take the address.
    pub fn secured() -> Result<Self> {
        // For documentation: nobody's.
        let address = Ipv4Addr::new(192, 0, 2, 77);
        let added = Command::new("ip")
            .args(["address", "replace", &format!("{address}/32"), "dev", "lo"])
            .status()?;
        ensure!(
            added.success(),
            "this host does not take the address {address}"
        );
        let mut registry = Self::start(address, true)?;
        registry.own_address = Some(address);
        Ok(registry)
    }

    fn start(address: Ipv4Addr, is_secured: bool) -> Result<Self> {
        let directory = TempDir::new()?;
        let port = TcpListener::bind((address, 0))?.local_addr()?.port();
        let address = SocketAddrV4::new(address, port);
        let path = directory.path();
        let mut lines = vec![
            "version: 0.1".to_owned(),
            format!(
                "storage: {{ filesystem: {{ rootdirectory: {}/data }}, delete: {{ enabled: true }} }}",
                path.display()
            ),
            "validation: { manifests: { urls: { allow: ['.*'] } } }".to_owned(),
        ];
        if is_secured {
            certify(path, *address.ip())?;
            fs::write(path.join("htpasswd"), HTPASSWD)?;
            lines.push(format!(
                "auth: {{ htpasswd: {{ realm: e2e, path: {}/htpasswd }} }}",
                path.display()
            ));
            lines.push(format!(
                "http: {{ addr: '{address}', tls: {{ certificate: {0}/cert.pem, key: {0}/key.pem }} }}",
                path.display()
            ));
        } else {
            lines.push(format!("http: {{ addr: '{address}' }}"));
        }
        let configuration = path.join("config.yml");
        fs::write(&configuration, lines.join("\n"))?;
        let log = fs::File::create(path.join("log"))?;
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start docker-registry")?;
        let mut registry = Self {
            address,
            directory,
            child,
            own_address: None,
        };
        registry.wait()?;
        Ok(registry)
    }

    fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("docker-registry ended ({status}): {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("docker-registry does not answer: {}", self.log())
    }

    /// `host:port`, as names of images begin.
    #[must_use]
    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// The certificate of the authority that its own is signed by.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// What it has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Puts a blob into a repository of a registry without a password; gives its digest.
    ///
    /// # Errors
    /// When it refuses.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> Result<String> {
        let digest = digest(bytes)?;
        let file = self.directory.path().join("upload");
        fs::write(&file, bytes)?;
        let script = r#"
            place=$(curl -sSf -D - -o /dev/null -X POST "$1/blobs/uploads/" | tr -d '\r' |
                sed -n 's/^[Ll]ocation: //p')
            case $place in *\?*) place="$place&digest=$2" ;; *) place="$place?digest=$2" ;; esac
            curl -sSf -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$3" "$place""#;
        self.shell(script, repository, &digest, &file)?;
        Ok(digest)
    }

    /// Puts a manifest under a tag.
    ///
    /// # Errors
    /// When it refuses.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: &str,
        media_type: &str,
        text: &str,
    ) -> Result<()> {
        let file = self.directory.path().join("manifest");
        fs::write(&file, text)?;
        let script =
            r#"curl -sSf -X PUT -H "Content-Type: $4" --data-binary "@$3" "$1/manifests/$2""#;
        self.shell_with(script, repository, tag, &file, media_type)
    }

    /// The file that holds a blob's bytes.
    #[must_use]
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = self
            .directory
            .path()
            .join("data/docker/registry/v2/blobs/sha256");
        blobs
            .join(hex.get(..2).unwrap_or_default())
            .join(hex)
            .join("data")
    }

    /// Loses the bytes of a blob, of which it goes on telling that it has it.
    ///
    /// # Errors
    /// When it has no such blob.
    pub fn lose(&self, digest: &str) -> Result<()> {
        Ok(fs::remove_file(self.blob(digest))?)
    }

    fn shell(&self, script: &str, repository: &str, name: &str, file: &Path) -> Result<()> {
        self.shell_with(script, repository, name, file, "")
    }

    fn shell_with(
        &self,
        script: &str,
        repository: &str,
        name: &str,
        file: &Path,
        media_type: &str,
    ) -> Result<()> {
        let output = Command::new("sh")
            .args(["-euc", script, "sh"])
            .arg(format!("http://{}/v2/{repository}", self.address))
            .arg(name)
            .arg(file)
            .arg(media_type)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "curl: {said}");
        Ok(())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(address) = self.own_address {
            let _ = Command::new("ip")
                .args(["address", "delete", &format!("{address}/32"), "dev", "lo"])
                .status();
        }
    }
}

/// An authority, and a certificate of it for an address.
fn certify(directory: &Path, address: Ipv4Addr) -> Result<()> {
    let script = r"
        openssl req -new -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca-key.pem -out ca.pem
        openssl req -new -newkey rsa:2048 -nodes -subj /CN=registry -keyout key.pem -out request.pem
        printf %s subjectAltName=IP:$1 > extensions.cnf
        openssl x509 -req -days 2 -CA ca.pem -CAkey ca-key.pem -CAcreateserial \
            -in request.pem -extfile extensions.cnf -out cert.pem";
    let output = Command::new("sh")
        .args(["-euc", script, "sh", &address.to_string()])
        .current_dir(directory)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "openssl: {said}");
    Ok(())
}

/// `sha256:…` of some bytes.
///
/// # Errors
/// When `sha256sum` cannot be run.
pub fn digest(bytes: &[u8]) -> Result<String> {
    use std::io::Write as _;
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("no input")?;
    input.write_all(bytes)?;
    drop(input);
    let output = child.wait_with_output()?;
    let text = String::from_utf8(output.stdout)?;
    let hex = text.split_whitespace().next().context("no digest")?;
    Ok(format!("sha256:{hex}"))
}
