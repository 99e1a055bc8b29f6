//! Attach, exec, logs, wait and events.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Request;
use porthole_compute_service::fake::Program;
use serde_json::{Value, json};

use crate::support::{World, stream_of, within};

const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";
const RAW: &str = "application/vnd.docker.raw-stream";

#[tokio::test]
async fn a_client_that_attaches_before_the_start_misses_nothing() {
    let world = World::new().await;
    world.script.program(
        "two.exe",
        Program::new().print("out\r\n").print_error("err\r\n"),
    );
    world.create("two", json!({ "Cmd": ["two.exe"] })).await;
    let (media_type, mut stream) = world
        .upgrade("/containers/two/attach?stream=1&stdout=1&stderr=1", None)
        .await;
    assert_eq!(media_type, MULTIPLEXED);
    world.post("/containers/two/start").await;
    let frames = stream.read_to_end().await;
    assert_eq!(stream_of(&frames, 1), "out\r\n");
    assert_eq!(stream_of(&frames, 2), "err\r\n");
    let (old, _) = world
        .upgrade("/v1.41/containers/two/attach?logs=1&stdout=1", None)
        .await;
    assert_eq!(old, RAW);
}

#[tokio::test]
async fn input_goes_in_and_its_end_too() {
    let world = World::new().await;
    world.script.program("cat.exe", Program::new().echo());
    let body =
        json!({ "Cmd": ["cat.exe"], "OpenStdin": true, "StdinOnce": true, "AttachStdin": true });
    world.create("cat", body).await;
    let (_, mut stream) = world
        .upgrade(
            "/containers/cat/attach?stream=1&stdin=1&stdout=1&stderr=1",
            None,
        )
        .await;
    world.post("/containers/cat/start").await;
    stream.send(b"hello").await;
    assert_eq!(stream_of(&stream.read(13).await, 1), "hello");
    stream.send(b" again").await;
    stream.end_input().await;
    assert_eq!(stream_of(&stream.read_to_end().await, 1), " again");
    assert_eq!(
        within(world.post("/containers/cat/wait")).await.json(),
        json!({ "StatusCode": 0 })
    );
}

#[tokio::test]
async fn a_client_without_input_may_close_its_half() {
    let world = World::new().await;
    world.script.program(
        "slow.exe",
        Program::new()
            .sleep(Duration::from_millis(100))
            .print("late\r\n"),
    );
    world.create("slow", json!({ "Cmd": ["slow.exe"] })).await;
    let (_, mut stream) = world
        .upgrade("/containers/slow/attach?stream=1&stdout=1", None)
        .await;
    stream.end_input().await;
    world.post("/containers/slow/start").await;
    assert_eq!(stream_of(&stream.read_to_end().await, 1), "late\r\n");
}

#[tokio::test]
async fn a_client_that_is_gone_holds_up_nobody() {
    let world = World::new().await;
    let chatty = Program::new()
        .sleep(Duration::from_millis(200))
        .print("x".repeat(1 << 20));
    world.script.program("chatty.exe", chatty);
    world
        .create("chatty", json!({ "Cmd": ["chatty.exe"] }))
        .await;
    let (_, mut stream) = world
        .upgrade("/containers/chatty/attach?stream=1&stdout=1", None)
        .await;
    stream.end_input().await;
    world.post("/containers/chatty/start").await;
    drop(stream);
    let answer = within(world.post("/containers/chatty/wait")).await;
    assert_eq!(answer.json(), json!({ "StatusCode": 0 }));
}

#[tokio::test]
async fn detach_keys_leave_a_console_and_the_program_running() {
    let world = World::new().await;
    world.script.program("shell.exe", Program::new().echo());
    let body = json!({ "Cmd": ["shell.exe"], "Tty": true, "OpenStdin": true });
    world.create("shell", body).await;
    let path = "/containers/shell/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-a,b";
    let (media_type, mut stream) = world.upgrade(path, None).await;
    assert_eq!(media_type, RAW);
    world.post("/containers/shell/start").await;
    stream.send(b"x").await;
    assert_eq!(stream.read(1).await, b"x");
    stream.send(b"\x01b").await;
    assert_eq!(stream.read_to_end().await, b"");
    assert_eq!(
        world.get("/containers/shell/json").await.json()["State"]["Running"],
        true
    );
    let bad = world
        .post("/containers/shell/attach?stream=1&stdout=1&detachKeys=ctrl-%3F")
        .await;
    assert_eq!(bad.status, 400);
}

#[tokio::test]
async fn an_exec_has_streams_and_an_exit_code() {
    let world = World::new().await;
    world
        .script
        .program("server.exe", Program::new().await_signal());
    world.script.program(
        "tool.exe",
        Program::new().echo().print_error("done").exit(5),
    );
    world.start("web", json!({ "Cmd": ["server.exe"] })).await;
    let create = json!({ "Cmd": ["tool.exe"], "AttachStdin": true, "AttachStdout": true, "AttachStderr": true });
    let exec = world
        .ask("POST", "/containers/web/exec", Some(create))
        .await;
    assert_eq!(exec.status, 201);
    let id = exec.json()["Id"].as_str().unwrap().to_owned();
    let (media_type, mut stream) = world
        .upgrade(
            &format!("/exec/{id}/start"),
            Some(json!({ "Detach": false })),
        )
        .await;
    assert_eq!(media_type, MULTIPLEXED);
    stream.send(b"text").await;
    stream.end_input().await;
    let frames = stream.read_to_end().await;
    assert_eq!(
        (stream_of(&frames, 1), stream_of(&frames, 2)),
        ("text".to_owned(), "done".to_owned())
    );
    let ended = world.get(&format!("/exec/{id}/json")).await.json();
    assert_eq!(
        (ended["Running"].as_bool(), ended["ExitCode"].as_u64()),
        (Some(false), Some(5))
    );
    let none = world
        .ask("POST", "/containers/web/exec", Some(json!({ "Cmd": [] })))
        .await;
    assert_eq!(
        (none.status, none.message().as_str()),
        (400, "No exec command specified")
    );
}

#[tokio::test]
async fn bodies_of_execs_are_read_as_strictly_as_those_of_containers() {
    let world = World::new().await;
    world
        .script
        .program("server.exe", Program::new().await_signal());
    world.script.program("tool.exe", Program::new());
    world.start("web", json!({ "Cmd": ["server.exe"] })).await;
    let create = async |body: Value| world.ask("POST", "/containers/web/exec", Some(body)).await;
    for (body, sentence) in [
        (
            json!({ "Cmd": ["tool.exe"], "privileged": true }),
            "invalid option: privileged mode is not supported for Windows containers",
        ),
        (
            json!({ "Cmd": ["tool.exe"], "Teleport": true }),
            "invalid option: Porthole does not know the option Teleport",
        ),
    ] {
        let refused = create(body).await;
        assert_eq!(
            (refused.status, refused.message().as_str()),
            (400, sentence)
        );
    }
    let created = create(json!({ "cmd": ["tool.exe"], "attachstdout": true, "Env": null })).await;
    assert_eq!(created.status, 201);
    let id = created.json()["Id"].as_str().unwrap().to_owned();
    let exec = world.get(&format!("/exec/{id}/json")).await.json();
    assert_eq!(exec["OpenStdout"], true);
    let start = format!("/exec/{id}/start");
    let refused = world
        .ask("POST", &start, Some(json!({ "Teleport": true })))
        .await;
    assert_eq!(refused.status, 400);
    let started = world
        .ask(
            "POST",
            &start,
            Some(json!({ "detach": true, "Cmd": ["old"] })),
        )
        .await;
    assert_eq!(started.status, 200);
}

#[tokio::test]
async fn a_start_takes_no_settings() {
    let world = World::new().await;
    world
        .script
        .program("server.exe", Program::new().await_signal());
    world.create("web", json!({ "Cmd": ["server.exe"] })).await;
    let start = async |body| world.ask("POST", "/containers/web/start", Some(body)).await;
    let refused = start(json!({ "Binds": ["/tmp:C:\\t"] })).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.message().contains("non-empty request body"),
        "{}",
        refused.message()
    );
    assert_eq!(start(json!({})).await.status, 204);
}

#[tokio::test]
async fn a_failed_exec_tells_why_in_the_stream() {
    let world = World::new().await;
    world
        .script
        .program("server.exe", Program::new().await_signal());
    world.start("web", json!({ "Cmd": ["server.exe"] })).await;
    let create = json!({ "Cmd": ["nosuch.exe"], "AttachStdout": true });
    let id = world
        .ask("POST", "/containers/web/exec", Some(create))
        .await
        .json()["Id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (_, mut stream) = world
        .upgrade(&format!("/exec/{id}/start"), Some(json!({})))
        .await;
    let text = stream_of(&stream.read_to_end().await, 1);
    assert!(
        text.to_lowercase()
            .contains("cannot find the file specified"),
        "{text}"
    );
    assert_eq!(
        world.get(&format!("/exec/{id}/json")).await.json()["ExitCode"],
        127
    );
}

#[tokio::test]
async fn log_options_are_shown_and_change_what_logs_answers() {
    let world = World::new().await;
    world
        .script
        .program("talk.exe", Program::new().print("hi\r\n"));
    let log = json!({ "Type": "json-file", "Config": { "max-size": "1m", "tag": "a b" } });
    let body = json!({ "Cmd": ["talk.exe"], "HostConfig": { "LogConfig": log } });
    world.start("tagged", body).await;
    world.post("/containers/tagged/wait").await;
    let inspect = world.get("/containers/tagged/json").await.json();
    assert_eq!(inspect["HostConfig"]["LogConfig"], log);
    assert!(inspect["LogPath"].as_str().unwrap().ends_with("-json.log"));
    let details = world
        .get("/containers/tagged/logs?stdout=1&details=1")
        .await;
    assert_eq!(stream_of(&details.body, 1), "tag=a+b hi\r\n");

    let none = json!({ "Cmd": ["talk.exe"], "HostConfig": { "LogConfig": { "Type": "none" } } });
    world.start("mute", none).await;
    world.post("/containers/mute/wait").await;
    assert_eq!(
        world.get("/containers/mute/json").await.json()["LogPath"],
        ""
    );
    let refusal = world.get("/containers/mute/logs?stdout=1").await;
    assert_eq!(
        (refusal.status, refusal.message().as_str()),
        (501, "configured logging driver does not support reading")
    );
}

#[tokio::test]
async fn logs_are_framed_and_can_be_cut() {
    let world = World::new().await;
    world.script.program(
        "lines.exe",
        Program::new().print("1\r\n2\r\n3\r\n").print_error("e\r\n"),
    );
    world.start("lines", json!({ "Cmd": ["lines.exe"] })).await;
    world.post("/containers/lines/wait").await;
    let all = world.get("/containers/lines/logs?stdout=1&stderr=1").await;
    assert_eq!(all.header("content-type"), MULTIPLEXED);
    assert_eq!(stream_of(&all.body, 1), "1\r\n2\r\n3\r\n");
    assert_eq!(stream_of(&all.body, 2), "e\r\n");
    // The last line of both streams, as dockerd counts too.
    let last = world
        .get("/containers/lines/logs?stdout=1&stderr=1&tail=1&timestamps=1")
        .await;
    assert_eq!(stream_of(&last.body, 1), "");
    let last = stream_of(&last.body, 2);
    assert!(
        last.ends_with("Z e\r\n") && last.len() == 31 + 3,
        "{last:?}"
    );
    let none = world.get("/containers/lines/logs").await;
    assert_eq!(
        (none.status, none.message().as_str()),
        (400, "must specify at least one of 'stdout' or 'stderr'")
    );
    // What is no number is no limit, as in dockerd.
    let few = "/containers/lines/logs?stdout=1&tail=few";
    assert_eq!(world.get(few).await.status, 200);
    assert_eq!(
        world
            .get("/containers/lines/logs?stdout=1&since=soon")
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn wait_answers_its_head_at_once() {
    let world = World::new().await;
    world
        .script
        .program("server.exe", Program::new().await_signal().exit(3));
    world.create("web", json!({ "Cmd": ["server.exe"] })).await;
    let request = Request::builder()
        .method("POST")
        .uri("/containers/web/wait?condition=next-exit");
    let response = world
        .open(request.body(http_body_util::Full::default()).unwrap())
        .await;
    assert_eq!(response.status(), 200);
    world.post("/containers/web/start").await;
    world.post("/containers/web/kill?signal=SIGINT").await;
    let body = within(response.into_body().collect())
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({ "StatusCode": 3 })
    );
}

#[tokio::test]
async fn events_are_told_as_lines_of_json() {
    let world = World::new().await;
    world.script.program("end.exe", Program::new().exit(4));
    let id = world.start("short", json!({ "Cmd": ["end.exe"] })).await;
    world.post("/containers/short/wait").await;
    let request =
        Request::builder().uri("/events?since=0&filters=%7B%22event%22%3A%5B%22die%22%5D%7D");
    let mut response = world
        .open(request.body(http_body_util::Full::default()).unwrap())
        .await;
    let frame = within(response.frame())
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    let event: bollard_stubs::models::EventMessage = serde_json::from_slice(&frame).unwrap();
    assert_eq!(
        event.actor.as_ref().and_then(|actor| actor.id.as_deref()),
        Some(id.as_str())
    );
    let event: Value = serde_json::from_slice(&frame).unwrap();
    assert_eq!(event["Action"], "die");
    assert_eq!(event["status"], "die");
    assert_eq!(event["Actor"]["Attributes"]["exitCode"], "4");
    assert_eq!(world.get("/events?since=2&until=1").await.status, 400);
}

#[tokio::test]
async fn stats_come_once_in_pairs_or_until_the_removal() {
    let world = World::new().await;
    world
        .script
        .program("server.exe", Program::new().await_signal());
    let id = world.start("s", json!({ "Cmd": ["server.exe"] })).await;
    let once = world
        .get("/containers/s/stats?stream=0&one-shot=1")
        .await
        .json();
    assert_eq!((&once["id"], &once["name"]), (&json!(id), &json!("/s")));
    assert_eq!(once["preread"], "0001-01-01T00:00:00Z");
    assert!(once["memory_stats"]["privateworkingset"].is_u64(), "{once}");
    assert_eq!(once["networks"]["nat"]["rx_bytes"], 0);
    let pair = within(world.get("/containers/s/stats?stream=0"))
        .await
        .json();
    assert!(pair["preread"].as_str() < pair["read"].as_str(), "{pair}");
    assert_ne!(pair["preread"], once["preread"]);
    let both = world.get("/containers/s/stats?one-shot=1").await;
    assert_eq!(both.message(), "cannot have stream=true and one-shot=true");

    let (stream, ()) = tokio::join!(world.get("/containers/s/stats"), async {
        world.ask("DELETE", "/containers/s?force=1", None).await;
    });
    assert_eq!(stream.status, 200);
    assert_eq!(world.get("/containers/s/stats").await.status, 404);
}

#[tokio::test]
async fn a_stopped_container_uses_nothing() {
    let world = World::new().await;
    let id = world.create("s", json!({ "Cmd": ["server.exe"] })).await;
    let stats = world.get("/containers/s/stats?stream=0").await.json();
    assert_eq!(
        (&stats["id"], &stats["read"]),
        (&json!(id), &json!("0001-01-01T00:00:00Z"))
    );
    assert_eq!(stats["memory_stats"], json!({}));
}
