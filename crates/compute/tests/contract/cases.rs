//! Processes.

use futures::StreamExt;
use porthole_compute_service::ErrorKind;
use porthole_compute_service::settings::ProcessSettings;
use porthole_compute_service::system::Event;
use porthole_hcs::{self as hcs, ExitType, ProcessSignal, PropertyType, SystemPropertyQuery};

use crate::ground::{Ground, PATIENCE, endless, parameters};

fn main_process() -> ProcessSettings {
    ProcessSettings {
        main: true,
        ..Default::default()
    }
}

fn query(property: PropertyType) -> SystemPropertyQuery {
    SystemPropertyQuery {
        property_types: vec![property],
    }
}

pub(crate) async fn the_main_process_ends_the_system(ground: &Ground) {
    let system = ground.started().await;
    let other = endless(&*system, false).await;
    let main = system
        .create_process(&parameters("cmd /c exit 7"), &main_process())
        .await
        .unwrap();
    assert_eq!(main.wait().await.unwrap(), 7);
    let record = tokio::time::timeout(PATIENCE, system.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((record.exit_code, record.terminated), (Some(7), false));
    assert_eq!(record.error, None);
    let properties = system
        .properties(&SystemPropertyQuery::default())
        .await
        .unwrap();
    assert_eq!(properties.exit_type, Some(ExitType::GracefulExit));
    // Gone with its system, with or without a code of its own.
    let _ = tokio::time::timeout(PATIENCE, other.wait()).await.unwrap();
}

pub(crate) async fn exit_codes_have_32_bits(ground: &Ground) {
    let system = ground.started().await;
    let none = ProcessSettings::default();
    let process = system
        .create_process(&parameters("cmd /c exit -1073741510"), &none)
        .await;
    let process = process.unwrap();
    assert_eq!(process.wait().await.unwrap(), 3_221_225_786);
    let status = process.status().await.unwrap();
    assert!(status.exited);
    assert_eq!(status.exit_code, 3_221_225_786);
}

pub(crate) async fn a_missing_program_is_windows_own_error(ground: &Ground) {
    let system = ground.started().await;
    let none = ProcessSettings::default();
    let error = system
        .create_process(&parameters("nothing.exe"), &none)
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Windows(2));
    let text = error.message().to_lowercase();
    assert!(
        text.contains("cannot find the file") || text.contains("file not found"),
        "{text}"
    );
    let process = system
        .create_process(&parameters("cmd /c exit 0"), &none)
        .await
        .unwrap();
    assert_eq!(process.wait().await.unwrap(), 0);
}

pub(crate) async fn a_process_ends_with_the_code_it_is_terminated_with(ground: &Ground) {
    let system = ground.started().await;
    let process = endless(&*system, false).await;
    assert!(!process.status().await.unwrap().exited);
    process.terminate(0xDEAD_BEEF).await.unwrap();
    let code = tokio::time::timeout(PATIENCE, process.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(code, 0xDEAD_BEEF);
    let again = process.terminate(1).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::ProcessAlreadyStopped);
}

pub(crate) async fn a_control_event_ends_a_program(ground: &Ground) {
    let system = ground.started().await;
    let process = endless(&*system, false).await;
    // It must be able to take the event.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let options = hcs::SignalProcessOptions {
        signal: ProcessSignal::CtrlC,
    };
    process.signal(&options).await.unwrap();
    tokio::time::timeout(PATIENCE, process.wait())
        .await
        .unwrap()
        .unwrap();
    let late = process.signal(&options).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::ProcessAlreadyStopped);
}

pub(crate) async fn processes_are_opened_by_their_id_even_when_ended(ground: &Ground) {
    let system = ground.started().await;
    let none = ProcessSettings::default();
    let process = system
        .create_process(&parameters("cmd /c exit 5"), &none)
        .await
        .unwrap();
    assert_ne!(process.pid(), 0);
    assert_eq!(process.wait().await.unwrap(), 5);
    let again = system.open_process(process.id()).await.unwrap();
    assert_eq!(
        (again.pid(), again.wait().await.unwrap()),
        (process.pid(), 5)
    );
    let unknown = system.open_process(4711).await.err().unwrap();
    assert_eq!(unknown.kind(), ErrorKind::ProcessNotFound);
}

pub(crate) async fn a_second_process_does_not_end_the_system(ground: &Ground) {
    let system = ground.started().await;
    let main = endless(&*system, true).await;
    let none = ProcessSettings::default();
    let codes = [3, 4, 5];
    let mut processes = Vec::new();
    for code in codes {
        let parameters = parameters(&format!("cmd /c exit {code}"));
        processes.push(system.create_process(&parameters, &none).await.unwrap());
    }
    for (process, code) in processes.iter().zip(codes) {
        assert_eq!(process.wait().await.unwrap(), code);
    }
    assert!(!main.status().await.unwrap().exited);
    let properties = system
        .properties(&SystemPropertyQuery::default())
        .await
        .unwrap();
    assert_eq!(properties.state, hcs::State::Running);
}

pub(crate) async fn events_tell_of_processes_and_systems(ground: &Ground) {
    let mut events = ground.service.events().await.unwrap();
    let system = ground.started().await;
    let main = system
        .create_process(&parameters("cmd /c exit 9"), &main_process())
        .await
        .unwrap();
    let mut seen = Vec::new();
    let listen = async {
        while let Some(event) = events.next().await {
            match event {
                Event::ProcessExited {
                    system: id,
                    process,
                    exit_code,
                } if id == system.id() => {
                    seen.push((process, exit_code));
                }
                Event::SystemExited { system: id, record } if id == system.id() => {
                    assert_eq!(record.exit_code, Some(9));
                    return;
                }
                _ => {}
            }
        }
        panic!("the events ended");
    };
    tokio::time::timeout(PATIENCE, listen).await.unwrap();
    assert_eq!(seen, [(main.id(), 9)]);
}

pub(crate) async fn processes_are_listed(ground: &Ground) {
    let system = ground.started().await;
    let process = endless(&*system, true).await;
    let properties = system
        .properties(&query(PropertyType::ProcessList))
        .await
        .unwrap();
    let list = properties.process_list.unwrap();
    let own = list
        .iter()
        .find(|entry| entry.process_id == process.pid())
        .expect("is listed");
    assert!(own.image_name.eq_ignore_ascii_case("sort.exe"), "{own:?}");
}

pub(crate) async fn usage_is_told(ground: &Ground) {
    let system = ground.started().await;
    let properties = system
        .properties(&query(PropertyType::Statistics))
        .await
        .unwrap();
    assert!(properties.statistics.unwrap().uptime_100ns > 0);
    system.terminate().await.unwrap();
    let properties = system
        .properties(&query(PropertyType::Statistics))
        .await
        .unwrap();
    assert_eq!(properties.statistics, None);
}
