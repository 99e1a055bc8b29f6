//! Requests that are refused.

use porthole_engine::ErrorKind;

use crate::support::{World, request};

#[tokio::test]
async fn what_cannot_be_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    world.create("taken", &["cmd"]).await;
    let base = || request("", &["cmd"]);
    let holder = world.engine.inspect_container("taken").unwrap().id.clone();
    let conflict = format!(
        "Conflict. The container name \"/taken\" is already in use by container \"{holder}\". You have to \
         remove (or rename) that container to be able to reuse that name."
    );
    let cases: Vec<(_, _, &str)> = vec![
        (
            request("taken", &["cmd"]),
            ErrorKind::Conflict,
            conflict.as_str(),
        ),
        (
            request("a/b", &["cmd"]),
            ErrorKind::InvalidParameter,
            "Invalid container name (a/b)",
        ),
        (
            with(base(), |request| {
                request.config.image = "porthole/x".to_owned();
            }),
            ErrorKind::NotFound,
            "No such image: porthole/x:latest",
        ),
        (
            with(base(), |request| request.config.user = "root".to_owned()),
            ErrorKind::InvalidParameter,
            "unable to find user root",
        ),
        (
            with(base(), |request| {
                request.config.cmd = Some(vec!["C:appnode.exe".to_owned()]);
            }),
            ErrorKind::InvalidParameter,
            "backslashes",
        ),
        (
            with(base(), |request| {
                request.host.isolation = "hyperv".to_owned();
            }),
            ErrorKind::InvalidParameter,
            "does not support isolation hyperv",
        ),
        (
            with(base(), |request| {
                request.host.log.driver = "splunk".to_owned();
            }),
            ErrorKind::InvalidParameter,
            "logger: no log driver named 'splunk' is registered",
        ),
        (
            with(base(), |request| {
                request.host.log.options = [("tag".to_owned(), "{{json .}}".to_owned())].into();
            }),
            ErrorKind::InvalidParameter,
            "does not support {{json .}} in a log's tag",
        ),
        (
            with(base(), |request| {
                request.host.log.options = [("labels-regex".to_owned(), "(".to_owned())].into();
            }),
            ErrorKind::InvalidParameter,
            "invalid value for labels-regex",
        ),
        (
            with(base(), |request| {
                request.config.env = vec![format!("A={}", "x".repeat(70_000))];
                request.host.log.options = [("env".to_owned(), "A".to_owned())].into();
            }),
            ErrorKind::InvalidParameter,
            "of each log record have 70001 bytes: 65536 are allowed",
        ),
        (
            with(base(), |request| {
                request.host.binds = vec![r"/nowhere/at/all:C:\x".to_owned()];
            }),
            ErrorKind::InvalidParameter,
            "bind source path does not exist: /nowhere/at/all",
        ),
        (
            with(base(), |request| {
                request.config.stop_signal = Some("SIGBOOM".to_owned());
            }),
            ErrorKind::InvalidParameter,
            "invalid signal: SIGBOOM",
        ),
    ];
    for (request, kind, message) in cases {
        let error = world.create_with(request).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(
            error.to_string().contains(message),
            "{error} lacks {message}"
        );
    }
    assert_eq!(world.store().containers().unwrap().len(), 1);
    world.assert_nothing_left().await;
}

fn with<T>(mut value: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut value);
    value
}
