//! States of systems.

use porthole_compute_service::ErrorKind;
use porthole_compute_service::limits::MEMORY_PATH;
use porthole_compute_service::settings::ProcessSettings;
use porthole_hcs::{self as hcs, ExitType, State};

use crate::ground::{COPY, Ground, PATIENCE, endless, parameters};

async fn state(system: &dyn porthole_compute_service::system::ComputeSystem) -> State {
    system
        .properties(&hcs::SystemPropertyQuery::default())
        .await
        .unwrap()
        .state
}

pub(crate) async fn a_system_passes_through_its_states(ground: &Ground) {
    let system = ground.created().await;
    assert_eq!(state(&*system).await, State::Created);
    system.start().await.unwrap();
    assert_eq!(state(&*system).await, State::Running);
    system.pause().await.unwrap();
    assert_eq!(state(&*system).await, State::Paused);
    system.resume().await.unwrap();
    assert_eq!(state(&*system).await, State::Running);
    system.terminate().await.unwrap();
    let properties = system
        .properties(&hcs::SystemPropertyQuery::default())
        .await
        .unwrap();
    assert_eq!(properties.state, State::Stopped);
    assert!(properties.stopped);
    assert_eq!(properties.exit_type, Some(ExitType::ForcedExit));
    system.close().await.unwrap();
    system.close().await.unwrap();
    let gone = ground.service.open(system.id()).await.err().unwrap();
    assert_eq!(gone.kind(), ErrorKind::SystemNotFound);
    let gone = system
        .properties(&hcs::SystemPropertyQuery::default())
        .await
        .unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::SystemNotFound);
}

pub(crate) async fn an_id_is_taken_once(ground: &Ground) {
    let system = ground.created().await;
    let id = system.id();
    let (document, settings) = (ground.document(id), ground.settings());
    let taken = ground
        .service
        .create(id, &document, &settings)
        .await
        .err()
        .unwrap();
    assert_eq!(taken.kind(), ErrorKind::SystemAlreadyExists);
    system.close().await.unwrap();
    ground
        .service
        .create(id, &document, &settings)
        .await
        .unwrap();
}

pub(crate) async fn requests_in_the_wrong_state_are_refused(ground: &Ground) {
    let system = ground.created().await;
    let none = ProcessSettings::default();
    let wrong = ErrorKind::InvalidState;
    assert_eq!(system.pause().await.unwrap_err().kind(), wrong);
    assert_eq!(system.resume().await.unwrap_err().kind(), wrong);
    assert_eq!(system.shutdown().await.unwrap_err().kind(), wrong);
    let process = system.create_process(&parameters(COPY), &none).await;
    assert_eq!(process.err().unwrap().kind(), wrong);
    system.start().await.unwrap();
    assert_eq!(system.start().await.unwrap_err().kind(), wrong);
    assert_eq!(system.close().await.unwrap_err().kind(), wrong);
    system.pause().await.unwrap();
    assert_eq!(system.pause().await.unwrap_err().kind(), wrong);
    let process = system.create_process(&parameters(COPY), &none).await;
    assert_eq!(process.err().unwrap().kind(), wrong);
    system.terminate().await.unwrap();
    assert_eq!(system.start().await.unwrap_err().kind(), wrong);
    let stopped = ErrorKind::SystemAlreadyStopped;
    assert_eq!(system.terminate().await.unwrap_err().kind(), stopped);
    assert_eq!(system.shutdown().await.unwrap_err().kind(), stopped);
}

pub(crate) async fn a_system_that_was_never_started_can_be_terminated_and_closed(ground: &Ground) {
    let system = ground.created().await;
    system.terminate().await.unwrap();
    let record = system.wait().await.unwrap();
    assert_eq!((record.exit_code, record.terminated), (None, true));
    system.close().await.unwrap();
    let system = ground.created().await;
    system.close().await.unwrap();
    assert!(ground.service.open(system.id()).await.is_err());
}

pub(crate) async fn a_shutdown_ends_the_main_process_and_the_system(ground: &Ground) {
    let system = ground.started().await;
    endless(&*system, true).await;
    // The program's console handler is in place only once it runs.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    system.shutdown().await.unwrap();
    let record = tokio::time::timeout(PATIENCE, system.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(
        !record.terminated && record.exit_code.is_some(),
        "{record:?}"
    );
}

pub(crate) async fn systems_are_enumerated_by_the_query(ground: &Ground) {
    let (first, second) = (ground.created().await, ground.started().await);
    let query = hcs::SystemQuery {
        ids: vec![second.id().to_owned(), first.id().to_owned()],
        owners: vec!["contract".into()],
        ..Default::default()
    };
    let found = ground.service.enumerate(&query).await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|found| (found.id.as_str(), found.state))
        .collect();
    assert_eq!(
        found,
        [(first.id(), State::Created), (second.id(), State::Running)]
    );
    let query = hcs::SystemQuery {
        owners: vec!["nobody".into()],
        ..Default::default()
    };
    assert!(ground.service.enumerate(&query).await.unwrap().is_empty());
}

pub(crate) async fn limits_change_live(ground: &Ground) {
    let system = ground.started().await;
    let mut request = hcs::ModifySettingRequest {
        resource_path: MEMORY_PATH.into(),
        request_type: hcs::ModifyRequestType::Update,
        settings: Some(512.into()),
    };
    system.modify(&request).await.unwrap();
    request.settings = Some("much".into());
    let wrong = system.modify(&request).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::InvalidDocument);
    request.resource_path = "Container/Networking".into();
    let wrong = system.modify(&request).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::NotSupported);
}

pub(crate) async fn documents_are_checked(ground: &Ground) {
    let id = ground.id();
    let mut document = ground.document(&id);
    document.container.as_mut().unwrap().mapped_pipes = vec![hcs::MappedPipe {
        container_pipe_name: "p".into(),
        host_path: "/p".into(),
    }];
    let refused = ground
        .service
        .create(&id, &document, &ground.settings())
        .await
        .err()
        .unwrap();
    assert_eq!(refused.kind(), ErrorKind::InvalidDocument);
    assert!(refused.message().contains("MappedPipes"), "{refused}");
    assert!(ground.service.open(&id).await.is_err());
}

pub(crate) async fn whoever_waits_learns_how_it_ended(ground: &Ground) {
    let system = ground.started().await;
    endless(&*system, true).await;
    let waiting = system.clone();
    let waiting = tokio::spawn(async move { waiting.wait().await });
    system.terminate().await.unwrap();
    let record = tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(record.terminated);
    assert_eq!(system.wait().await.unwrap(), record);
}
