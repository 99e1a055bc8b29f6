//! TLS for clients over TCP: certificates from files, read again when the daemon is told to.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The size that no file of certificates needs.
const MAX_SIZE: u64 = 1 << 20;

/// Bits of a mode that let others than the owner and the group read a key, or anybody but the
/// owner change it.
const EXPOSED: u32 = 0o027;

/// The files of a server that knows its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    /// The CA that signs the clients' certificates.
    pub(crate) ca: PathBuf,
    /// The server's certificate, its chain after it.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

impl CertificateFiles {
    /// Reads them.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else, a key that others can read, or one of
    /// another certificate.
    pub(crate) fn load(&self) -> Result<Arc<ServerConfig>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        for root in certificates(&self.ca)? {
            roots
                .add(root)
                .with_context(|| format!("{} holds a certificate that is none", shown(&self.ca)))?;
        }
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .with_context(|| format!("{} is no CA", shown(&self.ca)))?;
        let chain = certificates(&self.certificate)?;
        let key = private_key(&self.key)?;
        let configuration = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key);
        let configuration = configuration.with_context(|| {
            let (key, certificate) = (shown(&self.key), shown(&self.certificate));
            format!("the key {key} does not go with the certificate {certificate}")
        })?;
        Ok(Arc::new(configuration))
    }

    /// What connections are to speak, from now on and after each SIGHUP. Files that cannot be read
    /// any more are named in the log, and those read before stay.
    ///
    /// # Errors
    /// As [`load`](Self::load), and when signals cannot be watched.
    pub(crate) fn follow(&self) -> Result<watch::Receiver<Arc<ServerConfig>>> {
        let mut hang_up = signal(SignalKind::hangup()).context("cannot watch for SIGHUP")?;
        let (current, follower) = watch::channel(self.load()?);
        let files = self.clone();
        tokio::spawn(async move {
            while hang_up.recv().await.is_some() {
                match files.load() {
                    Ok(next) => {
                        current.send_replace(next);
                        tracing::info!("read the TLS certificates again");
                    }
                    Err(error) => {
                        let error = format!("{error:#}");
                        tracing::error!(error, "the TLS certificates stay as they were");
                    }
                }
            }
        });
        Ok(follower)
    }
}

fn shown(path: &Path) -> std::path::Display<'_> {
    path.display()
}

/// The certificates of a file, one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let context = || format!("cannot read the certificate {}", shown(path));
    let bytes = read(&File::open(path).with_context(context)?).with_context(context)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .with_context(context)?;
    if certificates.is_empty() {
        bail!("{} holds no certificate in PEM", shown(path));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let context = || format!("cannot read the private key {}", shown(path));
    let file = File::open(path).with_context(context)?;
    let mode = file.metadata().with_context(context)?.mode();
    ensure!(
        mode & EXPOSED == 0,
        "others can read or change the private key {path} (mode {mode:04o}): run 'chmod 600 {path}'",
        path = shown(path),
        mode = mode & 0o7777,
    );
    let bytes = read(&file).with_context(context)?;
    PrivateKeyDer::from_pem_slice(&bytes).with_context(context)
}

fn read(file: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_SIZE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;

    /// A certificate that signs itself, and its key, in files.
    fn files(directory: &Path) -> CertificateFiles {
        let key = KeyPair::generate().expect("a key");
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).expect("a certificate");
        let files = CertificateFiles {
            ca: directory.join("ca.pem"),
            certificate: directory.join("cert.pem"),
            key: directory.join("key.pem"),
        };
        fs::write(&files.ca, certificate.pem()).expect("a file");
        fs::write(&files.certificate, certificate.pem()).expect("a file");
        fs::write(&files.key, key.serialize_pem()).expect("a file");
        set_mode(&files.key, 0o640);
        files
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    }

    fn refusal(files: &CertificateFiles) -> String {
        format!("{:#}", files.load().expect_err("a refusal"))
    }

    #[test]
    fn files_that_belong_together_are_taken() {
        let directory = tempfile::tempdir().expect("a directory");
        files(directory.path()).load().expect("a configuration");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = files(directory.path());
        set_mode(&files.key, 0o644);
        let refusal = refusal(&files);
        assert!(refusal.contains("(mode 0644)"), "{refusal}");
        assert!(refusal.contains("chmod 600"), "{refusal}");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let directory = tempfile::tempdir().expect("a directory");
        let other_directory = tempfile::tempdir().expect("a directory");
        let good = files(directory.path());
        let other = files(other_directory.path());
        let mixed = CertificateFiles {
            key: other.key,
            ..good.clone()
        };
        assert!(refusal(&mixed).contains("does not go with"));
        fs::write(&good.ca, "no PEM").expect("a file");
        assert!(refusal(&good).contains("holds no certificate"));
        fs::remove_file(&good.ca).expect("a file to remove");
        assert!(refusal(&good).contains("cannot read the certificate"));
    }
}
