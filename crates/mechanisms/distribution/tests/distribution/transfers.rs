//! Transfers that break and go on, redirects, and blobs that are elsewhere.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use porthole_distribution::{Client, Credentials, ErrorKind, Settings};
use porthole_oci::{Descriptor, Digest};

use crate::server::{Reply, Request, Server};
use crate::support::{Image, Memory, Told, client, fetch, nobody, reference, settings};

/// A part of `content` as a server that knows ranges sends it.
fn part(content: &[u8], request: &Request) -> Reply {
    let range = request
        .header("range")
        .and_then(|range| range.strip_prefix("bytes="));
    let Some(start) = range else {
        return Reply::new(200, content);
    };
    let start: usize = start.trim_end_matches('-').parse().unwrap();
    let (last, size) = (content.len() - 1, content.len());
    Reply::new(206, &content[start..]).with("Content-Range", format!("bytes {start}-{last}/{size}"))
}

#[tokio::test]
async fn a_download_that_breaks_goes_on_where_it_broke() {
    let image = Image::new(1, 100_000);
    let content = image.layer.clone();
    let server = Server::start(move |request| {
        let reply = part(&content, request);
        match request.header("range") {
            None => reply.broken_after(40_000),
            Some("bytes=40000-") => reply.broken_after(30_000),
            Some("bytes=70000-") => Reply::new(500, ""),
            _ => reply,
        }
    })
    .await;
    let name = reference(format!("{}/image", server.address));
    let told = Arc::new(Told::default());
    let client = client();
    let failing = client.blob(&name, image.layer_descriptor(), nobody(), 0, told.clone());
    let pieces: Vec<_> = failing.await.unwrap().collect().await;
    // Twice it went on; then the server failed for good.
    let error = pieces.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    let ranges: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.header("range").map(str::to_owned))
        .collect();
    let expected = [None, Some("bytes=40000-"), Some("bytes=70000-")];
    assert_eq!(ranges[..3], expected.map(|range| range.map(str::to_owned)));
    assert_eq!(told.moved.lock().unwrap().last(), Some(&70_000));
    assert!(told.retries.lock().unwrap().len() >= 3);
}

#[tokio::test]
async fn bytes_that_came_in_parts_are_checked_as_a_whole() {
    let image = Image::new(1, 100_000);
    for (is_honest, knows_ranges) in [(true, true), (true, false), (false, true), (false, false)] {
        let content = image.layer.clone();
        let requests = AtomicUsize::new(0);
        let server = Server::start(move |request| {
            let is_ping = request.path == "/v2/";
            let is_first = !is_ping && requests.fetch_add(1, Ordering::Relaxed) == 0;
            let mut content = content.clone();
            if !is_honest && !is_first {
                content[99_999] ^= 1;
            }
            let whole = Reply::new(200, content.clone());
            match (is_first, knows_ranges) {
                (true, _) => whole.broken_after(50_000),
                (false, true) => part(&content, request),
                (false, false) => whole,
            }
        })
        .await;
        let name = reference(format!("{}/image", server.address));
        let outcome = fetch(&client(), &name, image.layer_descriptor(), 0).await;
        match outcome {
            Ok(bytes) => assert!(is_honest && bytes == image.layer),
            Err(error) => {
                assert!(!is_honest, "{error}");
                assert_eq!(error.kind(), ErrorKind::Mismatch);
            }
        }
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn another_part_than_was_asked_for_is_refused() {
    let image = Image::new(1, 1000);
    for range in ["bytes 0-499/1000", "bytes 500-999/2000", ""] {
        let content = image.layer.clone();
        let server =
            Server::start(move |_| Reply::new(206, &content[500..]).with("Content-Range", range))
                .await;
        let name = reference(format!("{}/image", server.address));
        let outcome = fetch(&client(), &name, image.layer_descriptor(), 500).await;
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Mismatch, "{range}");
    }
}

#[tokio::test]
async fn credentials_do_not_follow_to_another_host() {
    let image = Image::new(1, 1000);
    let content = image.layer.clone();
    let elsewhere = Server::start(move |request| part(&content, request)).await;
    let target = format!("http://{}/signed?signature=secret", elsewhere.address);
    let registry = Server::start(move |request| match request.header("authorization") {
        Some("Basic bWU6c2VjcmV0") => Reply::new(307, "").with("Location", &target),
        _ => Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""),
    })
    .await;
    let name = reference(format!("{}/image", registry.address));
    let me = Credentials::basic("me", "secret");
    let stream = client()
        .blob(&name, image.layer_descriptor(), &me, 0, Arc::new(()))
        .await
        .unwrap();
    let pieces: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), image.layer);
    let at_elsewhere = elsewhere.requests();
    assert_eq!(at_elsewhere.len(), 1);
    assert_eq!(at_elsewhere[0].header("authorization"), None);
    assert!(registry.requests()[0].header("authorization").is_some());
}

#[tokio::test]
async fn credentials_do_not_come_back_from_another_host() {
    let back: Arc<Mutex<String>> = Arc::default();
    let target = Arc::clone(&back);
    let elsewhere =
        Server::start(move |_| Reply::new(302, "").with("Location", target.lock().unwrap())).await;
    let away = format!("http://{}/", elsewhere.address);
    let registry = Server::start(move |request| {
        if request.path == "/trap" {
            return Reply::new(200, "");
        }
        match request.header("authorization") {
            Some(_) => Reply::new(307, "").with("Location", &away),
            None => Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""),
        }
    })
    .await;
    *back.lock().unwrap() = format!("http://{}/trap", registry.address);
    let name = reference(format!("{}/image", registry.address));
    let me = Credentials::basic("me", "secret");
    let descriptor = Descriptor::of("x", b"x");
    let outcome = client()
        .blob(&name, &descriptor, &me, 0, Arc::new(()))
        .await;
    assert!(outcome.is_err());
    let requests = registry.requests();
    let trap = requests
        .iter()
        .find(|request| request.path == "/trap")
        .unwrap();
    assert_eq!(trap.header("authorization"), None);
}

#[tokio::test]
async fn redirects_end() {
    let server =
        Server::start(|request| Reply::new(302, "").with("Location", format!("{}x", request.path)))
            .await;
    let name = reference(format!("{}/image", server.address));
    let error = fetch(&client(), &name, &Descriptor::of("x", b"x"), 0)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[tokio::test]
async fn a_layer_that_the_registry_does_not_hold_comes_from_its_addresses() {
    let image = Image::new(1, 1000);
    let content = image.layer.clone();
    let holder = Server::start(move |request| match request.path.as_str() {
        "/layer" => part(&content, request),
        _ => Reply::new(404, ""),
    })
    .await;
    let registry =
        Server::start(|_| Reply::refusal(404, "BLOB_UNKNOWN", "blob unknown to registry")).await;
    let name = reference(format!("{}/image", registry.address));
    let mut layer = image.layer_descriptor().clone();
    let address = |path: &str| format!("http://{}/{path}", holder.address);
    layer.urls = vec![
        "file:///etc/passwd".to_owned(),
        address("gone"),
        address("layer"),
    ];
    let me = Credentials::basic("me", "secret");
    let stream = client()
        .blob(&name, &layer, &me, 0, Arc::new(()))
        .await
        .unwrap();
    let pieces: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), image.layer);
    assert_eq!(holder.lines(), ["GET /gone", "GET /layer"]);
    assert!(
        holder
            .requests()
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
    layer.urls = vec![address("gone")];
    let error = fetch(&client(), &name, &layer, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error.to_string().contains(&layer.digest.to_string()),
        "{error}"
    );
}

/// A registry that loses the connection in the middle of the first upload.
async fn forgetful(has: Arc<Mutex<Vec<u8>>>, remembers: bool) -> Server {
    let broken = AtomicUsize::new(0);
    Server::start(move |request| {
        let mut has = has.lock().unwrap();
        let path = request.path.split('?').next().unwrap();
        let session = |status| Reply::new(status, "").with("Location", "/v2/image/blobs/uploads/s");
        match (request.method.as_str(), path) {
            (_, "/v2/") => Reply::new(200, ""),
            ("POST", _) => {
                has.clear();
                session(202)
            }
            ("PATCH", _) if broken.fetch_add(1, Ordering::Relaxed) == 0 => {
                has.extend_from_slice(&request.body[..600]);
                Reply::dropped()
            }
            ("PATCH", _) => {
                has.extend_from_slice(&request.body);
                session(202)
            }
            ("GET", _) if remembers => session(204).with("Range", format!("0-{}", has.len() - 1)),
            ("PUT", _) => Reply::new(201, ""),
            _ => Reply::new(404, ""),
        }
    })
    .await
}

#[tokio::test]
async fn an_upload_that_breaks_goes_on_where_the_registry_has_got_to() {
    for remembers in [true, false] {
        let has: Arc<Mutex<Vec<u8>>> = Arc::default();
        let server = forgetful(Arc::clone(&has), remembers).await;
        let image = Image::new(1, 1000);
        let name = reference(format!("{}/image", server.address));
        let digest = Digest::of(&image.layer);
        let source = Memory(image.layer.clone());
        let told = Arc::new(Told::default());
        client()
            .upload_blob(&name, digest, 1000, &source, nobody(), told.clone())
            .await
            .unwrap();
        assert!(*has.lock().unwrap() == image.layer, "other bytes");
        let lines = server.lines();
        let put = format!(
            "PUT /v2/image/blobs/uploads/s?digest=sha256%3A{}",
            digest.hex()
        );
        let (begin, send) = (
            "POST /v2/image/blobs/uploads/",
            "PATCH /v2/image/blobs/uploads/s",
        );
        let ask = "GET /v2/image/blobs/uploads/s";
        let expected = match remembers {
            true => vec![begin, send, ask, send, put.as_str()],
            false => vec![begin, send, ask, begin, send, put.as_str()],
        };
        assert_eq!(lines, expected);
        let ranges: Vec<_> = server
            .requests()
            .iter()
            .filter_map(|request| request.header("content-range").map(str::to_owned))
            .collect();
        assert_eq!(ranges.len(), usize::from(remembers));
        assert!(ranges.iter().all(|range| range == "600-999"));
        assert_eq!(told.retries.lock().unwrap().len(), 1);
        assert_eq!(told.moved.lock().unwrap().last(), Some(&1000));
    }
}

#[tokio::test]
async fn an_upload_that_nobody_takes_is_given_up() {
    let server = Server::start(|request| match request.method.as_str() {
        "POST" => Reply::new(202, "").with("Location", "/s"),
        "PATCH" => Reply::nothing(),
        _ => Reply::new(404, ""),
    })
    .await;
    let name = reference(format!("{}/image", server.address));
    let source = Memory(vec![1; 100]);
    let digest = Digest::of(&source.0);
    let client = Client::new(Settings {
        patience: Duration::from_millis(50),
        attempts: 2,
        ..settings()
    });
    let outcome = client
        .upload_blob(&name, digest, 100, &source, nobody(), Arc::new(()))
        .await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Hang);
    server.client_gone().await;
}

#[tokio::test]
async fn a_blob_whose_storing_was_not_answered_is_not_sent_again() {
    let server = Server::start(|request| match request.method.as_str() {
        "POST" | "PATCH" => Reply::new(202, "").with("Location", "/s"),
        "PUT" => Reply::dropped(),
        "HEAD" => Reply::new(200, vec![1; 100]),
        _ => Reply::new(404, ""),
    })
    .await;
    let name = reference(format!("{}/image", server.address));
    let source = Memory(vec![1; 100]);
    let digest = Digest::of(&source.0);
    client()
        .upload_blob(&name, digest, 100, &source, nobody(), Arc::new(()))
        .await
        .unwrap();
    let methods: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.method.clone())
        .collect();
    assert_eq!(methods, ["POST", "PATCH", "PUT", "HEAD"]);
}

#[tokio::test]
async fn what_is_dropped_ends_at_once() {
    let image = Image::new(1, 1000);
    let content = image.layer.clone();
    let server = Server::start(move |request| match request.method.as_str() {
        "POST" => Reply::new(202, "").with("Location", "/s"),
        "PATCH" => Reply::nothing(),
        _ => Reply::new(200, content.clone()).silent_after(10),
    })
    .await;
    let client = Client::new(Settings {
        patience: Duration::from_secs(3600),
        ..settings()
    });
    let name = reference(format!("{}/image", server.address));
    // The ping is one of the answers that hang; its body is not waited for.
    let mut stream = client
        .blob(&name, image.layer_descriptor(), nobody(), 0, Arc::new(()))
        .await
        .unwrap();
    server.client_gone().await;
    assert_eq!(stream.next().await.unwrap().unwrap().len(), 10);
    drop(stream);
    server.client_gone().await;

    let (sending, source) = (client.clone(), Memory(image.layer.clone()));
    let digest = Digest::of(&image.layer);
    let upload = tokio::spawn(async move {
        let progress = Arc::new(());
        sending
            .upload_blob(&name, digest, 1000, &source, nobody(), progress)
            .await
    });
    while !server.lines().iter().any(|line| line == "PATCH /s") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    upload.abort();
    server.client_gone().await;
}
