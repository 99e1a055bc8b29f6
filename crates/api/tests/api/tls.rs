//! TCP with mutual TLS: who is let in, and what the others are told.

use std::sync::Arc;

use porthole_api::Listener;
use porthole_compute_service::fake::Program;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::ClientConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::support::{World, stream_of, within};

const HOST: &str = "localhost";
const PING: &[u8] = b"GET /_ping HTTP/1.1\r\nHost: porthole\r\nConnection: close\r\n\r\n";

/// A certification authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(parameters, key).unwrap())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    fn identity(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new([HOST.to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (vec![certificate.der().clone()], key)
    }

    fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(default_provider());
        let roots = Arc::new(self.roots());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let (chain, key) = self.identity();
        let configuration = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key);
        Arc::new(configuration.unwrap())
    }

    /// A client that trusts this authority and shows an identity, or none.
    fn client(&self, identity: Option<Identity>) -> TlsConnector {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        let configuration = match identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        TlsConnector::from(Arc::new(configuration))
    }
}

struct Secured {
    world: World,
    authority: Authority,
    address: std::net::SocketAddr,
    configuration: watch::Sender<Arc<ServerConfig>>,
}

impl Secured {
    async fn new() -> Self {
        let world = World::new().await;
        let authority = Authority::new("ours");
        let listener = TcpListener::bind((HOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (configuration, follower) = watch::channel(authority.server());
        world.listen(Listener::tls(listener, follower));
        Self {
            world,
            authority,
            address,
            configuration,
        }
    }

    async fn connect(&self, client: TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        within(client.connect(HOST.try_into().unwrap(), stream)).await
    }

    /// Asks for a ping and gives the whole answer. What TLS 1.3 refuses shows with the first read.
    async fn ping(&self, client: TlsConnector) -> std::io::Result<String> {
        let mut stream = self.connect(client).await?;
        stream.write_all(PING).await?;
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await?;
        Ok(answer)
    }
}

#[tokio::test]
async fn a_certificate_of_the_authority_opens_the_door_and_no_other() {
    let secured = Secured::new().await;
    let authority = &secured.authority;
    let good = authority.client(Some(authority.identity()));
    let answer = secured.ping(good).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let nameless = secured.ping(authority.client(None)).await.unwrap_err();
    assert!(
        nameless.to_string().contains("CertificateRequired"),
        "{nameless}"
    );
    let stranger = Authority::new("theirs").identity();
    let refused = secured.ping(authority.client(Some(stranger))).await;
    let refused = refused.unwrap_err();
    assert!(refused.to_string().contains("UnknownCA"), "{refused}");
}

#[tokio::test]
async fn plain_http_gets_the_sentence_that_clients_show() {
    let secured = Secured::new().await;
    let mut stream = TcpStream::connect(secured.address).await.unwrap();
    stream.write_all(PING).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(
        answer,
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    );
}

#[tokio::test]
async fn a_new_configuration_is_for_connections_to_come() {
    let secured = Secured::new().await;
    let next = Authority::new("next");
    let old = || {
        let authority = &secured.authority;
        authority.client(Some(authority.identity()))
    };
    let mut open = secured.connect(old()).await.unwrap();
    secured.configuration.send_replace(next.server());
    let answer = secured.ping(next.client(Some(next.identity()))).await;
    assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
    secured.ping(old()).await.unwrap_err();
    open.write_all(PING).await.unwrap();
    let mut answer = String::new();
    within(open.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn an_input_that_ends_leaves_the_output_open() {
    let secured = Secured::new().await;
    let cat = Program::new().echo();
    secured.world.script.program("cat.exe", cat);
    let body = json!({ "Cmd": ["cat.exe"], "OpenStdin": true, "StdinOnce": true });
    secured.world.start("pipe", body).await;
    let authority = &secured.authority;
    let client = authority.client(Some(authority.identity()));
    let mut stream = secured.connect(client).await.unwrap();
    let request = "POST /containers/pipe/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\n\
                   Host: porthole\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{head:?}");
    stream.write_all(b"over TLS").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut output = Vec::new();
    within(stream.read_to_end(&mut output)).await.unwrap();
    assert_eq!(stream_of(&output, 1), "over TLS");
}

#[tokio::test]
async fn silent_connections_keep_nobody_out_and_are_closed() {
    let secured = Secured::new().await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(secured.address).await.unwrap());
    }
    let authority = &secured.authority;
    let client = || authority.client(Some(authority.identity()));
    let answer = secured.ping(client()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // The first has given way, the last had its time.
    for number in [0, 299] {
        let read = within(silent[number].read(&mut [0])).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}
