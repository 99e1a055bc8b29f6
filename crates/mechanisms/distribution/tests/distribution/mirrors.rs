//! Docker Hub through mirrors.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use porthole_distribution::{Client, Credentials, ErrorKind, Settings};

use crate::server::{Reply, Server};
use crate::support::{Image, nobody, reference, settings, wanted};
use tokio::net::TcpListener;

fn client(mirrors: &[String]) -> Client {
    Client::new(Settings {
        mirrors: mirrors.to_vec(),
        // Nothing leads to Docker Hub itself from here.
        proxies: porthole_distribution::Proxies {
            https: Some("http://127.0.0.1:1".to_owned()),
            ..Default::default()
        },
        ..settings()
    })
}

#[tokio::test]
async fn mirrors_are_asked_first_and_never_told_who_asks() {
    let image = Image::new(1, 1000);
    let (bytes, layer) = (image.bytes.clone(), image.layer.clone());
    let mirror = Server::start(move |request| {
        if request
            .path
            .starts_with("/v2/library/hello-world/manifests/")
        {
            Reply::new(200, bytes.clone())
        } else {
            Reply::new(200, layer.clone())
        }
    })
    .await;
    let gone = "http://127.0.0.1:1".to_owned();
    let client = client(&[gone, format!("http://{}", mirror.address)]);
    let name = reference("hello-world");
    let me = Credentials::basic("me", "secret");
    let resolved = client.resolve(&name, &me, &wanted()).await.unwrap();
    assert_eq!(resolved.bytes, image.bytes);
    let line = "GET /v2/library/hello-world/manifests/latest";
    assert_eq!(mirror.lines(), [line]);
    assert_eq!(mirror.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_mirror_that_fails_is_not_asked_again_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&[format!("http://{}", listener.local_addr().unwrap())]);
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let name = reference("hello-world");
    let mut asked = Vec::new();
    for _ in 0..2 {
        let resolved = client.resolve(&name, nobody(), &wanted()).await;
        assert_eq!(resolved.unwrap_err().kind(), ErrorKind::Unreachable);
        asked.push(connections.load(Ordering::Relaxed));
    }
    assert!(asked[0] > 0 && asked[0] == asked[1], "{asked:?}");
}

#[tokio::test]
async fn what_a_mirror_does_not_have_is_asked_of_docker_hub() {
    let mirror = Server::start(|_| Reply::new(404, "")).await;
    let client = client(&[format!("http://{}", mirror.address)]);
    let error = client
        .resolve(&reference("hello-world"), nobody(), &wanted())
        .await
        .unwrap_err();
    assert_eq!(mirror.requests().len(), 1);
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(
        error
            .to_string()
            .contains("https://registry-1.docker.io/v2/"),
        "{error}"
    );
}

#[tokio::test]
async fn mirrors_that_are_no_addresses_are_refused_by_name() {
    for mirror in [
        "mirror.example",
        "https://mirror.example/path",
        "ftp://mirror.example",
        "https://a@b",
    ] {
        let error = client(&[mirror.to_owned()])
            .resolve(&reference("hello-world"), nobody(), &wanted())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{mirror}");
        assert!(error.to_string().contains(mirror), "{error}");
    }
}
