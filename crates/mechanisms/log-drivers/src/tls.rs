//! TLS to a log's destination.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{Error, Result};

/// The size that no file of certificates needs.
const MAX_SIZE: u64 = 1 << 20;

/// Whom to trust, and who to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TlsOptions {
    /// The CA's file; none for those that this host trusts.
    pub(crate) ca: Option<String>,
    /// Files of a certificate and its key.
    pub(crate) identity: Option<(String, String)>,
    /// Trust whoever answers.
    pub(crate) skip_verify: bool,
}

impl TlsOptions {
    /// Reads the files on a thread where blocking harms nobody: this host may trust hundreds of CAs.
    pub(crate) async fn load(&self) -> Result<Arc<ClientConfig>> {
        let options = self.clone();
        let loaded = tokio::task::spawn_blocking(move || options.read());
        loaded
            .await
            .unwrap_or_else(|error| Err(certificates("TLS", error)))
    }

    fn read(&self) -> Result<Arc<ClientConfig>> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = if self.skip_verify {
            Arc::new(Anybody(Arc::clone(&provider)))
        } else {
            self.verifier(&provider)?
        };
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

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
        let mut roots = RootCertStore::empty();
        let name = self.ca.as_deref().unwrap_or("this host's CAs");
        match &self.ca {
            Some(file) => {
                for root in read_certificates(file)? {
                    roots.add(root).map_err(|error| certificates(file, error))?;
                }
            }
            // Those that cannot be read are not trusted, as elsewhere.
            None => drop(
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
            ),
        }
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| certificates(name, error))
    }
}

fn certificates(file: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Certificates {
        file: file.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

fn read(path: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SIZE).read_to_end(&mut bytes))
        .map_err(|source| Error::Certificates {
            file: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

fn read_certificates(path: &str) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| certificates(path, error))
}

/// Trusts every certificate whose key the other side has: what `syslog-tls-skip-verify` asks for.
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
