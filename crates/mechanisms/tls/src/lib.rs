//! Whom a client trusts and who it is: certificates from files.

mod own_authority;

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use own_authority::OwnAuthority;

/// The size that no file of certificates needs.
const MAX_SIZE: u64 = 1 << 20;

/// Certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the certificates of {file}")]
pub struct Error {
    /// The file, or what else they are of.
    pub file: String,
    /// Why not.
    pub source: io::Error,
}

/// Whom to trust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// The CAs that this host trusts.
    #[default]
    Host,
    /// Those, and the CAs of these files.
    HostAnd(Vec<String>),
    /// The CAs of this file alone.
    Only(String),
    /// Whoever answers, as long as they have the key of what they show.
    Anybody,
}

/// Whom to trust, and who to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Whom to trust.
    pub trust: Trust,
    /// Files of a certificate and its key.
    pub identity: Option<(String, String)>,
}

impl TlsOptions {
    /// Reads the files on a thread where blocking harms nobody: this host may trust hundreds of CAs.
    ///
    /// # Errors
    /// A file that cannot be read or holds no certificates.
    pub async fn load(&self) -> Result<Arc<ClientConfig>, Error> {
        let options = self.clone();
        let loaded = tokio::task::spawn_blocking(move || options.read());
        loaded
            .await
            .unwrap_or_else(|error| Err(certificates("TLS", error)))
    }

    fn read(&self) -> Result<Arc<ClientConfig>, Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier = self.trust.verifier(&provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| certificates("TLS", error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let configuration = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = read_certificates(certificate)?;
                let private = PrivateKeyDer::from_pem_slice(&read(key)?)
                    .map_err(|error| certificates(key, error))?;
                builder
                    .with_client_auth_cert(chain, private)
                    .map_err(|error| certificates(certificate, error))?
            }
        };
        Ok(Arc::new(configuration))
    }
}

impl Trust {
    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let (files, name) = match self {
            Self::Anybody => return Ok(Arc::new(Anybody(Arc::clone(provider)))),
            Self::Host => ([].as_slice(), "this host's CAs"),
            Self::HostAnd(files) => (files.as_slice(), "this host's CAs"),
            Self::Only(file) => (std::slice::from_ref(file), file.as_str()),
        };
        let mut roots = RootCertStore::empty();
        let mut named = Vec::new();
        for file in files {
            named.append(&mut add(&mut roots, file)?);
        }
        if !matches!(self, Self::Only(_)) {
            // Those that cannot be read are not trusted, as elsewhere.
            let native = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(native);
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .build()
                .map_err(|error| certificates(name, error))?;
        Ok(Arc::new(OwnAuthority::new(verifier, named)))
    }
}

/// Adds the certificates of a file, and returns them.
fn add(roots: &mut RootCertStore, file: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let named = read_certificates(file)?;
    for root in &named {
        roots
            .add(root.clone())
            .map_err(|error| certificates(file, error))?;
    }
    Ok(named)
}

fn certificates(file: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error {
        file: file.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

fn read(path: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SIZE).read_to_end(&mut bytes))
        .map_err(|source| Error {
            file: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

fn read_certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| certificates(path, error))
}

/// Trusts every certificate whose key the other side has: what is asked for by name.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_certificates_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.crt");
        std::fs::write(
            &path,
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        let file = path.to_str().unwrap().to_owned();
        let options = TlsOptions {
            trust: Trust::HostAnd(vec![file.clone()]),
            identity: None,
        };
        assert_eq!(options.read().unwrap_err().file, file);
        let missing = TlsOptions {
            trust: Trust::Anybody,
            identity: Some((format!("{file}.cert"), format!("{file}.key"))),
        };
        let error = missing.read().unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn cas_and_identities_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["registry".to_owned()]).unwrap();
        let write = |name: &str, text: String| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let certificate = write("ca.crt", made.cert.pem());
        let key = write("client.key", made.signing_key.serialize_pem());
        for trust in [
            Trust::HostAnd(vec![certificate.clone()]),
            Trust::Only(certificate.clone()),
            Trust::Anybody,
        ] {
            let identity = Some((certificate.clone(), key.clone()));
            let configuration = TlsOptions { trust, identity }.read().unwrap();
            assert!(configuration.client_auth_cert_resolver.has_certs());
        }
    }
}
