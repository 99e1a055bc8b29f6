//! Images.

use bollard_stubs::models::{ImageHistoryResponseItem, ImageInspect, ImageSummary};
use serde_json::json;

use crate::support::{IMAGE, World};

#[tokio::test]
async fn images_are_listed_and_inspected_by_names_with_slashes() {
    let world = World::new().await;
    let rows = world.get("/images/json").await.json();
    let rows: Vec<ImageSummary> = serde_json::from_value(rows).unwrap();
    assert_eq!(rows[0].repo_tags, [format!("{IMAGE}:latest")]);
    let image = world
        .get(&format!("/v1.50/images/{IMAGE}/json"))
        .await
        .json();
    serde_json::from_value::<ImageInspect>(image.clone()).unwrap();
    assert_eq!(image["Os"], "windows");
    assert_eq!(image["OsVersion"], "10.0.20348.1");
    assert!(image.get("VirtualSize").is_none());
    let old = world
        .get(&format!("/v1.43/images/{IMAGE}:latest/json"))
        .await
        .json();
    assert!(old["VirtualSize"].is_u64());
    let history = world.get(&format!("/images/{IMAGE}/history")).await.json();
    serde_json::from_value::<Vec<ImageHistoryResponseItem>>(history).unwrap();
}

#[tokio::test]
async fn a_missing_image_is_a_missing_image() {
    let world = World::new().await;
    let answer = world.get("/images/porthole/other/json").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.message(), "No such image: porthole/other:latest");
    let answer = world
        .ask(
            "POST",
            "/containers/create",
            Some(json!({ "Image": "porthole/other" })),
        )
        .await;
    assert_eq!(
        (answer.status, answer.message().as_str()),
        (404, "No such image: porthole/other:latest")
    );
}

#[tokio::test]
async fn pulling_a_local_name_is_up_to_date_or_says_what_to_build() {
    let world = World::new().await;
    let there = world
        .post("/images/create?fromImage=docker.io/porthole/nanoserver&tag=latest")
        .await;
    assert_eq!(there.status, 200);
    let text = String::from_utf8_lossy(&there.body).into_owned();
    assert!(
        text.contains("Status: Image is up to date for porthole/nanoserver:latest"),
        "{text}"
    );
    let absent = world
        .post("/images/create?fromImage=porthole/servercore&tag=latest")
        .await;
    assert_eq!(absent.status, 404);
    assert!(
        absent.message().contains("porthole base build servercore"),
        "{}",
        absent.message()
    );
    let linux = world
        .post("/images/create?fromImage=porthole/nanoserver&tag=latest&platform=linux/amd64")
        .await;
    assert_eq!(linux.status, 404);
    assert!(
        linux
            .message()
            .starts_with("no matching manifest for linux/amd64 in the manifest list entries"),
        "{}",
        linux.message()
    );
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_named() {
    let world = World::new().await;
    // Nobody listens on the port of discarded data.
    let answer = world
        .post("/images/create?fromImage=localhost:9/app&tag=1")
        .await;
    assert_eq!(answer.status, 500);
    assert!(
        answer.message().contains("localhost:9"),
        "{}",
        answer.message()
    );
}

/// An archive as `docker save` of old wrote them: one image of one layer, called `name`.
fn docker_archive(name: &str) -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    for (path, kind, text) in [
        ("Files/", tar::EntryType::Directory, ""),
        ("Files/hello.txt", tar::EntryType::Regular, "hello"),
        ("Hives/", tar::EntryType::Directory, ""),
    ] {
        append(&mut layer, path, kind, text.as_bytes());
    }
    let layer = layer.into_inner().unwrap();
    let diff_id = porthole_store::Digest::of(&layer);
    let config = json!({
        "architecture": "amd64",
        "os": "windows",
        "created": "2026-01-02T03:04:05Z",
        "config": { "Cmd": ["cmd"], "Labels": { "a": "b" } },
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        "unknown": "kept",
    });
    let manifest =
        json!([{ "Config": "config.json", "RepoTags": [name], "Layers": ["0/layer.tar"] }]);
    let mut archive = tar::Builder::new(Vec::new());
    let file = tar::EntryType::Regular;
    append(&mut archive, "0/layer.tar", file, &layer);
    append(
        &mut archive,
        "config.json",
        file,
        config.to_string().as_bytes(),
    );
    append(
        &mut archive,
        "manifest.json",
        file,
        manifest.to_string().as_bytes(),
    );
    archive.into_inner().unwrap()
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, path, bytes).unwrap();
}

async fn load(world: &World, archive: Vec<u8>) -> String {
    let loaded = world.send("POST", "/images/load", archive.into()).await;
    assert_eq!(loaded.status, 200, "{:?}", loaded.body);
    String::from_utf8_lossy(&loaded.body).into_owned()
}

#[tokio::test]
async fn what_is_saved_loads_again() {
    let world = World::new().await;
    let text = load(&world, docker_archive("e2e/app:1")).await;
    assert!(text.contains("Loaded image: e2e/app:1"), "{text}");
    let before = world.get("/images/e2e/app:1/json").await.json();
    let saved = world.get("/images/get?names=e2e/app").await;
    assert_eq!(
        (saved.status, saved.header("content-type")),
        (200, "application/x-tar")
    );
    let removed = world.ask("DELETE", "/images/e2e/app:1", None).await;
    assert_eq!(removed.status, 200);
    assert_eq!(world.get("/images/e2e/app:1/json").await.status, 404);
    let text = load(&world, saved.body.to_vec()).await;
    assert!(text.contains("Loaded image: e2e/app:1"), "{text}");
    let after = world.get("/images/e2e/app:1/json").await.json();
    for member in ["Id", "RootFS", "Config", "Size", "Created"] {
        assert_eq!(after[member], before[member], "{member}");
    }
    // The archive is the same again: nothing is made anew.
    let again = world.get("/images/e2e/app:1/get").await;
    assert_eq!(again.body, saved.body);
}

#[tokio::test]
async fn nobodys_archive_makes_a_base() {
    let world = World::new().await;
    let text = load(&world, docker_archive("porthole/servercore:latest")).await;
    assert!(
        text.contains("Loaded without the name porthole/servercore:latest"),
        "{text}"
    );
    assert!(text.contains("Loaded image ID: sha256:"), "{text}");
    let absent = world.get("/images/porthole/servercore/json").await;
    assert_eq!(absent.status, 404);
}

#[tokio::test]
async fn a_layer_that_is_not_the_configurations_is_refused() {
    let world = World::new().await;
    let mut archive = docker_archive("e2e/app:1");
    let place = archive
        .windows(5)
        .position(|bytes| bytes == b"hello")
        .unwrap();
    let place = place
        + archive[place + 5..]
            .windows(5)
            .position(|bytes| bytes == b"hello")
            .unwrap()
        + 5;
    archive[place] = b'j';
    let refused = world.send("POST", "/images/load", archive.into()).await;
    let text = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(text.contains("digest") || text.contains("sha256"), "{text}");
    assert_eq!(world.get("/images/e2e/app:1/json").await.status, 404);
}

#[tokio::test]
async fn an_archive_that_is_none_fails_with_a_status() {
    let world = World::new().await;
    let answer = world
        .send("POST", "/images/load", "no archive".into())
        .await;
    assert_eq!(answer.status, 400, "{:?}", answer.body);
    assert!(answer.message().contains("archive"), "{}", answer.message());
}

#[tokio::test]
async fn an_image_is_removed_once_no_container_uses_it() {
    let world = World::new().await;
    world
        .create("user", json!({ "Cmd": ["cmd", "/c", "exit 0"] }))
        .await;
    assert_eq!(
        world
            .ask("DELETE", &format!("/images/{IMAGE}"), None)
            .await
            .status,
        409
    );
    assert_eq!(
        world.ask("DELETE", "/containers/user", None).await.status,
        204
    );
    let removed = world.ask("DELETE", &format!("/images/{IMAGE}"), None).await;
    assert_eq!(removed.status, 200);
    assert_eq!(removed.json()[0]["Untagged"], format!("{IMAGE}:latest"));
    assert_eq!(world.get("/images/json").await.json(), json!([]));
}

#[tokio::test]
async fn an_image_gets_a_name_with_slashes() {
    let world = World::new().await;
    let answer = world
        .post(&format!(
            "/images/{IMAGE}/tag?repo=r.example:5000/app&tag=2"
        ))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.message());
    let image = world.get("/images/r.example:5000/app:2/json").await;
    assert_eq!(image.status, 200);
    let refused = world
        .post(&format!("/images/{IMAGE}/tag?repo=porthole/mine"))
        .await;
    assert_eq!(refused.status, 403);
}
