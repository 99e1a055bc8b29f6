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
    let foreign = world
        .post("/images/create?fromImage=docker.io/library/alpine&tag=latest")
        .await;
    assert_eq!(foreign.status, 501);
    assert!(
        foreign
            .message()
            .starts_with("no matching manifest for windows/amd64 of alpine: "),
        "{}",
        foreign.message()
    );
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
