//! Debian's registry, started by the tests: with and without TLS, with and without passwords.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use porthole_distribution::{Client, Credentials, ErrorKind, Proxies, Settings};
use porthole_oci::media_type::{DOCKER_MANIFEST, OCI_MANIFEST};
use porthole_oci::{Descriptor, Digest, Format, Index, Manifest, Platform, Wanted};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::proxy::Proxy;
use crate::support::{
    Image, Memory, Told, client, fetch, nobody, push, reference, settings, wanted,
};

/// `porthole` with the password `correct horse`.
const HTPASSWD: &str = "porthole:$2a$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n";

/// A registry that runs until it is dropped.
pub(crate) struct Registry {
    child: Child,
    pub(crate) host: String,
    pub(crate) directory: TempDir,
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
    async fn named(&self) -> (Settings, Proxy) {
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

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A directory of certificates with copies of these files for [`HOST`].
    fn certificates(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
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
const HOST: &str = "registry.example";

fn account() -> Credentials {
    Credentials::basic("porthole", "correct horse")
}

fn skopeo(arguments: &[&str]) -> String {
    let output = Command::new("skopeo").args(arguments).output();
    let output = output.expect("skopeo, which `cargo xtask test` installs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "skopeo {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_goes_there_and_back() {
    let registry = Registry::start(Setup::default()).await;
    let client = client();
    let name = reference(format!("{}/some/image:1", registry.host));
    let image = Image::new(1, 300_000);
    assert_eq!(
        client
            .has_blob(&name, image.manifest.config.digest, nobody())
            .await
            .unwrap(),
        None
    );
    let digest = push(&client, &name, &image, nobody()).await.unwrap();
    assert_eq!(digest, Digest::of(&image.bytes));
    let layer = image.layer_descriptor();
    let held = client.has_blob(&name, layer.digest, nobody()).await;
    assert_eq!(held.unwrap(), Some(layer.size));
    let resolved = client.resolve(&name, nobody(), &wanted()).await.unwrap();
    assert_eq!(resolved.bytes, image.bytes);
    assert_eq!(
        (resolved.digest, resolved.manifest_digest),
        (digest, digest)
    );
    assert_eq!(fetch(&client, &name, layer, 0).await.unwrap(), image.layer);
    assert_eq!(
        fetch(&client, &name, layer, 299_990).await.unwrap(),
        image.layer[299_990..]
    );
    assert_eq!(
        fetch(&client, &name, layer, layer.size).await.unwrap(),
        [0_u8; 0]
    );
    let by_digest = reference(format!("{}@{digest}", name.full_repository()));
    let resolved = client
        .resolve(&by_digest, nobody(), &wanted())
        .await
        .unwrap();
    assert_eq!(resolved.manifest, image.manifest);
    let inspected = client.inspect(&name, nobody()).await.unwrap();
    assert_eq!(
        inspected.descriptor,
        Descriptor::of(DOCKER_MANIFEST, &image.bytes)
    );
    assert_eq!(
        inspected.platforms[0].os_version.as_deref(),
        Some("10.0.20348.1")
    );
    assert_eq!(client.tags(&name, nobody()).await.unwrap(), ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_in_dockers_words() {
    let registry = Registry::start(Setup::default()).await;
    let client = client();
    let name = reference(format!("{}/some/image", registry.host));
    let error = client
        .resolve(&name, nobody(), &wanted())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        format!("manifest for {name} not found: manifest unknown: manifest unknown")
    );
    let error = client.tags(&name, nobody()).await.unwrap_err();
    let sentence =
        format!("repository {name} not found: name unknown: repository name not known to registry");
    assert_eq!(error.to_string(), sentence);
    let missing = Descriptor::of("x", b"missing");
    let error = fetch(&client, &name, &missing, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let image = Image::new(2, 10);
    let media_type = image.manifest.media_type();
    let put = client.put_manifest(&name, media_type, image.bytes, nobody());
    let error = put.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Refused, Some("MANIFEST_BLOB_UNKNOWN"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_gives_the_image_for_windows_without_being_told() {
    let registry = Registry::start(Setup::default()).await;
    let client = client();
    let name = reference(format!("{}/hello-world:latest", registry.host));
    let mut entries = Vec::new();
    for (seed, os, architecture, version) in [
        (1, "linux", "amd64", None),
        (2, "linux", "arm64", None),
        (3, "windows", "amd64", Some("10.0.26100.32690")),
        (4, "windows", "amd64", Some("10.0.20348.5020")),
    ] {
        let image = Image::new(seed, 100);
        let digest = Digest::of(&image.bytes);
        let by_digest = reference(format!("{}@{digest}", name.full_repository()));
        push(&client, &by_digest, &image, nobody()).await.unwrap();
        let mut entry = Descriptor::of(DOCKER_MANIFEST, &image.bytes);
        entry.platform = Some(Platform {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            os_version: version.map(str::to_owned),
            ..Platform::default()
        });
        entries.push(entry);
    }
    let index = Index::new(Format::Docker, entries.clone());
    let bytes = index.to_bytes().unwrap();
    let put = client.put_manifest(&name, index.media_type(), bytes.clone(), nobody());
    put.await.unwrap();
    let resolved = client.resolve(&name, nobody(), &wanted()).await.unwrap();
    assert_eq!(resolved.digest, Digest::of(&bytes));
    assert_eq!(resolved.manifest_digest, entries[3].digest);
    assert_eq!(resolved.platform, entries[3].platform);
    let inspected = client.inspect(&name, nobody()).await.unwrap();
    assert_eq!(inspected.platforms.len(), 4);
    let arm = Wanted {
        architecture: "arm".to_owned(),
        ..wanted()
    };
    let error = client.resolve(&name, nobody(), &arm).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoMatch);
    assert_eq!(
        error.to_string(),
        "no matching manifest for windows/arm 10.0.20348 in the manifest list entries"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_taken_over_from_another_repository() {
    let registry = Registry::start(Setup::default()).await;
    let client = client();
    let first = reference(format!("{}/first", registry.host));
    let second = reference(format!("{}/second/deeper", registry.host));
    let image = Image::new(3, 1000);
    push(&client, &first, &image, nobody()).await.unwrap();
    let digest = image.layer_descriptor().digest;
    let mount = |digest| {
        let (client, first, second) = (client.clone(), first.clone(), second.clone());
        async move {
            client
                .mount_blob(&second, &first, digest, nobody())
                .await
                .unwrap()
        }
    };
    assert!(mount(digest).await);
    let held = client.has_blob(&second, digest, nobody()).await.unwrap();
    assert_eq!(held, Some(1000));
    assert!(!mount(Digest::of(b"nowhere")).await);
    assert!(
        !client
            .mount_blob(&first, &first, digest, nobody())
            .await
            .unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_blob_than_was_promised_is_refused_by_the_registry() {
    let registry = Registry::start(Setup::default()).await;
    let name = reference(format!("{}/x", registry.host));
    let told = Arc::new(Told::default());
    let upload = |digest, size, bytes: &'static [u8]| {
        let (client, name, told) = (client(), name.clone(), Arc::clone(&told));
        async move {
            let source = Memory(bytes.to_vec());
            client
                .upload_blob(&name, digest, size, &source, nobody(), told)
                .await
        }
    };
    let error = upload(Digest::of(b"other"), 5, b"bytes").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Refused, Some("DIGEST_INVALID"))
    );
    let error = upload(Digest::of(b"bytes"), 6, b"bytes").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source);
    assert_eq!(
        error.to_string(),
        "cannot read the blob: the blob ends after 5 bytes"
    );
    upload(Digest::of(b""), 0, b"").await.unwrap();
    upload(Digest::of(b"bytes"), 5, b"bytes").await.unwrap();
    assert_eq!(told.moved.lock().unwrap().last(), Some(&5));
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_asked_for_and_checked() {
    let setup = Setup {
        has_passwords: true,
        ..Setup::default()
    };
    let registry = Registry::start(setup).await;
    let client = client();
    let name = reference(format!("{}/image:1", registry.host));
    let image = Image::new(4, 2000);
    let error = push(&client, &name, &image, nobody()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(
        error
            .to_string()
            .ends_with("/v2/image/blobs/uploads/\": no basic auth credentials"),
        "{error}"
    );
    let wrong = Credentials::basic("porthole", "wrong");
    let error = push(&client, &name, &image, &wrong).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (
            ErrorKind::Unauthorized,
            "unauthorized: authentication required"
        )
    );
    push(&client, &name, &image, &account()).await.unwrap();
    let resolved = client.resolve(&name, &account(), &wanted()).await.unwrap();
    assert_eq!(resolved.bytes, image.bytes);

    let login = client.login(&registry.host, &account()).await.unwrap();
    assert_eq!(
        (login.status.as_str(), login.identity_token.as_str()),
        ("Login Succeeded", "")
    );
    let address = format!("http://{}", registry.host);
    assert!(client.login(&address, &account()).await.is_ok());
    let error = client.login(&registry.host, &wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(
        error.to_string(),
        format!("login attempt to {address}/v2/ failed with status: 401 Unauthorized")
    );
    assert!(!format!("{:?}", account()).contains("horse"));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_checked_against_what_was_placed_for_the_registry() {
    let setup = Setup {
        has_tls: true,
        has_passwords: true,
        ..Setup::default()
    };
    let registry = Registry::start(setup).await;
    let (named, proxy) = registry.named().await;
    let name = reference(format!("{HOST}/image:1"));
    let image = Image::new(5, 2000);
    let trusting = |settings: &Settings, directory: PathBuf| {
        let certificates = vec![registry.path("missing"), directory];
        Client::new(Settings {
            certificates,
            ..settings.clone()
        })
    };
    let nothing_placed = Client::new(named.clone());
    let error = push(&nothing_placed, &name, &image, &account())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    let sentence = format!(
        "Get \"https://{HOST}/v2/\": tls: failed to verify certificate: x509: certificate signed by \
         unknown authority (place the registry's CA certificate at \
         /etc/porthole/certs.d/{HOST}/ca.crt)"
    );
    assert_eq!(error.to_string(), sentence);

    let placed = registry.certificates("certs.d", &[("ca.crt", "ca.crt")]);
    let client = trusting(&named, placed);
    push(&client, &name, &image, &account()).await.unwrap();
    let resolved = client.resolve(&name, &account(), &wanted()).await.unwrap();
    assert_eq!(resolved.bytes, image.bytes);
    assert!(
        proxy
            .hosts()
            .iter()
            .all(|host| host == &format!("{HOST}:443"))
    );

    let insecure = Client::new(Settings {
        insecure_registries: vec![HOST.to_owned()],
        ..named
    });
    assert!(insecure.resolve(&name, &account(), &wanted()).await.is_ok());
    // This host's own addresses need no certificate.
    let here = reference(format!("{}/image:1", registry.host));
    let resolved = crate::support::client()
        .resolve(&here, &account(), &wanted())
        .await;
    assert_eq!(resolved.unwrap().bytes, image.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown_to_who_asks_for_it() {
    let setup = Setup {
        has_tls: true,
        wants_client_certificate: true,
        ..Setup::default()
    };
    let registry = Registry::start(setup).await;
    let (named, _proxy) = registry.named().await;
    let name = reference(format!("{HOST}/image:1"));
    let with = |directory: PathBuf| {
        let certificates = vec![directory];
        Client::new(Settings {
            certificates,
            ..named.clone()
        })
    };
    let without = with(registry.certificates("without", &[("ca.crt", "ca.crt")]));
    let error = push(&without, &name, &Image::new(6, 10), nobody())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    assert!(
        error.to_string().contains("client.cert and client.key"),
        "{error}"
    );
    let files = [
        ("ca.crt", "ca.crt"),
        ("client.crt", "me.cert"),
        ("client.key", "me.key"),
    ];
    let client = with(registry.certificates("complete", &files));
    push(&client, &name, &Image::new(6, 10), nobody())
        .await
        .unwrap();
    let broken = with(registry.certificates("broken", &[("client.crt", "me.cert")]));
    let error = push(&broken, &name, &Image::new(6, 10), nobody())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_reads_what_we_push_and_we_read_what_it_copies() {
    let registry = Registry::start(Setup::default()).await;
    let client = client();
    let name = reference(format!("{}/ours:1", registry.host));
    let image = Image::new(7, 5000);
    let digest = push(&client, &name, &image, nobody()).await.unwrap();
    let ours = format!("docker://{name}");
    let insecure = "--tls-verify=false";
    let seen: serde_json::Value =
        serde_json::from_str(&skopeo(&["inspect", insecure, &ours])).unwrap();
    assert_eq!(seen["Digest"], digest.to_string());
    assert_eq!(seen["Os"], "windows");
    assert_eq!(
        skopeo(&["inspect", insecure, "--raw", &ours]).into_bytes(),
        image.bytes
    );
    let theirs = format!("docker://{}/theirs:2", registry.host);
    skopeo(&[
        "copy",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        "--format=oci",
        &ours,
        &theirs,
    ]);
    let theirs = reference(format!("{}/theirs:2", registry.host));
    let resolved = client.resolve(&theirs, nobody(), &wanted()).await.unwrap();
    assert_eq!(resolved.media_type, OCI_MANIFEST);
    assert_eq!(resolved.manifest.config.digest, Digest::of(&image.config));
    let config = client
        .config(&theirs, &resolved.manifest, nobody())
        .await
        .unwrap();
    assert_eq!(config.os, "windows");
    let layer = fetch(&client, &theirs, &resolved.manifest.layers[0], 0).await;
    assert_eq!(
        layer.unwrap().len(),
        usize::try_from(resolved.manifest.layers[0].size).unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn our_foreign_layers_are_refused_by_name_where_the_registry_does_not_allow_them() {
    let registry = Registry::start(Setup::default()).await;
    let client = client();
    let name = reference(format!("{}/foreign:1", registry.host));
    let image = Image::new(8, 100);
    let mut foreign = image.manifest.clone();
    foreign.layers[0].media_type = porthole_oci::media_type::DOCKER_FOREIGN_LAYER_GZIP.to_owned();
    foreign.layers[0].urls = vec!["https://mcr.microsoft.com/v2/x".to_owned()];
    let config = Memory(image.config.clone());
    let described: &Descriptor = &image.manifest.config;
    client
        .upload_blob(
            &name,
            described.digest,
            described.size,
            &config,
            nobody(),
            Arc::new(()),
        )
        .await
        .unwrap();
    let bytes = Manifest::to_bytes(&foreign).unwrap();
    let put = client.put_manifest(&name, foreign.media_type(), bytes, nobody());
    let error = put.await.unwrap_err();
    assert!(error.code().is_some(), "{error}");
}
