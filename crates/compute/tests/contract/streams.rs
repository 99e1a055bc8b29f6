//! Streams of processes.

use futures::SinkExt;
use porthole_compute_service::ErrorKind;
use porthole_compute_service::settings::{LogRotation, LogSpec, ProcessSettings};
use porthole_compute_service::system::Wanted;
use porthole_container_log::{RotatedLog, Stream};
use porthole_hcs as hcs;
use porthole_protocol::supervisor::{StdioFrame, StreamKind};

use crate::ground::{COPY, Ground, PATIENCE, attached, endless, parameters, read_all, with_input};

fn input(text: &str) -> StdioFrame {
    StdioFrame::Data(StreamKind::Stdin, text.as_bytes().to_vec())
}

pub(crate) async fn output_is_streamed_and_logged(ground: &Ground) {
    let system = ground.started().await;
    let log = ground.path("output.log");
    // What an earlier run wrote, and which is full.
    let earlier = r#"{"log":"earlier\n","stream":"stderr","time":"2026-11-24T04:00:00Z"}"#;
    std::fs::write(&log, format!("{earlier}\n")).unwrap();
    let settings = ProcessSettings {
        log: Some(LogSpec {
            rotation: Some(LogRotation {
                max_size: 8,
                max_files: 2,
                compress: true,
            }),
            attributes: [("tag".to_owned(), "x".to_owned())].into(),
            ..LogSpec::at(log.to_string_lossy())
        }),
        ..Default::default()
    };
    let (process, mut stdio) =
        attached(&*system, &parameters("cmd /c echo hi there"), settings).await;
    assert_eq!(
        read_all(&mut stdio).await,
        ("hi there\r\n".into(), String::new())
    );
    assert_eq!(process.wait().await.unwrap(), 0);
    let mut log = RotatedLog::new(&log);
    let records: Vec<_> = std::iter::from_fn(|| log.next_record().unwrap()).collect();
    let texts: Vec<_> = records.iter().map(|record| record.log.as_str()).collect();
    assert_eq!(texts, ["earlier\n", "hi there\r\n"]);
    assert_eq!(records[1].stream, Stream::Stdout);
    assert_eq!(records[1].attributes["tag"], "x");
}

pub(crate) async fn output_waits_for_the_client_it_was_promised_to(ground: &Ground) {
    let system = ground.started().await;
    let settings = ProcessSettings {
        wait_for_attach: true,
        ..Default::default()
    };
    let parameters = parameters("cmd /c echo oops 1>&2");
    let process = system.create_process(&parameters, &settings).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let want = Wanted {
        stdin: false,
        stdout: true,
        stderr: true,
    };
    let mut stdio = process.stdio(want).await.unwrap();
    let (output, errors) = read_all(&mut stdio).await;
    assert_eq!((output.as_str(), errors.trim_end()), ("", "oops"));
}

pub(crate) async fn input_reaches_the_program_until_it_ends(ground: &Ground) {
    let system = ground.started().await;
    let (process, mut stdio) =
        attached(&*system, &with_input(COPY), ProcessSettings::default()).await;
    stdio.input.send(input("one\r\n")).await.unwrap();
    stdio.input.send(input("two\r\n")).await.unwrap();
    stdio
        .input
        .send(StdioFrame::End(StreamKind::Stdin))
        .await
        .unwrap();
    let (output, _) = read_all(&mut stdio).await;
    assert!(output.contains("one\r\ntwo\r\n"), "{output:?}");
    tokio::time::timeout(PATIENCE, process.wait())
        .await
        .unwrap()
        .unwrap();
}

pub(crate) async fn the_client_that_leaves_closes_the_input_when_asked_to(ground: &Ground) {
    let system = ground.started().await;
    let settings = ProcessSettings {
        stdin_once: true,
        ..Default::default()
    };
    let (process, stdio) = attached(&*system, &with_input(COPY), settings).await;
    drop(stdio);
    tokio::time::timeout(PATIENCE, process.wait())
        .await
        .unwrap()
        .unwrap();

    let (process, stdio) = attached(&*system, &with_input(COPY), ProcessSettings::default()).await;
    drop(stdio);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!process.status().await.unwrap().exited);
    let close = hcs::ProcessModifyRequest {
        operation: hcs::ModifyOperation::CloseHandle,
        console_size: None,
        close_handle: Some(hcs::CloseHandle {
            handle: hcs::StdHandle::StdIn,
        }),
    };
    process.modify(&close).await.unwrap();
    tokio::time::timeout(PATIENCE, process.wait())
        .await
        .unwrap()
        .unwrap();
}

pub(crate) async fn two_clients_get_the_same_output(ground: &Ground) {
    let system = ground.started().await;
    let (process, mut first) =
        attached(&*system, &with_input(COPY), ProcessSettings::default()).await;
    let want = Wanted {
        stdin: false,
        stdout: true,
        stderr: false,
    };
    let mut second = process.stdio(want).await.unwrap();
    first.input.send(input("both\r\n")).await.unwrap();
    first
        .input
        .send(StdioFrame::End(StreamKind::Stdin))
        .await
        .unwrap();
    let (one, two) = tokio::join!(read_all(&mut first), read_all(&mut second));
    assert!(one.0.contains("both") && one.0 == two.0, "{one:?} {two:?}");
}

pub(crate) async fn a_console_can_be_resized_and_nothing_else(ground: &Ground) {
    let system = ground.started().await;
    let resize = hcs::ProcessModifyRequest {
        operation: hcs::ModifyOperation::ConsoleSize,
        console_size: Some(hcs::ConsoleSize {
            height: 40,
            width: 100,
        }),
        close_handle: None,
    };
    let piped = endless(&*system, false).await;
    assert_eq!(
        piped.modify(&resize).await.unwrap_err().kind(),
        ErrorKind::NotSupported
    );
    let parameters = hcs::ProcessParameters {
        emulate_console: true,
        console_size: Some([30, 90]),
        ..with_input("cmd")
    };
    let process = system
        .create_process(&parameters, &ProcessSettings::default())
        .await
        .unwrap();
    process.modify(&resize).await.unwrap();
}

pub(crate) async fn streams_of_an_ended_process_are_gone(ground: &Ground) {
    let system = ground.started().await;
    let parameters = parameters("cmd /c exit 0");
    let process = system
        .create_process(&parameters, &ProcessSettings::default())
        .await
        .unwrap();
    process.wait().await.unwrap();
    let want = Wanted {
        stdin: false,
        stdout: true,
        stderr: true,
    };
    let gone = process.stdio(want).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::ProcessNotFound);
}
