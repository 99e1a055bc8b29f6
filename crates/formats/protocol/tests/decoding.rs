//! What holds for any message and any bytes: messages come back, and hostile bytes are refused
//! without a crash.

use porthole_protocol::agent::{
    self, Command, Configuration, CreateProcess, ProcessKey, RegistryFiles, Reply, Stdio,
};
use porthole_protocol::supervisor::{
    self, Event, ExitRecord, Failure, Limits, LogRotation, LogSpec, OpenStdio, ProcessSpec,
    RegistryRoot, Response, Statistics, StdioFrame, StreamKind, Streams,
};
use porthole_protocol::{ConsoleSize, ControlEvent, Hello, ProcessEntry, WindowsError, frame};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

fn key() -> impl Strategy<Value = ProcessKey> {
    any::<u32>().prop_map(ProcessKey)
}

fn size() -> impl Strategy<Value = ConsoleSize> {
    any::<(u16, u16)>().prop_map(|(height, width)| ConsoleSize { height, width })
}

fn event() -> impl Strategy<Value = ControlEvent> {
    prop::sample::select(vec![
        ControlEvent::CtrlC,
        ControlEvent::CtrlBreak,
        ControlEvent::CtrlClose,
        ControlEvent::CtrlLogOff,
        ControlEvent::CtrlShutdown,
    ])
}

fn environment() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((text(), text()), 0..4)
}

fn stdio() -> impl Strategy<Value = Stdio> {
    let path = || prop::option::of(text());
    prop_oneof![
        (path(), path(), path()).prop_map(|(stdin, stdout, stderr)| Stdio::Pipes {
            stdin,
            stdout,
            stderr
        }),
        (text(), text(), size()).prop_map(|(input, output, size)| Stdio::Console {
            input,
            output,
            size
        }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let create = (key(), text(), environment(), text(), text(), stdio()).prop_map(
        |(process, command_line, environment, working_directory, user, stdio)| {
            Command::CreateProcess(CreateProcess {
                process,
                command_line,
                environment,
                working_directory,
                user,
                stdio,
            })
        },
    );
    prop_oneof![
        (text(), any::<u32>()).prop_map(|(host_name, processors)| {
            Command::Configure(Configuration {
                host_name,
                processors,
            })
        }),
        create,
        (key(), event()).prop_map(|(process, event)| Command::Signal { process, event }),
        (key(), any::<u32>())
            .prop_map(|(process, exit_code)| Command::Terminate { process, exit_code }),
        (key(), size()).prop_map(|(process, size)| Command::Resize { process, size }),
        Just(Command::ListProcesses),
        (text(), text(), text()).prop_map(|(machine, user, default_user)| {
            Command::SaveRegistry(RegistryFiles {
                machine,
                user,
                default_user,
            })
        }),
        event().prop_map(Command::SignalAll),
    ]
}

fn windows_error() -> impl Strategy<Value = WindowsError> {
    (any::<u32>(), text(), text()).prop_map(|(code, operation, message)| WindowsError {
        code,
        operation,
        message,
    })
}

fn process_entry() -> impl Strategy<Value = ProcessEntry> {
    (any::<(u32, u64, u64, u64, u64, u64)>(), text()).prop_map(
        |((pid, user, kernel, created, private, commit), image_name)| ProcessEntry {
            pid,
            image_name,
            user_time_100ns: user,
            kernel_time_100ns: kernel,
            create_time: created,
            private_working_set: private,
            commit,
        },
    )
}

fn message() -> impl Strategy<Value = agent::Message> {
    let reply = prop_oneof![
        Just(Reply::Done),
        any::<u32>().prop_map(|pid| Reply::Created { pid }),
        prop::collection::vec(process_entry(), 0..3).prop_map(Reply::Processes),
    ];
    let result = prop_oneof![reply.prop_map(Ok), windows_error().prop_map(Err)];
    prop_oneof![
        (any::<u32>(), result)
            .prop_map(|(number, result)| agent::Message::Reply { number, result }),
        key().prop_map(|process| agent::Message::Event(agent::Event::Ended { process })),
        (key(), any::<u32>()).prop_map(|(process, exit_code)| {
            agent::Message::Event(agent::Event::Exited { process, exit_code })
        }),
    ]
}

fn log() -> impl Strategy<Value = LogSpec> {
    let rotation =
        any::<(u64, u32, bool)>().prop_map(|(max_size, max_files, compress)| LogRotation {
            max_size,
            max_files,
            compress,
        });
    let attributes = prop::collection::btree_map(text(), text(), 0..3);
    (text(), prop::option::of(rotation), attributes).prop_map(|(path, rotation, attributes)| {
        LogSpec {
            path,
            rotation,
            attributes,
        }
    })
}

fn request() -> impl Strategy<Value = supervisor::Request> {
    use supervisor::Request;
    let streams = prop_oneof![
        any::<(bool, bool)>().prop_map(|(stdin, stdin_once)| Streams::Pipes { stdin, stdin_once }),
        size().prop_map(Streams::Console),
    ];
    let process = (
        key(),
        text(),
        environment(),
        text(),
        text(),
        streams,
        prop::option::of(log()),
        any::<(bool, bool)>(),
    );
    let process = process.prop_map(
        |(process, command_line, environment, working_directory, user, streams, log, flags)| {
            Request::CreateProcess(ProcessSpec {
                process,
                command_line,
                environment,
                working_directory,
                user,
                streams,
                log,
                wait_for_attach: flags.0,
                main: flags.1,
            })
        },
    );
    let limits = any::<(Option<u64>, Option<u32>, Option<u64>)>().prop_map(
        |(memory, processor_weight, pids)| {
            Request::Update(Limits {
                memory,
                processors: Some(1.5),
                processor_weight,
                pids,
            })
        },
    );
    prop_oneof![
        process,
        limits,
        (key(), event()).prop_map(|(process, event)| Request::Signal { process, event }),
        (key(), any::<u32>())
            .prop_map(|(process, exit_code)| Request::TerminateProcess { process, exit_code }),
        (key(), size()).prop_map(|(process, size)| Request::Resize { process, size }),
        (key(), any::<(bool, bool, bool)>()).prop_map(|(process, (stdin, stdout, stderr))| {
            Request::OpenStdio(OpenStdio {
                process,
                stdin,
                stdout,
                stderr,
            })
        }),
        prop::sample::select(vec![
            Request::Start,
            Request::Shutdown,
            Request::Terminate,
            Request::Pause,
            Request::Resume,
            Request::Statistics,
            Request::ListProcesses,
            Request::Watch,
            Request::SaveRegistry,
        ]),
        (registry_root(), any::<u64>())
            .prop_map(|(root, offset)| Request::ReadRegistry { root, offset }),
    ]
}

fn registry_root() -> impl Strategy<Value = RegistryRoot> {
    prop::sample::select(RegistryRoot::ALL.to_vec())
}

fn response() -> impl Strategy<Value = Response> {
    let failure = prop_oneof![
        windows_error().prop_map(Failure::Windows),
        text().prop_map(Failure::Host),
        text().prop_map(Failure::State),
        Just(Failure::NoSuchProcess),
    ];
    prop_oneof![
        Just(Response::Done),
        any::<u32>().prop_map(|init_pid| Response::Started { init_pid }),
        any::<u32>().prop_map(|pid| Response::Created { pid }),
        any::<u64>().prop_map(|uptime_ns| Response::Statistics(Statistics {
            uptime_ns,
            ..Statistics::default()
        })),
        prop::collection::vec(process_entry(), 0..3).prop_map(Response::Processes),
        failure.prop_map(Response::Failed),
        any::<[u64; 3]>().prop_map(|sizes| Response::RegistrySaved { sizes }),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Response::Registry),
    ]
}

fn exit_record() -> impl Strategy<Value = ExitRecord> {
    let processes = prop::collection::vec((key(), any::<u32>()), 0..3);
    (
        any::<Option<u32>>(),
        processes,
        any::<(bool, bool, i64)>(),
        prop::option::of(text()),
    )
        .prop_map(
            |(exit_code, processes, (terminated, out_of_memory, finished_at), error)| ExitRecord {
                exit_code,
                processes,
                terminated,
                out_of_memory,
                finished_at,
                error,
            },
        )
}

fn supervisor_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (key(), any::<u32>())
            .prop_map(|(process, exit_code)| Event::ProcessExited { process, exit_code }),
        exit_record().prop_map(Event::SystemExited),
        Just(Event::OutOfMemory),
    ]
}

fn stdio_frame() -> impl Strategy<Value = StdioFrame> {
    let kind = prop::sample::select(vec![
        StreamKind::Stdin,
        StreamKind::Stdout,
        StreamKind::Stderr,
    ]);
    prop_oneof![
        (kind.clone(), prop::collection::vec(any::<u8>(), 0..64))
            .prop_map(|(kind, data)| StdioFrame::Data(kind, data)),
        kind.prop_map(StdioFrame::End),
    ]
}

/// Sends a message and a second one behind it, and receives both.
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(message: &T) {
    let mut stream = Vec::new();
    frame::write(&mut stream, message).expect("fits a frame");
    frame::write(&mut stream, &Hello::new(1)).expect("fits a frame");
    let mut received = stream.as_slice();
    assert_eq!(&frame::read::<T>(&mut received).expect("our own"), message);
    assert!(
        frame::read::<Hello>(&mut received)
            .expect("our own")
            .agrees_with(1)
    );
}

/// Tries bytes as every type of message.
fn decode_as_everything(bytes: &[u8]) {
    let _ = frame::decode::<Hello>(bytes);
    let _ = frame::decode::<agent::Request>(bytes);
    let _ = frame::decode::<agent::Message>(bytes);
    let _ = frame::decode::<supervisor::Request>(bytes);
    let _ = frame::decode::<Response>(bytes);
    let _ = frame::decode::<Event>(bytes);
    let _ = frame::decode::<StdioFrame>(bytes);
}

proptest! {
    #[test]
    fn agent_requests_come_back(number in any::<u32>(), command in command()) {
        comes_back(&agent::Request { number, command });
    }

    #[test]
    fn agent_messages_come_back(message in message()) {
        comes_back(&message);
    }

    #[test]
    fn supervisor_requests_come_back(request in request()) {
        comes_back(&request);
    }

    #[test]
    fn supervisor_responses_come_back(response in response()) {
        comes_back(&response);
    }

    #[test]
    fn supervisor_events_come_back(event in supervisor_event()) {
        comes_back(&event);
    }

    #[test]
    fn stdio_frames_come_back(frame in stdio_frame()) {
        comes_back(&frame);
    }

    #[test]
    fn exit_records_come_back_from_their_file(record in exit_record()) {
        let file = serde_json::to_vec(&record).expect("plain data");
        prop_assert_eq!(serde_json::from_slice::<ExitRecord>(&file).expect("our own"), record);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_as_everything(&bytes);
        let _ = frame::read::<agent::Request>(&mut bytes.as_slice());
    }

    #[test]
    fn damaged_messages_are_decoded_or_refused(
        request in request(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = frame::encode(&request).expect("fits a frame");
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        decode_as_everything(&bytes[frame::PREFIX..]);
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(frame::read::<supervisor::Request>(&mut bytes.as_slice()).is_err());
    }
}
