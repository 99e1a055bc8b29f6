//! Debian's registry, started by the tests: with and without TLS, with and without passwords.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use porthole_distribution::{Credentials, Proxies, Settings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::proxy::Proxy;
use crate::support::settings;

/// `porthole` with the password `correct horse`.
const HTPASSWD: &str = "porthole:$2a$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n";

/// A registry that runs until it is dropped.
pub(crate) struct Registry {
    child: Child,
    pub(crate) host: String,
    directory: TempDir,
}

/// How a registry is set up.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) has_tls: bool,
    pub(crate) wants_client_certificate: bool,
    pub(crate) has_passwords: bool,
    /// Lines of its configuration.
    pub(crate) more: &'static str,
}

impl Registry {
    pub(crate) async fn start(setup: Setup) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let file = |name: &str| directory.path().join(name).display().to_string();
        let mut config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  \
             delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            file("data")
        );
        if setup.has_tls {
            certificates(directory.path());
            config += &format!(
                "  tls:\n    certificate: {}\n    key: {}\n",
                file("server.crt"),
                file("server.key")
            );
            if setup.wants_client_certificate {
                config += &format!("    clientcas: [{}]\n", file("ca.crt"));
            }
        }
        if setup.has_passwords {
            fs::write(file("htpasswd"), HTPASSWD).unwrap();
            config += &format!(
                "auth:\n  htpasswd: {{realm: tests, path: {}}}\n",
                file("htpasswd")
            );
        }
        config += setup.more;
        fs::write(file("config.yml"), config).unwrap();
        let mut child = Command::new("docker-registry")
            .args(["serve", &file("config.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry, which `cargo xtask test` installs");
        let errors = child.stderr.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                eprintln!("docker-registry: {line}");
            }
        });
        let registry = Self {
            child,
            host: format!("127.0.0.1:{port}"),
            directory,
        };
        while tokio::net::TcpStream::connect(&registry.host)
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        registry
    }

    /// Settings by which `registry.example` is this registry, whose certificates are checked: those
    /// of this host's own addresses are not.
    pub(crate) async fn named(&self) -> (Settings, Proxy) {
        let proxy = Proxy::start(&self.host).await;
        let settings = Settings {
            proxies: Proxies {
                https: Some(format!("http://{}", proxy.address)),
                ..Proxies::default()
            },
            ..settings()
        };
        (settings, proxy)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A directory of certificates with copies of these files for [`HOST`].
    pub(crate) fn certificates(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let directory = self.path(name);
        fs::create_dir_all(directory.join(HOST)).unwrap();
        for (from, to) in files {
            fs::copy(self.path(from), directory.join(HOST).join(to)).unwrap();
        }
        directory
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A CA, a server's certificate and a client's.
fn certificates(directory: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let write = |name: &str, text: String| fs::write(directory.join(name), text).unwrap();
    write("ca.crt", ca.pem());
    for name in ["server", "client"] {
        let key = KeyPair::generate().unwrap();
        let names = [HOST.to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        write(&format!("{name}.crt"), certificate.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

/// A registry that only the tests' proxy knows.
pub(crate) const HOST: &str = "registry.example";

pub(crate) fn account() -> Credentials {
    Credentials::basic("porthole", "correct horse")
}
