//! Files of containers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use serde_json::{Value, json};

use crate::support::{World, within};

/// An archive of one file.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).unwrap();
    builder.into_inner().unwrap()
}

/// `PUT`; the status and the sentence of an error.
async fn put(world: &World, target: &str, body: Vec<u8>) -> (u16, String) {
    let request = Request::builder()
        .method("PUT")
        .uri(target)
        .header("host", "porthole")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let response = world.open(request).await;
    let status = response.status().as_u16();
    let body = within(response.into_body().collect()).await.unwrap();
    let told = serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null);
    (
        status,
        told["message"].as_str().unwrap_or_default().to_owned(),
    )
}

fn stat(header: &str) -> Value {
    serde_json::from_slice(&STANDARD.decode(header).unwrap()).unwrap()
}

#[tokio::test]
async fn files_go_in_and_come_out() {
    let world = World::new().await;
    let id = world.create("web", json!({ "Cmd": ["cmd"] })).await;
    let drive = world.script.drive(&id).unwrap();
    std::fs::create_dir(drive.join("App")).unwrap();
    // More than any other body may have.
    let content = vec![7; 5 << 20];
    let target =
        "/containers/web/archive?path=C%3A%5Capp&noOverwriteDirNonDir=true&copyUIDGID=true";
    let (status, told) = put(&world, target, archive("Large.bin", &content)).await;
    assert_eq!((status, &*told), (200, ""));
    assert_eq!(std::fs::read(drive.join("App/Large.bin")).unwrap(), content);

    for path in [
        "C%3A%5Capp%5Clarge.BIN",
        "c:/app/large.BIN",
        "/app/large.BIN",
        "app/large.BIN",
    ] {
        let target = format!("/v1.41/containers/web/archive?path={path}");
        let head = world.ask("HEAD", &target, None).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        let told = stat(head.header("x-docker-container-path-stat"));
        assert_eq!(told["name"], "large.BIN");
        assert_eq!(
            (&told["size"], &told["mode"]),
            (&json!(5 << 20), &json!(0o644))
        );
        let got = world.get(&target).await;
        assert_eq!(got.header("content-type"), "application/x-tar");
        assert_eq!(stat(got.header("x-docker-container-path-stat")), told);
        let mut entries = tar::Archive::new(&*got.body);
        let entry = entries.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(&*entry.path_bytes(), b"large.BIN");
    }
}

#[tokio::test]
async fn failures_have_dockers_words() {
    let world = World::new().await;
    let id = world.create("web", json!({ "Cmd": ["cmd"] })).await;
    let drive = world.script.drive(&id).unwrap();
    std::fs::create_dir(drive.join("dir")).unwrap();
    std::fs::write(drive.join("file"), "").unwrap();
    let file = archive("dir", b"");
    for (target, status, message) in [
        (
            "web/archive?path=",
            400,
            "bad parameter: pathcannot be empty",
        ),
        ("web/archive", 400, "bad parameter: pathcannot be empty"),
        (
            "web/archive?path=C:/x",
            404,
            "Could not find the file C:/x in container web",
        ),
        (
            "web/archive?path=D:/x",
            400,
            "The specified path is not on the system drive (C:)",
        ),
        ("absent/archive?path=/", 404, "No such container: absent"),
    ] {
        let target = format!("/containers/{target}");
        let got = world.get(&target).await;
        assert_eq!((got.status, &*got.message()), (status, message), "{target}");
        let head = world.ask("HEAD", &target, None).await;
        assert_eq!((head.status, head.body.len()), (status, 0), "{target}");
        let (put_status, told) = put(&world, &target, file.clone()).await;
        assert_eq!((put_status, &*told), (status, message), "{target}");
    }
    let at = "/containers/web/archive?path";
    let flag = "noOverwriteDirNonDir=1";
    let (status, told) = put(&world, &format!("{at}=/&{flag}"), file.clone()).await;
    assert_eq!(status, 400);
    assert!(
        told.starts_with("cannot overwrite directory \"dir\" with non-directory"),
        "{told}"
    );
    let (status, told) = put(&world, &format!("{at}=/file"), file.clone()).await;
    assert_eq!(
        (status, &*told),
        (400, "extraction point is not a directory")
    );
    let (status, told) = put(&world, &format!("{at}=/"), archive("a:b", b"")).await;
    assert_eq!(status, 400);
    assert!(told.contains("\"a:b\""), "{told}");
    // The reason reaches a client that has far more to say.
    let mut large = archive("a:b", b"");
    large.truncate(512);
    large.resize(8 << 20, 0);
    let (status, told) = put(&world, &format!("{at}=/"), large).await;
    assert_eq!(status, 400);
    assert!(told.contains("\"a:b\""), "{told}");
    // Without the flag one takes the other's place.
    assert_eq!(put(&world, &format!("{at}=/"), file).await.0, 200);
    assert!(drive.join("dir").is_file());
}

#[tokio::test]
async fn what_the_client_does_not_send_is_not_waited_for() {
    use tokio::io::AsyncWriteExt;
    let world = World::new().await;
    let id = world.create("web", json!({ "Cmd": ["cmd"] })).await;
    let drive = world.script.drive(&id).unwrap();
    let whole = archive("cut", &[1; 1 << 20]);
    let mut client = tokio::net::UnixStream::connect(&world.socket)
        .await
        .unwrap();
    let head = format!(
        "PUT /containers/web/archive?path=/ HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        whole.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&whole[..600_000]).await.unwrap();
    drop(client);
    // The copy is over: nothing keeps the container from being removed.
    let removed = world.ask("DELETE", "/containers/web", None).await;
    assert_eq!(removed.status, 204);
    assert!(std::fs::metadata(drive.join("cut")).map_or(0, |cut| cut.len()) < 1 << 20);
}
