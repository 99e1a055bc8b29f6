//! What fails beneath the service, scripted on the fake.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use futures::StreamExt;
use porthole_compute_service::fake::{self, Program, Script};
use porthole_compute_service::service::Systems;
use porthole_compute_service::settings::{ProcessSettings, SiloDns, SiloUser, SystemSettings};
use porthole_compute_service::system::{ComputeService, ComputeSystem, Event};
use porthole_compute_service::{Error, ErrorKind};
use porthole_hcs::{self as hcs, ExitType, State};
use porthole_protocol::WindowsError;

fn document() -> hcs::ComputeSystem {
    let json = r#"{"Owner":"test","SchemaVersion":{"Major":2,"Minor":5},"Container":{
        "Storage":{"Layers":[{"Id":"base","Path":"/layers/base"}],"Path":"/sandbox"}}}"#;
    serde_json::from_str(json).unwrap()
}

fn settings() -> SystemSettings {
    SystemSettings {
        os_version: None,
        wine_build: "10.0/855/wow64".into(),
        user: SiloUser::ContainerUser,
        network_namespace: None,
        dns: SiloDns::default(),
        published_ports: Vec::new(),
        directories: Vec::new(),
        temporary_directories: Vec::new(),
        resource_limits: Vec::new(),
        time_zone: None,
        pids: None,
    }
}

async fn created() -> (Arc<Systems>, Script, Arc<dyn ComputeSystem>) {
    let (service, script) = fake::service().await;
    let system = service
        .create("c1", &document(), &settings())
        .await
        .unwrap();
    (service, script, system)
}

fn main_process() -> ProcessSettings {
    ProcessSettings {
        main: true,
        ..Default::default()
    }
}

fn parameters(command_line: &str) -> hcs::ProcessParameters {
    hcs::ProcessParameters {
        command_line: Some(command_line.into()),
        ..Default::default()
    }
}

async fn exit_type(system: &dyn ComputeSystem) -> (State, Option<ExitType>) {
    let query = hcs::SystemPropertyQuery::default();
    let properties = system.properties(&query).await.unwrap();
    (properties.state, properties.exit_type)
}

#[tokio::test]
async fn a_create_that_fails_leaves_the_id_free() {
    let (service, script) = fake::service().await;
    script.fail_create(Error::new(ErrorKind::InvalidLayer, "create", "scripted"));
    let failed = service.create("c1", &document(), &settings()).await;
    assert_eq!(failed.err().unwrap().kind(), ErrorKind::InvalidLayer);
    service
        .create("c1", &document(), &settings())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_start_that_fails_leaves_a_stopped_system() {
    let (service, script, system) = created().await;
    script.fail_start("no mounts today");
    let failed = system.start().await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Host);
    assert!(failed.message().contains("no mounts today"), "{failed}");
    assert_eq!(exit_type(&*system).await.0, State::Stopped);
    system.close().await.unwrap();
    assert!(service.open("c1").await.is_err());
}

#[tokio::test]
async fn a_killed_supervisor_is_an_unexpected_exit() {
    let (_service, script, system) = created().await;
    system.start().await.unwrap();
    script.program("server", Program::new().await_signal());
    let server = system
        .create_process(&parameters("server"), &main_process())
        .await
        .unwrap();
    script.kill_supervisor("c1");
    assert!(system.wait().await.unwrap().error.is_some());
    assert_eq!(
        exit_type(&*system).await,
        (State::Stopped, Some(ExitType::UnexpectedExit))
    );
    assert_eq!(
        server.wait().await.unwrap_err().kind(),
        ErrorKind::UnexpectedExit
    );
}

#[tokio::test]
async fn want_of_memory_is_told_and_recorded() {
    let (service, script, system) = created().await;
    system.start().await.unwrap();
    let mut events = service.events().await.unwrap();
    script.out_of_memory("c1");
    let event = events.next().await.unwrap();
    assert_eq!(
        event,
        Event::OutOfMemory {
            system: "c1".into()
        }
    );
    system.terminate().await.unwrap();
    assert!(system.wait().await.unwrap().out_of_memory);
}

#[tokio::test]
async fn a_handler_takes_the_event_and_a_deaf_program_does_not() {
    let (_service, script, system) = created().await;
    system.start().await.unwrap();
    script.program("handles", Program::new().await_signal().exit(5));
    script.program("ignores", Program::new().deaf().await_signal());
    let none = ProcessSettings::default();
    let handles = system
        .create_process(&parameters("handles"), &none)
        .await
        .unwrap();
    let ignores = system
        .create_process(&parameters("ignores"), &none)
        .await
        .unwrap();
    system.shutdown().await.unwrap();
    assert_eq!(handles.wait().await.unwrap(), 5);
    assert!(!ignores.status().await.unwrap().exited);
}

#[tokio::test]
async fn a_program_is_refused_with_windows_own_error() {
    let (_service, script, system) = created().await;
    system.start().await.unwrap();
    let denied = WindowsError {
        code: 5,
        operation: "CreateProcess".into(),
        message: "Access is denied.".into(),
    };
    script.refuse("locked.exe", denied);
    let refused = system
        .create_process(&parameters("locked.exe"), &main_process())
        .await;
    let refused = refused.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Windows(5));
    assert_eq!(refused.message(), "Access is denied.");
}
