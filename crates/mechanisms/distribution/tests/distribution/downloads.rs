//! Files at any address.

use futures::TryStreamExt as _;
use porthole_distribution::ErrorKind;

use crate::server::{Reply, Server};
use crate::support::{client, hasty};

#[tokio::test]
async fn an_address_gives_its_bytes_or_why_it_does_not() {
    let server = Server::start(|request| match request.path.as_str() {
        "/there" => Reply::new(200, "bytes"),
        "/moved" => Reply::new(302, "").with("location", "/there"),
        _ => Reply::new(404, ""),
    })
    .await;
    for path in ["there", "moved"] {
        let address = format!("http://{}/{path}", server.address);
        let pieces = client().download(&address).await.unwrap();
        let pieces: Vec<_> = pieces.try_collect().await.unwrap();
        assert_eq!(pieces.concat(), b"bytes");
    }
    let gone = format!("http://{}/gone", server.address);
    for (address, kind) in [
        (gone.as_str(), ErrorKind::NotFound),
        ("file:///etc/passwd", ErrorKind::Invalid),
        ("there", ErrorKind::Invalid),
    ] {
        let error = client().download(address).await.err().unwrap();
        assert_eq!(error.kind(), kind, "{address}");
    }
}

#[tokio::test]
async fn a_host_that_says_nothing_is_not_waited_for_without_end() {
    let server = Server::start(|request| match request.path.as_str() {
        "/part" => Reply::new(200, "bytes").silent_after(2),
        _ => Reply::nothing(),
    })
    .await;
    let silent = format!("http://{}/silent", server.address);
    let error = hasty().download(&silent).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Hang);
    let part = format!("http://{}/part", server.address);
    let pieces = hasty().download(&part).await.unwrap();
    let error = pieces.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Hang);
}
