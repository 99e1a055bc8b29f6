//! Versions, headers, `_ping`, `version`, `info`, and what is not there.

use bollard_stubs::models::{SystemInfo, SystemVersion};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::{World, within};

#[tokio::test]
async fn ping_tells_what_clients_decide_by() {
    let world = World::new().await;
    for method in ["GET", "HEAD"] {
        let answer = world.ask(method, "/_ping", None).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("api-version"), "1.50");
        assert_eq!(answer.header("ostype"), "windows");
        assert_eq!(answer.header("docker-experimental"), "false");
        assert_eq!(answer.header("builder-version"), "1");
        assert_eq!(answer.header("swarm"), "inactive");
        let server = answer.header("server");
        assert!(server.starts_with("Docker/") && server.ends_with(" (windows)"));
        assert_eq!(
            &answer.body[..],
            if method == "GET" { &b"OK"[..] } else { b"" }
        );
    }
}

#[tokio::test]
async fn versions_out_of_range_are_refused() {
    let world = World::new().await;
    assert_eq!(world.get("/v1.24/_ping").await.status, 200);
    let new = world.get("/v1.51/_ping").await;
    assert_eq!(
        (new.status, new.message().as_str()),
        (
            400,
            "client version 1.51 is too new. Maximum supported API version is 1.50"
        )
    );
    let old = world.get("/v1.23/info").await;
    assert_eq!(old.status, 400);
    assert!(
        old.message()
            .starts_with("client version 1.23 is too old. Minimum supported API version is 1.24")
    );
}

#[tokio::test]
async fn version_and_info_read_as_the_published_models() {
    let world = World::new().await;
    let version = world.get("/version").await.json();
    serde_json::from_value::<SystemVersion>(version.clone()).unwrap();
    assert_eq!(version["Os"], "windows");
    assert_eq!(version["MinAPIVersion"], "1.24");
    let info = world.get("/v1.50/info").await.json();
    serde_json::from_value::<SystemInfo>(info.clone()).unwrap();
    assert_eq!(info["OSType"], "windows");
    assert_eq!(info["Warnings"], serde_json::json!([]));
    assert_eq!(info["NCPU"], 2);
    assert_eq!(info["Plugins"]["Volume"], serde_json::json!([]));
    assert_eq!(
        info["Plugins"]["Network"],
        serde_json::json!(["nat", "null"])
    );
}

#[tokio::test]
async fn endpoints_that_are_not_there_say_so() {
    let world = World::new().await;
    for (method, path) in [
        ("POST", "/volumes/create"),
        ("GET", "/swarm"),
        ("POST", "/build"),
    ] {
        let answer = world.ask(method, path, None).await;
        assert_eq!(answer.status, 501, "{method} {path}");
        assert!(
            answer
                .message()
                .starts_with("not supported by this version of Porthole: "),
            "{}",
            answer.message()
        );
    }
    for (method, path) in [
        ("GET", "/nonsense"),
        ("PUT", "/version"),
        ("GET", "/containers"),
        ("GET", "/v1.50/"),
    ] {
        let answer = world.ask(method, path, None).await;
        assert_eq!(
            (answer.status, answer.message().as_str()),
            (404, "page not found"),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_refused_client_may_send_its_body_to_the_end() {
    let world = World::new().await;
    // More than a socket holds, so that somebody has to read it.
    let body = vec![b' '; 255 * 1024];
    for path in ["/volumes/create", "/nonsense"] {
        let mut stream = UnixStream::connect(&world.socket).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: porthole\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        within(stream.write_all(&body)).await.unwrap();
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.contains(r#"{"message":""#), "{answer}");
    }
}
