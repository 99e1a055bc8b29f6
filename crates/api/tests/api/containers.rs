//! Containers: status codes and JSON.

use bollard_stubs::models::{ContainerInspectResponse, ContainerSummary, ContainerTopResponse};
use porthole_compute_service::fake::Program;
use serde_json::json;

use crate::support::{World, within};

#[tokio::test]
async fn a_container_runs_from_create_to_remove() {
    let world = World::new().await;
    world.script.program(
        "server.exe",
        Program::new().print("ready\r\n").await_signal().exit(7),
    );
    let id = world.create("web", json!({ "Cmd": ["server.exe"] })).await;
    assert_eq!(
        world.get("/containers/web/json").await.json()["State"]["Status"],
        "created"
    );
    assert_eq!(world.post("/containers/web/start").await.status, 204);
    assert_eq!(world.post("/containers/web/start").await.status, 304);
    let running = world
        .get(&format!("/containers/{}/json", &id[..12]))
        .await
        .json();
    assert_eq!(running["State"]["Running"], true);
    assert_eq!(
        world.ask("DELETE", "/containers/web", None).await.status,
        409
    );
    assert_eq!(world.post("/containers/web/stop?t=5").await.status, 204);
    assert_eq!(world.post("/containers/web/stop").await.status, 304);
    let ended = world.get("/containers/web/json").await.json();
    assert_eq!(ended["State"]["ExitCode"], 7);
    assert_eq!(
        world
            .ask("DELETE", "/containers/web?force=1&v=1", None)
            .await
            .status,
        204
    );
    let gone = world.get("/containers/web/json").await;
    assert_eq!(
        (gone.status, gone.message().as_str()),
        (404, "No such container: web")
    );
}

#[tokio::test]
async fn exit_codes_have_all_their_bits() {
    let world = World::new().await;
    world
        .script
        .program("crash.exe", Program::new().exit(0xC000_013A));
    world.start("crash", json!({ "Cmd": ["crash.exe"] })).await;
    let answer = world.post("/containers/crash/wait").await;
    assert_eq!(answer.json(), json!({ "StatusCode": 3_221_225_786_u32 }));
    let container = world.get("/containers/crash/json").await.json();
    assert_eq!(container["State"]["ExitCode"], 3_221_225_786_u32);
}

#[tokio::test]
async fn answers_read_as_the_published_models_and_have_what_clients_index() {
    let world = World::new().await;
    let server = Program::new().await_signal();
    world.script.program("server.exe \"two words\"", server);
    let body = json!({
        "Cmd": ["server.exe", "two words"],
        "Labels": { "a": "b" },
        "ExposedPorts": { "80/tcp": {}, "81/tcp": {} },
        "HostConfig": { "PortBindings": { "80/tcp": [{ "HostPort": "8080" }] } }
    });
    world.start("web", body).await;
    let container = world.get("/containers/web/json").await.json();
    serde_json::from_value::<ContainerInspectResponse>(container.clone()).unwrap();
    assert_eq!(container["Mounts"], json!([]));
    assert_eq!(container["Path"], "server.exe");
    assert_eq!(container["Args"], json!(["two words"]));
    let ports = &container["NetworkSettings"]["Ports"];
    assert_eq!(
        ports["80/tcp"],
        json!([{ "HostIp": "0.0.0.0", "HostPort": "8080" }])
    );
    assert!(ports["81/tcp"].is_null() && ports.get("81/tcp").is_some());
    assert_eq!(
        container["NetworkSettings"]["Networks"]["nat"]["IPAddress"],
        "172.30.0.2"
    );
    assert!(
        container["HostConfig"]
            .get("Binds")
            .is_some_and(serde_json::Value::is_null)
    );
    let rows = world.get("/containers/json").await.json();
    serde_json::from_value::<Vec<ContainerSummary>>(rows.clone()).unwrap();
    assert_eq!(rows[0]["Names"], json!(["/web"]));
    assert_eq!(rows[0]["Command"], "server.exe 'two words'");
    assert_eq!(rows[0]["Ports"][0]["PublicPort"], 8080);
    let top = world.get("/containers/web/top").await.json();
    serde_json::from_value::<ContainerTopResponse>(top.clone()).unwrap();
    assert_eq!(
        top["Titles"],
        json!(["Name", "PID", "CPU", "Private Working Set"])
    );
    assert_eq!(
        world.get("/containers/web/top?ps_args=aux").await.status,
        400
    );
}

#[tokio::test]
async fn lists_are_filtered() {
    let world = World::new().await;
    world
        .script
        .program("server.exe", Program::new().await_signal());
    world.start("runs", json!({ "Cmd": ["server.exe"] })).await;
    world
        .create("created", json!({ "Cmd": ["server.exe"] }))
        .await;
    let names = async |query: &str| -> Vec<String> {
        let rows = world.get(&format!("/containers/json?{query}")).await.json();
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row["Names"][0].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("").await, ["/runs"]);
    assert_eq!(names("all=1").await.len(), 2);
    assert_eq!(names("limit=1").await, ["/created"]);
    assert_eq!(
        names("filters=%7B%22status%22%3A%5B%22created%22%5D%7D").await,
        ["/created"]
    );
    assert_eq!(world.get("/containers/json?filters=%7B").await.status, 400);
    assert_eq!(
        world
            .get("/containers/json?filters=%7B%22colour%22%3A%5B%22red%22%5D%7D")
            .await
            .status,
        400
    );
    assert_eq!(world.get("/containers/json?limit=few").await.status, 400);
}

#[tokio::test]
async fn bad_requests_name_their_fault_and_leave_nothing() {
    let world = World::new().await;
    let create =
        async |body: serde_json::Value| world.ask("POST", "/containers/create", Some(body)).await;
    let privileged =
        create(json!({ "Image": crate::support::IMAGE, "HostConfig": { "Privileged": true } }))
            .await;
    assert_eq!(privileged.status, 400);
    assert_eq!(
        privileged.message(),
        "invalid option: privileged mode is not supported for Windows containers"
    );
    let isolation =
        create(json!({ "Image": crate::support::IMAGE, "HostConfig": { "Isolation": "magic" } }))
            .await;
    assert_eq!(isolation.status, 400);
    assert!(
        isolation.message().contains("invalid isolation (magic)"),
        "{}",
        isolation.message()
    );
    let relative =
        create(json!({ "Image": crate::support::IMAGE, "Cmd": ["C:appnode.exe"] })).await;
    assert_eq!(relative.status, 400);
    assert_eq!(create(json!([])).await.status, 400);
    assert_eq!(
        world.post("/containers/create").await.message(),
        "invalid JSON: got EOF while reading request body"
    );
    assert_eq!(world.get("/containers/json?all=1").await.json(), json!([]));
    world.create("taken", json!({ "Cmd": ["cmd"] })).await;
    let again = world
        .ask(
            "POST",
            "/containers/create?name=taken",
            Some(json!({ "Image": crate::support::IMAGE })),
        )
        .await;
    assert_eq!(again.status, 409);
    assert!(
        again
            .message()
            .starts_with("Conflict. The container name \"/taken\" is already in use"),
        "{}",
        again.message()
    );
    assert_eq!(
        world
            .post("/containers/taken/wait?condition=never")
            .await
            .status,
        400
    );
    assert_eq!(world.post("/containers/taken/kill").await.status, 409);
    assert_eq!(
        world.post("/containers/taken/stop?t=soon").await.status,
        400
    );
    assert_eq!(
        world.post("/containers/taken/resize?h=x&w=1").await.status,
        400
    );
}

#[tokio::test]
async fn a_missing_program_is_told_in_windows_words() {
    let world = World::new().await;
    world
        .create("missing", json!({ "Cmd": ["nosuch.exe"] }))
        .await;
    let answer = world.post("/containers/missing/start").await;
    assert!((400..=500).contains(&answer.status), "{}", answer.status);
    assert!(
        answer
            .message()
            .to_lowercase()
            .contains("cannot find the file specified"),
        "{}",
        answer.message()
    );
    let state = &world.get("/containers/missing/json").await.json()["State"];
    assert_eq!(
        (state["Status"].as_str(), state["ExitCode"].as_u64()),
        (Some("created"), Some(127))
    );
}

#[tokio::test]
async fn parameters_that_do_not_work_are_refused_by_name() {
    let world = World::new().await;
    world.create("web", json!({ "Cmd": ["cmd"] })).await;
    let image = crate::support::IMAGE;
    for (method, path, name) in [
        ("GET", "/images/json?manifests=true".to_owned(), "manifests"),
        (
            "GET",
            format!("/images/{image}/json?manifests=1"),
            "manifests",
        ),
        (
            "DELETE",
            format!("/images/{image}?platforms=%5B%5D"),
            "platforms",
        ),
        (
            "GET",
            "/containers/web/top?ps_args=aux".to_owned(),
            "ps_args",
        ),
        (
            "POST",
            "/containers/web/start?checkpoint=c".to_owned(),
            "checkpoint",
        ),
        ("DELETE", "/containers/web?link=1".to_owned(), "link"),
        (
            "GET",
            format!("/images/{image}/history?platform=linux"),
            "platform",
        ),
    ] {
        let answer = world.ask(method, &path, None).await;
        assert_eq!(answer.status, 400, "{method} {path}");
        assert!(
            answer.message().contains(name),
            "{path}: {}",
            answer.message()
        );
    }
}

#[tokio::test]
async fn parameters_that_mean_nothing_new_pass() {
    let world = World::new().await;
    let image = crate::support::IMAGE;
    let path = format!("/images/create?fromImage={image}&platform=linux/amd64");
    let answer = world.post(&path).await;
    assert_eq!(answer.status, 404);
    assert!(
        answer
            .message()
            .starts_with("no matching manifest for linux/amd64 in the manifest list entries: "),
        "{}",
        answer.message()
    );
    let linux = "%7B%22os%22%3A%22linux%22%2C%22architecture%22%3A%22amd64%22%7D";
    for path in ["json", "history"] {
        let path = format!("/images/{image}/{path}?platform={linux}");
        assert_eq!(world.get(&path).await.status, 404, "{path}");
    }
    for path in [
        "/images/json?all=1&digests=1&shared-size=0&manifests=false",
        "/containers/json?trunc_cmd=1",
    ] {
        assert_eq!(world.get(path).await.status, 200, "{path}");
    }
    let none = world.get("/v1.40/images/json?filter=other").await.json();
    assert_eq!(none, json!([]));
}

#[tokio::test]
async fn sizes_are_told_when_asked_for() {
    let world = World::new().await;
    world.create("web", json!({ "Cmd": ["cmd"] })).await;
    let plain = world.get("/containers/web/json").await.json();
    assert!(plain.get("SizeRw").is_none());
    let sized = world.get("/containers/web/json?size=1").await.json();
    assert_eq!(
        (&sized["SizeRw"], &sized["SizeRootFs"]),
        (&json!(0), &json!(1000))
    );
    let rows = world.get("/containers/json?all=1&size=1").await.json();
    assert_eq!(rows[0]["SizeRootFs"], 1000);
    let rows = world.get("/containers/json?all=1").await.json();
    assert!(rows[0].get("SizeRootFs").is_none());
}

#[tokio::test]
async fn limits_are_shown_and_updated() {
    let world = World::new().await;
    world
        .create(
            "web",
            json!({ "HostConfig": { "Memory": 67_108_864, "CpuCount": 1 } }),
        )
        .await;
    let update = json!({ "NanoCpus": 500_000_000, "RestartPolicy": { "Name": "always" } });
    let answer = world
        .ask("POST", "/containers/web/update", Some(update))
        .await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "Warnings": [] }))
    );
    let host = &world.get("/containers/web/json").await.json()["HostConfig"];
    let shown = ["Memory", "NanoCpus", "CpuCount", "CpuPercent", "CpuShares"]
        .map(|name| host[name].as_i64());
    let expected = [67_108_864, 500_000_000, 0, 0, 0].map(Some);
    assert_eq!(shown, expected);
    assert_eq!(host["RestartPolicy"]["Name"], "always");
    let wrong = json!({ "CpusetCpus": "0" });
    let refused = world
        .ask("POST", "/containers/web/update", Some(wrong))
        .await;
    assert_eq!(
        (refused.status, refused.message().as_str()),
        (400, "invalid option: Windows does not support CpusetCpus")
    );
}

#[tokio::test]
async fn health_is_shown_with_its_last_results() {
    let world = World::new().await;
    let server = Program::new().await_signal();
    world.script.program("server.exe", server);
    let probe = Program::new().print("fine");
    world.script.program("probe.exe a", probe);
    let check = json!({ "Test": ["CMD", "probe.exe", "a"], "Interval": 20_000_000 });
    let body = json!({ "Cmd": ["server.exe"], "Healthcheck": check });
    world.start("web", body).await;
    let container = within(async {
        loop {
            let container = world.get("/containers/web/json").await.json();
            if container["State"]["Health"]["Log"][0].is_object() {
                return container;
            }
        }
    })
    .await;
    assert_eq!(container["Config"]["Healthcheck"], check);
    let health = &container["State"]["Health"];
    assert_eq!(
        (&health["Status"], &health["FailingStreak"]),
        (&json!("healthy"), &json!(0))
    );
    let result = &health["Log"][0];
    assert_eq!(
        (&result["ExitCode"], &result["Output"]),
        (&json!(0), &json!("fine"))
    );
    let rows = world.get("/containers/json").await.json();
    let status = rows[0]["Status"].as_str().unwrap();
    assert!(status.ends_with("(healthy)"), "{status}");
}
