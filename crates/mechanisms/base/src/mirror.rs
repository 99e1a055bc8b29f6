//! A Debian mirror: its signed index, and fetching from it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use liblzma::read::XzDecoder;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::digest;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::packages::{self, Package};
use crate::release::{Index, Release};

/// The release of Debian whose Wine is used.
pub(crate) const SUITE: &str = "trixie";

/// The largest index that is accepted, unpacked, in bytes.
const MAX_INDEX: u64 = 256 << 20;

/// The largest Release file that is accepted, in bytes: it is read before anything is known of it.
const MAX_RELEASE: u64 = 4 << 20;

/// How long a mirror may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// The slowest transfer that is waited for, in bytes a second on average: a mirror that sends a byte
/// now and then would otherwise hold a build for ever.
const SLOWEST: u64 = 16 << 10;

/// A mirror of Debian's archive.
pub(crate) struct Mirror {
    url: String,
    agent: Agent,
    patience: Duration,
}

/// A transfer that has begun.
pub(crate) struct Transfer {
    body: Body,
    /// Whether it begins where the request asked; otherwise at the file's first byte.
    pub(crate) is_continued: bool,
}

impl Mirror {
    /// The mirror at `url`; connects to nothing yet. Proxies are taken from the environment
    /// (`http_proxy`, `https_proxy`), root certificates from `SSL_CERT_FILE` or the system.
    pub(crate) fn new(url: &str) -> Self {
        Self::with_patience(url, PATIENCE)
    }

    /// As [`Mirror::new`], for a mirror that may be silent for so long.
    pub(crate) fn with_patience(url: &str, patience: Duration) -> Self {
        let certificates = rustls_native_certs::load_native_certs().certs;
        let certificates: Vec<_> = certificates
            .iter()
            .map(|der| Certificate::from_der(der).to_owned())
            .collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&certificates))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience))
            .http_status_as_error(false)
            .build()
            .new_agent();
        Self {
            url: url.trim_end_matches('/').to_owned(),
            agent,
            patience,
        }
    }

    /// Begins to fetch `path`, a file of `size` bytes at most, from byte `offset` on.
    pub(crate) fn get(&self, path: &str, offset: u64, size: u64) -> Result<Transfer> {
        let url = format!("{}/{path}", self.url);
        let time = self.patience + Duration::from_secs(size / SLOWEST);
        let mut request = self.agent.get(&url);
        if offset > 0 {
            request = request.header("Range", format!("bytes={offset}-"));
        }
        let request = request.config().timeout_recv_body(Some(time)).build();
        let response = request.call().map_err(|error| {
            self.failure(path, "the mirror cannot be reached")
                .with_source(error)
        })?;
        let is_continued = match response.status().as_u16() {
            200 => false,
            206 => true,
            status => return Err(self.failure(path, format!("the mirror answered {status}"))),
        };
        Ok(Transfer {
            body: response.into_body(),
            is_continued,
        })
    }

    /// The mirror failed to give `path`.
    pub(crate) fn failure(&self, path: &str, message: impl Into<String>) -> Error {
        let url = format!("{}/{path}", self.url);
        Error::new(ErrorKind::Mirror, "fetch", url, message)
    }

    /// The mirror gives something else under `path` than Debian has signed.
    pub(crate) fn distrust(&self, path: &str, message: impl Into<String>) -> Error {
        let url = format!("{}/{path}", self.url);
        Error::new(ErrorKind::Untrusted, "fetch", url, message)
    }

    /// The Release file, after its signature has been checked against `keyring`.
    pub(crate) fn release(&self, keyring: &Path, scratch: &Path) -> Result<Release> {
        let path = format!("dists/{SUITE}/InRelease");
        let signed = self.read_index(&path, MAX_RELEASE)?;
        let file = scratch.join("InRelease");
        fs::write(&file, signed).at("write index", &file)?;
        let text = verified_text(&file, keyring)?;
        let release = Release::parse(&text)?;
        if release.codename != SUITE {
            let message = format!(
                "it is the archive of {:?}, not of {SUITE}",
                release.codename
            );
            return Err(Error::new(
                ErrorKind::Untrusted,
                "read index of",
                &self.url,
                message,
            ));
        }
        Ok(release)
    }

    /// The packages `names` of an architecture, as the release lists them.
    pub(crate) fn find_packages(
        &self,
        release: &Release,
        architecture: &str,
        names: &[&str],
    ) -> Result<Vec<Package>> {
        let path = format!("main/binary-{architecture}/Packages.xz");
        let index = release.index(&path)?;
        let compressed = self.read_checked_index(release, index)?;
        let mut text = String::new();
        XzDecoder::new(compressed.as_slice())
            .take(MAX_INDEX)
            .read_to_string(&mut text)
            .at("unpack index", &path)?;
        packages::find(&text, architecture, names)
    }

    /// An index by its digest; by its name from mirrors that do not offer that, where a mirror that
    /// is being updated may have another one.
    fn read_checked_index(&self, release: &Release, index: &Index) -> Result<Vec<u8>> {
        let (directory, _) = index.path.rsplit_once('/').unwrap_or_default();
        let by_hash = format!("dists/{SUITE}/{directory}/by-hash/SHA256/{}", index.sha256);
        let by_name = format!("dists/{SUITE}/{}", index.path);
        let content = match self.read_index(&by_hash, index.size) {
            Ok(content) if release.by_hash => content,
            _ => self.read_index(&by_name, index.size)?,
        };
        if digest::of(&content) == index.sha256 {
            return Ok(content);
        }
        let message = "it is not the index that the signed Release file names";
        Err(self.distrust(&by_name, message))
    }

    /// A file of `size` bytes at most.
    fn read_index(&self, path: &str, size: u64) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        let copied = self.get(path, 0, size)?.copy(size, &mut |piece| {
            content.extend_from_slice(piece);
            Ok(())
        });
        copied.map_err(|error| self.broken(path, error))?;
        Ok(content)
    }

    /// A transfer of `path` ended before it was complete, or did not end when it was.
    pub(crate) fn broken(&self, path: &str, error: std::io::Error) -> Error {
        match error.kind() {
            std::io::ErrorKind::FileTooLarge => {
                let message = "it is larger than the mirror's signed index says";
                self.distrust(path, message)
            }
            _ if is_timeout(&error) => self
                .failure(path, "the mirror is silent or too slow")
                .with_source(error),
            _ => self
                .failure(path, "the transfer broke off")
                .with_source(error),
        }
    }
}

/// What is signed in a clear-signed file. What stands outside of the signature is not in it.
fn verified_text(file: &Path, keyring: &Path) -> Result<String> {
    let subject = file.display().to_string();
    let output = Command::new("gpgv")
        .args(["--quiet", "--output", "-", "--keyring"])
        .arg(keyring)
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            Error::new(
                ErrorKind::Tool,
                "check signature of",
                &subject,
                "gpgv cannot be started",
            )
            .with_source(error)
        })?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr)
            .trim()
            .replace('\n', "; ");
        let message = format!("no valid signature by Debian ({why})");
        return Err(Error::new(
            ErrorKind::Untrusted,
            "check signature of",
            subject,
            message,
        ));
    }
    String::from_utf8(output.stdout)
        .map_err(|error| Error::malformed("read index", subject, "not UTF-8").with_source(error))
}

/// The keyring that Debian's archives are checked against.
pub(crate) fn default_keyring() -> Result<PathBuf> {
    let candidates = ["debian-archive-keyring.gpg", "debian-archive-keyring.pgp"];
    let found = candidates
        .iter()
        .map(|name| Path::new("/usr/share/keyrings").join(name));
    found.into_iter().find(|path| path.exists()).ok_or_else(|| {
        let message = "the package debian-archive-keyring is not installed";
        Error::new(
            ErrorKind::Tool,
            "find keyring in",
            "/usr/share/keyrings",
            message,
        )
    })
}

/// The Debian mirror that apt uses on this machine, from its source lists.
pub(crate) fn configured() -> Result<String> {
    let mut lists = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        lists.extend(entries.flatten().map(|entry| entry.path()));
    }
    lists.sort();
    let urls = lists
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok());
    let url = urls.into_iter().find_map(|text| archive_in(&text));
    url.ok_or_else(|| {
        let message = "apt is not set up with a mirror of Debian";
        Error::new(ErrorKind::Mirror, "find mirror in", "/etc/apt", message)
    })
}

/// The first archive of Debian itself (not its security or another archive) that a source list
/// names, in either of apt's forms.
fn archive_in(list: &str) -> Option<String> {
    let lines = list
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    let words = lines
        .filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"))
        .flat_map(str::split_ascii_whitespace);
    let mut urls = words.filter(|word| word.starts_with("http://") || word.starts_with("https://"));
    urls.find(|url| url.trim_end_matches('/').ends_with("/debian"))
        .map(str::to_owned)
}

fn is_timeout(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(ureq::Error::Timeout(_)))
}

impl Transfer {
    /// Hands what comes to `take`, piece by piece, to the end.
    ///
    /// # Errors
    /// [`std::io::ErrorKind::FileTooLarge`] when there is more than `limit` bytes, of which no more
    /// are handed over: a mirror may not fill the disk. Else what the connection or `take` says.
    pub(crate) fn copy(
        self,
        limit: u64,
        take: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let mut reader = self.body.into_reader();
        let mut buffer = vec![0; 128 << 10];
        let mut left = limit;
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            left = left
                .checked_sub(count as u64)
                .ok_or(std::io::ErrorKind::FileTooLarge)?;
            take(&buffer[..count])?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::archive_in;

    #[test]
    fn finds_debian_in_both_forms_of_list() {
        let new = "Types: deb\n# URIs: http://a/debian\nURIs: http://b/debian-security http://c/debian/\n";
        assert_eq!(archive_in(new).as_deref(), Some("http://c/debian/"));
        let old =
            "# deb http://a/debian x main\ndeb [signed-by=/k] https://d/debian bookworm main\n";
        assert_eq!(archive_in(old).as_deref(), Some("https://d/debian"));
        assert_eq!(archive_in("deb http://e/ubuntu noble main\n"), None);
    }
}
