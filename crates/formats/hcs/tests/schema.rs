//! Every document of ours validates against Microsoft's schema, and says nothing that it does not
//! know. Version 2104 of the SDK holds schema 2.4, the last published one that our 2.5 is built on.

use porthole_hcs::{
    CloseHandle, ComputeSystem, ConsoleSize, Container, ErrorEvent, ExitType, GuestOs, Layer,
    MappedDirectory, MappedPipe, Memory, ModifyOperation, ModifyRequestType, ModifySettingRequest,
    Networking, OsType, PathType, ProcessDetails, ProcessModifyRequest, ProcessParameters,
    ProcessSignal, ProcessStatus, Processor, Properties, PropertyType, RegistryChanges,
    RegistryHive, RegistryKey, RegistryValue, RegistryValueType, ResultError, SaveOptions,
    SaveType, ShutdownMechanism, ShutdownOptions, ShutdownType, SignalProcessOptions, State,
    Statistics, StdHandle, Storage, SystemExitStatus, SystemPropertyQuery, SystemQuery, SystemType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

const SCHEMA: &str = include_str!("../schema/Windows_10_SDK_version_2104.json");

/// Microsoft's definitions by name.
struct Schema(Map<String, Value>);

impl Schema {
    fn load() -> Self {
        let mut schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
        match schema["definitions"].take() {
            Value::Object(definitions) => Self(definitions),
            other => panic!("definitions are {other}"),
        }
    }

    /// Validates a value of a definition; `path` leads to it.
    fn check(&self, definition: &str, value: &Value, path: &str) {
        let schema = self
            .0
            .get(definition)
            .unwrap_or_else(|| panic!("the schema has no {definition}"));
        self.check_schema(schema, value, path);
    }

    fn check_schema(&self, schema: &Value, value: &Value, path: &str) {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.check(reference.trim_start_matches("#/definitions/"), value, path);
        }
        match schema["type"].as_str() {
            Some("object") => self.check_object(schema, value, path),
            Some("array") => {
                let items = value
                    .as_array()
                    .unwrap_or_else(|| panic!("{path} is no array"));
                items
                    .iter()
                    .for_each(|item| self.check_schema(&schema["items"], item, path));
            }
            Some("string") => check_string(schema, value, path),
            Some("integer") => check_integer(schema, value, path),
            Some("boolean") => assert!(value.is_boolean(), "{path} is no boolean"),
            other => panic!("{path}: unknown type {other:?}"),
        }
    }

    fn check_object(&self, schema: &Value, value: &Value, path: &str) {
        let members = value
            .as_object()
            .unwrap_or_else(|| panic!("{path} is no object"));
        let Some(properties) = schema["properties"].as_object() else {
            let of_members = &schema["additionalProperties"];
            if of_members.is_object() {
                members
                    .values()
                    .for_each(|member| self.check_schema(of_members, member, path));
            }
            return;
        };
        for (name, member) in members {
            let schema = properties
                .get(name)
                .unwrap_or_else(|| panic!("the schema has no {path}.{name}"));
            self.check_schema(schema, member, &format!("{path}.{name}"));
        }
    }

    /// Validates a document and reads it back.
    fn document<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
        &self,
        definition: &str,
        document: &T,
    ) {
        let value = serde_json::to_value(document).expect("plain data");
        self.check(definition, &value, definition);
        assert_eq!(
            &serde_json::from_value::<T>(value).expect("our own"),
            document
        );
    }

    /// Validates that ours are exactly the schema's values of an enumeration.
    fn enumeration<T: Serialize>(&self, definition: &str, ours: &[T]) {
        let ours: Vec<Value> = ours
            .iter()
            .map(|value| serde_json::to_value(value).expect("a string"))
            .collect();
        assert_eq!(
            self.0[definition]["enum"],
            Value::Array(ours),
            "{definition}"
        );
    }
}

fn check_string(schema: &Value, value: &Value, path: &str) {
    let text = value
        .as_str()
        .unwrap_or_else(|| panic!("{path} is no string"));
    if let Some(values) = schema["enum"].as_array() {
        assert!(
            values.contains(value),
            "{path}: {text:?} is none of {values:?}"
        );
    }
    // The only pattern that the schema uses is that of a GUID.
    if schema["pattern"].is_string() {
        let shape: String = text
            .chars()
            .map(|letter| {
                if letter.is_ascii_hexdigit() {
                    'x'
                } else {
                    letter
                }
            })
            .collect();
        assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "{path}");
    }
}

fn check_integer(schema: &Value, value: &Value, path: &str) {
    let fits = match schema["format"].as_str() {
        Some("uint16") => value
            .as_u64()
            .is_some_and(|number| u16::try_from(number).is_ok()),
        Some("uint32") => value
            .as_u64()
            .is_some_and(|number| u32::try_from(number).is_ok()),
        Some("uint64") => value.is_u64(),
        Some("int32") => value
            .as_i64()
            .is_some_and(|number| i32::try_from(number).is_ok()),
        Some("int64") => value.is_i64(),
        other => panic!("{path}: unknown format {other:?}"),
    };
    assert!(fits, "{path}: {value} is no {}", schema["format"]);
}

fn container() -> Container {
    Container {
        guest_os: Some(GuestOs {
            host_name: "box".to_owned(),
        }),
        storage: Some(Storage {
            layers: vec![Layer {
                id: "18955d65-d45a-557b-bf1c-49d6dfefc526".to_owned(),
                path: "/layers/a".to_owned(),
                path_type: PathType::VirtualSmbShareName,
            }],
            path: "/containers/a/sandbox".to_owned(),
        }),
        mapped_directories: vec![MappedDirectory {
            host_path: "/src".to_owned(),
            host_path_type: PathType::VirtualSmbShareName,
            container_path: r"C:\app".to_owned(),
            read_only: true,
        }],
        mapped_pipes: vec![MappedPipe {
            container_pipe_name: "p".to_owned(),
            host_path: "/run/p".to_owned(),
        }],
        memory: Some(Memory { size_in_mb: 512 }),
        processor: Some(Processor {
            count: Some(2),
            weight: Some(500),
            maximum: Some(10_000),
        }),
        networking: Some(Networking {
            allow_unqualified_dns_query: Some(true),
            dns_search_list: Some("a,b".to_owned()),
            network_shared_container_name: Some("other".to_owned()),
            namespace: Some("/run/netns/a".to_owned()),
        }),
    }
}

#[test]
fn creation_documents_validate() {
    let schema = Schema::load();
    schema.document(
        "ComputeSystem",
        &ComputeSystem::container("porthole", container()),
    );
    let mut machine = ComputeSystem::container("porthole", Container::default());
    machine.hosting_system_id = Some("vm".to_owned());
    machine.should_terminate_on_last_handle_closed = true;
    schema.document("ComputeSystem", &machine);
}

#[test]
fn process_documents_validate() {
    let schema = Schema::load();
    schema.document(
        "ProcessParameters",
        &ProcessParameters {
            application_name: Some("cmd.exe".to_owned()),
            command_line: Some("cmd /c ver".to_owned()),
            user: Some("ContainerUser".to_owned()),
            working_directory: Some(r"C:\".to_owned()),
            environment: [("A".to_owned(), "b".to_owned())].into(),
            emulate_console: true,
            create_std_in_pipe: true,
            create_std_out_pipe: true,
            create_std_err_pipe: true,
            console_size: Some([30, 100]),
        },
    );
    let status = ProcessStatus {
        process_id: 4,
        exited: true,
        exit_code: 0xc000_013a,
        last_wait_result: -1,
    };
    schema.document("ProcessStatus", &status);
    schema.document(
        "ProcessModifyRequest",
        &ProcessModifyRequest {
            operation: ModifyOperation::ConsoleSize,
            console_size: Some(ConsoleSize {
                height: 30,
                width: 100,
            }),
            close_handle: Some(CloseHandle {
                handle: StdHandle::All,
            }),
        },
    );
    schema.document(
        "SignalProcessOptions",
        &SignalProcessOptions {
            signal: ProcessSignal::CtrlC,
        },
    );
}

#[test]
fn answers_validate() {
    let schema = Schema::load();
    let time = "2026-01-01T00:00:00Z".to_owned();
    let statistics = Statistics {
        timestamp: time.clone(),
        container_start_time: time.clone(),
        ..Statistics::default()
    };
    schema.document(
        "Properties",
        &Properties {
            id: "a".to_owned(),
            system_type: SystemType::Container,
            runtime_os_type: OsType::Windows,
            name: Some("a".to_owned()),
            owner: Some("porthole".to_owned()),
            state: State::Running,
            stopped: false,
            exit_type: Some(ExitType::None),
            statistics: Some(statistics),
            process_list: Some(vec![ProcessDetails {
                create_timestamp: time,
                ..ProcessDetails::default()
            }]),
        },
    );
    let mut error = ResultError::new(0xc037_0101, "mismatch");
    error.error_events.push(ErrorEvent {
        message: "m".to_owned(),
        provider: Some("18955d65-d45a-557b-bf1c-49d6dfefc526".to_owned()),
        event_id: Some(7),
        flags: Some(1),
        source: Some("s".to_owned()),
    });
    schema.document("ResultError", &error);
    schema.document(
        "SystemExitStatus",
        &SystemExitStatus {
            status: -1,
            exit_type: Some(ExitType::ForcedExit),
        },
    );
}

#[test]
fn requests_validate() {
    let schema = Schema::load();
    schema.document(
        "System_PropertyQuery",
        &SystemPropertyQuery {
            property_types: vec![PropertyType::Statistics],
        },
    );
    schema.document(
        "SystemQuery",
        &SystemQuery {
            ids: vec!["a".to_owned()],
            names: vec!["a".to_owned()],
            types: vec![SystemType::Container],
            owners: vec!["porthole".to_owned()],
        },
    );
    schema.document(
        "ModifySettingRequest",
        &ModifySettingRequest {
            resource_path: "Container/Memory".to_owned(),
            request_type: ModifyRequestType::Update,
            settings: Some(serde_json::json!({"SizeInMB": 512})),
        },
    );
    schema.document(
        "ShutdownOptions",
        &ShutdownOptions {
            mechanism: Some(ShutdownMechanism::GuestConnection),
            kind: Some(ShutdownType::Shutdown),
            force: true,
            reason: Some("stop".to_owned()),
        },
    );
    schema.document(
        "SaveOptions",
        &SaveOptions {
            save_type: SaveType::AsTemplate,
            save_state_file_path: Some("/state".to_owned()),
        },
    );
    let key = RegistryKey {
        hive: RegistryHive::Software,
        name: r"Wine\Drivers".to_owned(),
        volatile: true,
    };
    schema.document(
        "RegistryChanges",
        &RegistryChanges {
            add_values: vec![RegistryValue {
                key: key.clone(),
                name: "Graphics".to_owned(),
                kind: RegistryValueType::CustomType,
                string_value: Some("null".to_owned()),
                binary_value: Some("AA==".to_owned()),
                dword_value: Some(u32::MAX),
                qword_value: Some(u64::MAX),
                custom_type: Some(77),
            }],
            delete_keys: vec![key],
        },
    );
}

#[test]
fn enumerations_are_complete() {
    let schema = Schema::load();
    schema.enumeration(
        "State",
        &[
            State::Created,
            State::Running,
            State::Paused,
            State::Stopped,
            State::SavedAsTemplate,
            State::Unknown,
        ],
    );
    schema.enumeration(
        "NotificationType",
        &[
            ExitType::None,
            ExitType::GracefulExit,
            ExitType::ForcedExit,
            ExitType::UnexpectedExit,
            ExitType::Unknown,
        ],
    );
    schema.enumeration(
        "SystemType",
        &[SystemType::Container, SystemType::VirtualMachine],
    );
    schema.enumeration("OsType", &[OsType::Unknown, OsType::Windows, OsType::Linux]);
    schema.enumeration(
        "PathType",
        &[PathType::AbsolutePath, PathType::VirtualSmbShareName],
    );
    schema.enumeration(
        "ModifyOperation",
        &[ModifyOperation::ConsoleSize, ModifyOperation::CloseHandle],
    );
    schema.enumeration(
        "StdHandle",
        &[
            StdHandle::StdIn,
            StdHandle::StdOut,
            StdHandle::StdErr,
            StdHandle::All,
        ],
    );
    schema.enumeration(
        "ModifyRequestType",
        &[
            ModifyRequestType::Add,
            ModifyRequestType::Remove,
            ModifyRequestType::Update,
        ],
    );
    schema.enumeration(
        "ProcessSignal",
        &[
            ProcessSignal::CtrlC,
            ProcessSignal::CtrlBreak,
            ProcessSignal::CtrlClose,
            ProcessSignal::CtrlLogOff,
            ProcessSignal::CtrlShutdown,
        ],
    );
    schema.enumeration(
        "ShutdownMechanism",
        &[
            ShutdownMechanism::GuestConnection,
            ShutdownMechanism::IntegrationService,
        ],
    );
    schema.enumeration(
        "ShutdownType",
        &[
            ShutdownType::Shutdown,
            ShutdownType::Hibernate,
            ShutdownType::Reboot,
        ],
    );
    schema.enumeration("SaveType", &[SaveType::ToFile, SaveType::AsTemplate]);
    schema.enumeration(
        "RegistryHive",
        &[
            RegistryHive::System,
            RegistryHive::Software,
            RegistryHive::Security,
            RegistryHive::Sam,
        ],
    );
    schema.enumeration(
        "RegistryValueType",
        &[
            RegistryValueType::None,
            RegistryValueType::String,
            RegistryValueType::ExpandedString,
            RegistryValueType::MultiString,
            RegistryValueType::Binary,
            RegistryValueType::DWord,
            RegistryValueType::QWord,
            RegistryValueType::CustomType,
        ],
    );
}

#[test]
fn unknown_fields_are_refused_by_name() {
    let error = serde_json::from_str::<Container>(r#"{"HvSocket":{}}"#).expect_err("not supported");
    assert!(error.to_string().contains("HvSocket"), "{error}");
    let error =
        serde_json::from_str::<ShutdownOptions>(r#"{"Forced":true}"#).expect_err("misspelled");
    assert!(error.to_string().contains("Forced"), "{error}");
}
