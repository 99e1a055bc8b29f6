//! Real receivers: what arrives at sockets, and what happens when they go away.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use porthole_container_log::record::encode;
use porthole_container_log::{Attributes, LogWriter, Rotation, Stream, Timestamp};
use porthole_log_drivers::{Driver, Forwarder, Host, Round, Source};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram};
use tokio_rustls::TlsAcceptor;

const PATIENCE: Duration = Duration::from_secs(20);

/// A log, and where drivers find this host's sockets.
struct Ground {
    directory: tempfile::TempDir,
    written: i64,
}

impl Ground {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            written: 0,
        }
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log.json")
    }

    fn host(&self) -> Host {
        let mut host = Host::new("build");
        host.journal = self.directory.path().join("journal");
        host.syslog = vec![self.directory.path().join("syslog")];
        host
    }

    /// Writes lines, as a supervisor does.
    fn write(&mut self, lines: &[&str]) {
        let rotation = Rotation {
            max_size: 1000,
            max_files: 9,
            compress: true,
        };
        let mut writer = LogWriter::open(&self.log(), Some(rotation)).unwrap();
        for line in lines {
            self.written += 1;
            let mut record = Vec::new();
            encode(
                &mut record,
                Stream::Stdout,
                Timestamp(self.written),
                &Attributes::default(),
                format!("{line}\r\n").as_bytes(),
            );
            writer.append(&record).unwrap();
        }
    }

    fn forwarder(&self, driver: &str, options: &[(&str, &str)]) -> Forwarder {
        let options: BTreeMap<_, _> = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let driver = Driver::new(driver, &options, &self.host())
            .unwrap()
            .unwrap();
        let source = Source {
            container_id: "0123456789abcdef".to_owned(),
            container_name: "web".to_owned(),
            tag: "tagged".to_owned(),
            ..Source::default()
        };
        Forwarder::new(driver, source, &self.log())
    }
}

/// Sends until there is nothing left.
async fn drain(forwarder: &mut Forwarder) {
    let drained = async {
        loop {
            match forwarder.round().await.unwrap() {
                Round::Idle => break,
                Round::Sent => {}
                Round::Refused(pause) => {
                    tokio::time::sleep(pause.min(Duration::from_millis(20))).await;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, drained)
        .await
        .expect("it took too long");
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it took too long")
}

async fn datagram(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65536];
    let count = within(socket.recv(&mut buffer)).await.unwrap();
    buffer.truncate(count);
    buffer
}

/// Reads a connection until so many line breaks have come.
async fn lines(stream: &mut TcpStream, count: usize) -> Vec<String> {
    let mut bytes = Vec::new();
    while bytes.iter().filter(|byte| **byte == b'\n').count() < count {
        bytes.push(within(stream.read_u8()).await.unwrap());
    }
    let text = String::from_utf8(bytes).unwrap();
    let line = |line: &str| line.rsplit(' ').next().unwrap_or_default().to_owned();
    text.lines().map(line).collect()
}

#[tokio::test]
async fn syslog_over_udp_and_local_sockets() {
    let mut ground = Ground::new();
    ground.write(&["one", "two"]);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = format!("udp://{}", socket.local_addr().unwrap());
    drain(&mut ground.forwarder("syslog", &[("syslog-address", &address)])).await;
    for line in ["one", "two"] {
        let message = String::from_utf8(datagram(&socket).await).unwrap();
        assert!(
            message.starts_with("<30>Jan  1 00:00:00 tagged["),
            "{message}"
        );
        assert!(message.ends_with(&format!("]: {line}\n")), "{message}");
    }
    let local = UnixDatagram::bind(&ground.host().syslog[0]).unwrap();
    drain(&mut ground.forwarder("syslog", &[("syslog-format", "rfc5424")])).await;
    let mut buffer = [0; 1024];
    let count = within(local.recv(&mut buffer)).await.unwrap();
    let message = String::from_utf8_lossy(&buffer[..count]).into_owned();
    assert!(
        message.starts_with("<30>1 1970-01-01T00:00:00Z build tagged "),
        "{message}"
    );
}

#[tokio::test]
async fn journald_gets_entries_or_is_said_to_be_missing() {
    let mut ground = Ground::new();
    ground.write(&["hello"]);
    let mut forwarder = ground.forwarder("journald", &[]);
    let missing = forwarder.connect().await.unwrap_err();
    assert_eq!(missing.to_string(), "journald is not enabled on this host");
    let journal = UnixDatagram::bind(ground.host().journal).unwrap();
    forwarder.connect().await.unwrap();
    drain(&mut forwarder).await;
    let mut buffer = [0; 4096];
    let count = within(journal.recv(&mut buffer)).await.unwrap();
    let entry = String::from_utf8_lossy(&buffer[..count]).into_owned();
    assert!(
        entry.starts_with("MESSAGE=hello\nPRIORITY=6\nCONTAINER_ID=0123456789ab\n"),
        "{entry}"
    );
}

#[tokio::test]
async fn gelf_over_udp_and_tcp() {
    let mut ground = Ground::new();
    ground.write(&["one", "", "two"]);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = format!("udp://{}", socket.local_addr().unwrap());
    let options = [
        ("gelf-address", address.as_str()),
        ("gelf-compression-type", "none"),
    ];
    drain(&mut ground.forwarder("gelf", &options)).await;
    for line in ["one", "two"] {
        let document: serde_json::Value = serde_json::from_slice(&datagram(&socket).await).unwrap();
        assert_eq!(document["short_message"], line);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let mut forwarder = ground.forwarder("gelf", &[("gelf-address", &address)]);
    drain(&mut forwarder).await;
    drop(forwarder);
    let (mut stream, _) = within(listener.accept()).await.unwrap();
    let mut bytes = Vec::new();
    within(stream.read_to_end(&mut bytes)).await.unwrap();
    assert_eq!(bytes.iter().filter(|byte| **byte == 0).count(), 2);
}

#[tokio::test]
async fn a_new_forwarder_goes_on_where_the_last_one_noted() {
    let mut ground = Ground::new();
    let numbers: Vec<String> = (0..60).map(|number| number.to_string()).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let options = [("syslog-address", address.as_str())];
    ground.write(&numbers[..20]);
    let mut first = ground.forwarder("syslog", &options);
    first.connect().await.unwrap();
    drain(&mut first).await;
    assert!(first.is_unsaved());
    first.save().await;
    assert!(!first.is_unsaved());
    // Sent and not noted, as by a daemon that is killed: these come twice.
    ground.write(&numbers[20..30]);
    drain(&mut first).await;
    drop(first);
    let (mut stream, _) = within(listener.accept()).await.unwrap();
    assert_eq!(lines(&mut stream, 30).await, numbers[..30]);
    // The log is rotated and compressed meanwhile.
    ground.write(&numbers[30..]);
    let mut second = ground.forwarder("syslog", &options);
    drain(&mut second).await;
    let (mut stream, _) = within(listener.accept()).await.unwrap();
    assert_eq!(lines(&mut stream, 40).await, numbers[20..]);
}

#[tokio::test]
async fn a_destination_that_goes_away_gets_the_rest_when_it_is_back() {
    let mut ground = Ground::new();
    // Bound and not listening: nobody else gets the port while the destination is away.
    let reserved = TcpSocket::new_v4().unwrap();
    reserved.set_reuseaddr(true).unwrap();
    reserved.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let at = reserved.local_addr().unwrap();
    let listener = TcpListener::bind(at).await.unwrap();
    let address = format!("tcp://{at}");
    let mut forwarder = ground.forwarder("syslog", &[("syslog-address", &address)]);
    ground.write(&["before"]);
    drain(&mut forwarder).await;
    let (mut stream, _) = within(listener.accept()).await.unwrap();
    assert_eq!(lines(&mut stream, 1).await, ["before"]);
    drop((stream, listener));
    ground.write(&["meanwhile", "later"]);
    let refused = within(forwarder.round()).await.unwrap();
    assert!(matches!(refused, Round::Refused(_)), "{refused:?}");
    let refused = within(forwarder.round()).await.unwrap();
    let Round::Refused(pause) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(pause, Duration::from_secs(1), "doubled once");
    let listener = TcpListener::bind(at).await.unwrap();
    drain(&mut forwarder).await;
    let (mut stream, _) = within(listener.accept()).await.unwrap();
    assert_eq!(lines(&mut stream, 2).await, ["meanwhile", "later"]);
}

#[tokio::test]
async fn fluentd_acknowledges_or_gets_it_again() {
    let mut ground = Ground::new();
    ground.write(&["one"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let options = [
        ("fluentd-address", address.as_str()),
        ("fluentd-request-ack", "true"),
        ("fluentd-retry-wait", "1ms"),
    ];
    let mut forwarder = ground.forwarder("fluentd", &options);
    let server = async {
        // The first connection breaks off before it acknowledges.
        let (mut stream, _) = listener.accept().await.unwrap();
        let (first, _) = record(&mut stream).await;
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        let (second, chunk) = record(&mut stream).await;
        // Chunks have 24 characters.
        let answer = [b"\x81\xa3ack\xb8", chunk.as_bytes()];
        stream.write_all(&answer.concat()).await.unwrap();
        (first, second)
    };
    let ((first, second), ()) = tokio::join!(within(server), drain(&mut forwarder));
    assert_eq!(first, second);
    let expected = BTreeMap::from(
        [
            ("container_id", "0123456789abcdef"),
            ("container_name", "/web"),
            ("source", "stdout"),
            ("log", "one"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    assert_eq!(first, expected);
}

/// Reads one message of the forward protocol: its record, and what it is to be acknowledged by.
async fn record(stream: &mut TcpStream) -> (BTreeMap<String, String>, String) {
    assert_eq!(byte(stream).await, 0x94, "an array of four");
    assert_eq!(text(stream).await, "tagged");
    // 1970, one nanosecond after its begin: a number of one byte.
    assert_eq!(byte(stream).await, 0);
    let mut fields = BTreeMap::new();
    for _ in 0..byte(stream).await - 0x80 {
        let name = text(stream).await;
        fields.insert(name, text(stream).await);
    }
    assert_eq!(byte(stream).await, 0x81, "a map of one");
    assert_eq!(text(stream).await, "chunk");
    (fields, text(stream).await)
}

async fn byte(stream: &mut TcpStream) -> u8 {
    stream.read_u8().await.unwrap()
}

/// A short string of MessagePack.
async fn text(stream: &mut TcpStream) -> String {
    let length = byte(stream).await - 0xa0;
    let mut bytes = vec![0; length.into()];
    stream.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn who_does_not_answer_is_named() {
    let ground = Ground::new();
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", nobody.local_addr().unwrap());
    let mut fluentd = ground.forwarder("fluentd", &[("fluentd-address", &address)]);
    let error = fluentd.connect().await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot connect to {address}"));
    let options = [
        ("fluentd-address", address.as_str()),
        ("fluentd-async", "true"),
    ];
    ground
        .forwarder("fluentd", &options)
        .connect()
        .await
        .unwrap();
    assert!(!Path::new(&ground.log()).exists());
}

/// A server's certificate that signs itself, in PEM, and what speaks TLS with it.
fn certificate() -> (String, TlsAcceptor) {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let configuration = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    (
        signed.cert.pem(),
        TlsAcceptor::from(Arc::new(configuration)),
    )
}

#[tokio::test]
async fn syslog_over_tls_trusts_the_named_ca_and_no_other() {
    let mut ground = Ground::new();
    ground.write(&["secret"]);
    let (pem, acceptor) = certificate();
    let ca = ground.directory.path().join("ca.pem");
    std::fs::write(&ca, pem).unwrap();
    let other = ground.directory.path().join("other.pem");
    std::fs::write(&other, certificate().0).unwrap();
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = format!("tcp+tls://localhost:{port}");
    let (ca, other) = (ca.to_string_lossy(), other.to_string_lossy());
    for (option, value, is_trusted) in [
        ("syslog-tls-ca-cert", ca.as_ref(), true),
        ("syslog-tls-ca-cert", other.as_ref(), false),
        ("syslog-tls-skip-verify", "true", true),
    ] {
        let options = [("syslog-address", address.as_str()), (option, value)];
        let mut forwarder = ground.forwarder("syslog", &options);
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.ok()?;
            let mut text = vec![0; 64];
            let count = stream.read(&mut text).await.ok()?;
            String::from_utf8_lossy(&text[..count])
                .contains("]: secret\n")
                .then_some(())
        };
        let (served, round) = tokio::join!(within(serve), within(forwarder.round()));
        assert_eq!(served.is_some(), is_trusted, "{option} {value}");
        let is_sent = round.unwrap() == Round::Sent;
        assert_eq!(is_sent, is_trusted, "{option} {value}");
    }
}

#[tokio::test]
async fn an_unreadable_note_is_none_and_a_log_may_become_readable_later() {
    let mut ground = Ground::new();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = format!("udp://{}", socket.local_addr().unwrap());
    let directory = ground.directory.path();
    std::fs::write(directory.join("forwarded.json"), "{\"file\":").unwrap();
    // A log that cannot be read for a while.
    std::fs::create_dir(ground.log()).unwrap();
    let mut forwarder = ground.forwarder("syslog", &[("syslog-address", &address)]);
    assert!(forwarder.round().await.is_err());
    std::fs::remove_dir(ground.log()).unwrap();
    ground.write(&["one", "two"]);
    drain(&mut forwarder).await;
    for expected in ["one", "two"] {
        let text = String::from_utf8(datagram(&socket).await).unwrap();
        assert!(text.trim_end().ends_with(expected), "{text}");
    }
}
