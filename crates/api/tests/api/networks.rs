//! Networks and volumes.

use bollard_stubs::models::{NetworkInspect, VolumeListResponse};
use porthole_compute_service::fake::Program;
use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn the_networks_that_are_built_in_can_be_looked_at() {
    let world = World::new().await;
    world
        .script
        .program("server.exe", Program::new().await_signal());
    let id = world.start("web", json!({ "Cmd": ["server.exe"] })).await;
    let names = async |filters: &str| -> Vec<String> {
        let rows = world.get(&format!("/networks{filters}")).await.json();
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["Name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("").await, ["nat", "none"]);
    let filter =
        |name: &str, value: &str| format!("?filters=%7B%22{name}%22%3A%5B%22{value}%22%5D%7D");
    assert_eq!(names(&filter("driver", "null")).await, ["none"]);
    assert_eq!(names(&filter("name", "na")).await, ["nat"]);
    assert_eq!(names(&filter("type", "builtin")).await.len(), 2);
    assert!(names(&filter("dangling", "true")).await.is_empty());
    for wrong in [filter("colour", "red"), filter("type", "odd")] {
        assert_eq!(world.get(&format!("/networks{wrong}")).await.status, 400);
    }
    let nat = world.get("/networks/nat").await.json();
    serde_json::from_value::<NetworkInspect>(nat.clone()).unwrap();
    assert_eq!(nat["IPAM"]["Config"][0]["Subnet"], "172.30.0.0/16");
    assert_eq!(nat["Containers"][&id]["Name"], "web");
    assert_eq!(nat["Containers"][&id]["IPv4Address"], "172.30.0.2/16");
    let missing = world.get("/networks/blue").await;
    assert_eq!(
        (missing.status, missing.message().as_str()),
        (404, "network blue not found")
    );
}

#[tokio::test]
async fn the_networks_that_are_built_in_stay() {
    let world = World::new().await;
    let refused = world.ask("DELETE", "/networks/nat", None).await;
    assert_eq!(
        (refused.status, refused.message().as_str()),
        (403, "nat is a pre-defined network and cannot be removed")
    );
    let missing = world.ask("DELETE", "/networks/blue", None).await;
    assert_eq!(missing.status, 404);
    let body = json!({ "Name": "blue" });
    let created = world.ask("POST", "/networks/create", Some(body)).await;
    assert_eq!(created.status, 501);
}

#[tokio::test]
async fn there_are_no_volumes() {
    let world = World::new().await;
    let volumes = world.get("/volumes").await.json();
    serde_json::from_value::<VolumeListResponse>(volumes.clone()).unwrap();
    assert_eq!(volumes["Volumes"], json!([]));
    let missing = world.get("/volumes/data").await;
    assert_eq!(
        (missing.status, missing.message().as_str()),
        (404, "get data: no such volume")
    );
    let wrong = "/volumes?filters=%7B%22colour%22%3A%5B%22red%22%5D%7D";
    assert_eq!(world.get(wrong).await.status, 400);
}
