//! Registries that lie, fail and are silent.

use porthole_distribution::{Client, ErrorKind, Settings};
use porthole_oci::media_type::{DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, SCHEMA_1_SIGNED};
use porthole_oci::{Descriptor, Digest, Format, Index, Platform};

use crate::server::{Reply, Server};
use crate::support::{Image, client, fetch, hasty, nobody, reference, settings, wanted};

/// The answer to a ping, or what `answer` says of anything else.
fn pinged(path: &str, answer: impl FnOnce() -> Reply) -> Reply {
    if path == "/v2/" {
        Reply::new(200, "{}")
    } else {
        answer()
    }
}

/// What resolving a name at a server brings that answers every manifest so.
async fn resolved(reply: Reply) -> (ErrorKind, String) {
    resolved_by(&client(), reply).await
}

async fn resolved_by(client: &Client, reply: Reply) -> (ErrorKind, String) {
    let server = Server::start(move |request| pinged(&request.path, || reply.clone())).await;
    let name = reference(format!("{}/image:1", server.address));
    let error = client
        .resolve(&name, nobody(), &wanted())
        .await
        .unwrap_err();
    (
        error.kind(),
        error.to_string().replace(&name.to_string(), "IMAGE"),
    )
}

/// What fetching a blob at a server brings that answers every blob so.
async fn fetched(reply: Reply, descriptor: &Descriptor) -> (ErrorKind, String) {
    fetched_by(&client(), reply, descriptor).await
}

async fn fetched_by(client: &Client, reply: Reply, descriptor: &Descriptor) -> (ErrorKind, String) {
    let server = Server::start(move |request| pinged(&request.path, || reply.clone())).await;
    let name = reference(format!("{}/image:1", server.address));
    let error = fetch(client, &name, descriptor, 0).await.unwrap_err();
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn manifests_that_lie_are_refused() {
    let image = Image::new(1, 10);
    let manifest = || Reply::new(200, image.bytes.clone()).with("Content-Type", DOCKER_MANIFEST);
    let other = Digest::of(b"other");
    let (kind, told) = resolved(manifest().with("Docker-Content-Digest", other)).await;
    assert_eq!(kind, ErrorKind::Mismatch);
    assert!(
        told.starts_with(&format!("IMAGE: the registry says {other}")),
        "{told}"
    );
    let as_index = Reply::new(200, image.bytes.clone()).with("Content-Type", DOCKER_INDEX);
    let (kind, told) = resolved(as_index).await;
    assert_eq!(kind, ErrorKind::Malformed);
    assert!(told.contains("it was sent as"), "{told}");
    let (kind, _) = resolved(Reply::new(200, "<html>")).await;
    assert_eq!(kind, ErrorKind::Malformed);
    let (kind, told) = resolved(Reply::new(200, vec![b' '; 5 << 20])).await;
    assert_eq!(kind, ErrorKind::Malformed);
    assert!(told.contains("larger than"), "{told}");
    let old = Reply::new(200, r#"{"schemaVersion":1,"fsLayers":[]}"#);
    let (kind, told) = resolved(old.with("Content-Type", SCHEMA_1_SIGNED)).await;
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(told.contains("schema 1"), "{told}");
}

#[tokio::test]
async fn a_name_with_a_digest_means_nothing_else() {
    let image = Image::new(1, 10);
    let bytes = image.bytes.clone();
    let server =
        Server::start(move |request| pinged(&request.path, || Reply::new(200, bytes.clone())))
            .await;
    let digest = Digest::of(b"other");
    let name = reference(format!("{}/image@{digest}", server.address));
    let error = client()
        .resolve(&name, nobody(), &wanted())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    let told = error.to_string();
    assert!(
        told.ends_with(&format!("manifest verification failed for digest {digest}")),
        "{told}"
    );
}

#[tokio::test]
async fn what_an_index_says_of_a_manifest_has_to_be_so() {
    let image = Image::new(1, 10);
    let mut entry = Descriptor::of(DOCKER_MANIFEST, &image.bytes);
    entry.platform = Some(Platform {
        os: "windows".to_owned(),
        architecture: "amd64".to_owned(),
        ..Platform::default()
    });
    let resolve = |entry: Descriptor| {
        let index = Index::new(Format::Oci, vec![entry]).to_bytes().unwrap();
        let manifest = image.bytes.clone();
        async move {
            let server = Server::start(move |request| {
                pinged(&request.path, || match request.path.ends_with("/1") {
                    true => Reply::new(200, index.clone()).with("Content-Type", OCI_INDEX),
                    false => Reply::new(200, manifest.clone()),
                })
            });
            let server = server.await;
            let name = reference(format!("{}/image:1", server.address));
            client().resolve(&name, nobody(), &wanted()).await
        }
    };
    assert!(resolve(entry.clone()).await.is_ok());
    let mut larger = entry.clone();
    larger.size += 1;
    assert_eq!(
        resolve(larger).await.unwrap_err().kind(),
        ErrorKind::Mismatch
    );
    let mut other = entry.clone();
    other.digest = Digest::of(b"other");
    assert_eq!(
        resolve(other).await.unwrap_err().kind(),
        ErrorKind::Mismatch
    );
    let mut typed = entry.clone();
    typed.media_type = OCI_INDEX.to_owned();
    assert_eq!(
        resolve(typed).await.unwrap_err().kind(),
        ErrorKind::Malformed
    );
    let mut huge = entry;
    huge.size = 1 << 40;
    assert_eq!(
        resolve(huge).await.unwrap_err().kind(),
        ErrorKind::Malformed
    );
}

#[tokio::test]
async fn indexes_within_indexes_end() {
    let platform = Some(Platform {
        os: "windows".to_owned(),
        architecture: "amd64".to_owned(),
        ..Platform::default()
    });
    // Each but the first is what the one before describes.
    let mut documents = vec![Image::new(1, 10).bytes];
    for level in 0..6 {
        let last = documents.last().unwrap();
        let media_type = if level == 0 {
            DOCKER_MANIFEST
        } else {
            OCI_INDEX
        };
        let mut entry = Descriptor::of(media_type, last);
        entry.platform.clone_from(&platform);
        documents.push(Index::new(Format::Oci, vec![entry]).to_bytes().unwrap());
    }
    let server = Server::start(move |request| {
        pinged(&request.path, || {
            let name = request.path.rsplit('/').next().unwrap();
            let level: Option<usize> = name.parse().ok();
            let by_digest = |bytes: &&Vec<u8>| Digest::of(bytes).to_string() == name;
            let found = match level {
                Some(level) => documents.get(level),
                None => documents.iter().find(by_digest),
            };
            Reply::new(200, found.unwrap().clone())
        })
    })
    .await;
    let name = |tag| reference(format!("{}/image:{tag}", server.address));
    assert!(
        client()
            .resolve(&name("3"), nobody(), &wanted())
            .await
            .is_ok()
    );
    let error = client()
        .resolve(&name("6"), nobody(), &wanted())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[tokio::test]
async fn blobs_that_lie_are_refused() {
    let content = b"the bytes of a layer".to_vec();
    let descriptor = Descriptor::of("x", &content);
    let (kind, told) = fetched(
        Reply::new(200, b"THE bytes of a layer".to_vec()),
        &descriptor,
    )
    .await;
    assert_eq!(kind, ErrorKind::Mismatch);
    assert!(
        told.starts_with("filesystem layer verification failed for digest sha256:"),
        "{told}"
    );
    for other in [&content[1..], &[&content[..], b"!"].concat()] {
        let (kind, told) = fetched(Reply::new(200, other), &descriptor).await;
        assert_eq!(kind, ErrorKind::Mismatch, "{told}");
    }
    // By a server that does not say how much it sends.
    let longer = [&content[..], b"!"].concat();
    let (kind, told) = fetched(Reply::new(200, longer).without_length(), &descriptor).await;
    assert_eq!(kind, ErrorKind::Mismatch, "{told}");
    let shorter = Reply::new(200, &content[1..]).without_length();
    let (kind, told) = fetched(shorter, &descriptor).await;
    assert_eq!(kind, ErrorKind::Unreachable);
    assert!(
        told.ends_with("unexpected EOF after 19 of 20 bytes"),
        "{told}"
    );
    let (kind, told) = fetched(
        Reply::refusal(404, "BLOB_UNKNOWN", "blob unknown"),
        &descriptor,
    )
    .await;
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(told.ends_with("blob unknown: blob unknown"), "{told}");
}

#[tokio::test]
async fn a_registry_that_fails_is_asked_again_and_given_up_in_the_end() {
    let image = Image::new(1, 10);
    let bytes = image.bytes.clone();
    let failures = std::sync::atomic::AtomicUsize::new(2);
    let server = Server::start(move |request| {
        pinged(&request.path, || {
            let left = failures.load(std::sync::atomic::Ordering::Relaxed);
            if left > 0 {
                failures.store(left - 1, std::sync::atomic::Ordering::Relaxed);
                return Reply::new(503, "later");
            }
            Reply::new(200, bytes.clone())
        })
    })
    .await;
    let name = reference(format!("{}/image:1", server.address));
    assert!(client().resolve(&name, nobody(), &wanted()).await.is_ok());
    assert_eq!(server.requests().len(), 3);

    let (kind, told) = resolved(Reply::new(500, "")).await;
    assert_eq!(kind, ErrorKind::Server);
    assert!(
        told.ends_with("received unexpected HTTP status: 500 Internal Server Error"),
        "{told}"
    );
    let limit = Reply::refusal(
        429,
        "TOOMANYREQUESTS",
        "You have reached your pull rate limit.",
    );
    let (kind, told) = resolved(limit).await;
    assert_eq!(kind, ErrorKind::Refused);
    assert_eq!(
        told,
        "toomanyrequests: You have reached your pull rate limit."
    );
}

#[tokio::test]
async fn a_registry_that_is_silent_is_given_up() {
    let image = Image::new(1, 1000);
    let (kind, _) = resolved_by(
        &hasty(),
        Reply::new(200, image.bytes.clone()).silent_after(0),
    )
    .await;
    assert_eq!(kind, ErrorKind::Hang);
    let whole = Reply::new(200, image.layer.clone());
    let (kind, told) = fetched_by(
        &hasty(),
        whole.clone().silent_after(0),
        image.layer_descriptor(),
    )
    .await;
    assert_eq!(kind, ErrorKind::Hang, "{told}");
    // Some bytes each time would be progress; none any more is none.
    let (kind, told) = fetched_by(&hasty(), whole.silent_after(10), image.layer_descriptor()).await;
    assert_eq!(kind, ErrorKind::Hang, "{told}");
    let nothing = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = reference(format!("{}/image:1", nothing.local_addr().unwrap()));
    let error = hasty()
        .resolve(&name, nobody(), &wanted())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Hang);
}

#[tokio::test]
async fn who_cannot_be_reached_is_told_as_docker_tells_it() {
    let client = client();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let name = reference(format!("{free}/image:1"));
    let error = client
        .resolve(&name, nobody(), &wanted())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(
        error.to_string(),
        format!("Get \"http://{free}/v2/\": dial tcp {free}: connect: connection refused")
    );
    let error = client
        .resolve(&reference("registry.invalid/image"), nobody(), &wanted())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(
        error.to_string(),
        "Get \"https://registry.invalid/v2/\": dial tcp: lookup registry.invalid: no such host"
    );
}

#[tokio::test]
async fn a_registry_without_tls_elsewhere_is_refused_unless_it_is_named_insecure() {
    let image = Image::new(1, 10);
    let bytes = image.bytes.clone();
    let server = Server::start(move |request| {
        pinged(
            request
                .path
                .strip_prefix("http://registry.example")
                .unwrap_or(&request.path),
            || Reply::new(200, bytes.clone()),
        )
    })
    .await;
    let tunnel = crate::proxy::Proxy::start(&server.address.to_string()).await;
    let mut told = settings();
    told.proxies.https = Some(format!("http://{}", tunnel.address));
    told.proxies.http = Some(format!("http://{}", server.address));
    let name = reference("registry.example/image:1");
    let secure = Client::new(told.clone());
    let error = secure
        .resolve(&name, nobody(), &wanted())
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Tls | ErrorKind::Unreachable),
        "{error}"
    );
    assert!(server.lines().is_empty());
    let insecure = Client::new(Settings {
        insecure_registries: vec!["registry.example".to_owned()],
        ..told
    });
    assert!(insecure.resolve(&name, nobody(), &wanted()).await.is_ok());
}
