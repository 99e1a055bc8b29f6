//! Every field of the body of `POST /containers/create` in API 1.50, and what becomes of it.
//!
//! A field that does not work is refused by name when it is set to anything but its zero value:
//! never ignored. `docs/api.md` lists the same fields; a test compares the two.

use serde_json::{Map, Value};

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Read and acted upon.
    Works,
    /// Read by clients or of no effect on Windows containers in dockerd either.
    Inert,
    /// Refused with dockerd's sentence on Windows, `invalid option: Windows does not support …`.
    NotOnWindows,
    /// Refused with this sentence after `invalid option: `.
    Refused(&'static str),
    /// Refused: not there yet.
    Planned,
}

/// A field by its name in JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// Its name in JSON.
    pub(crate) name: &'static str,
    /// What becomes of it.
    pub(crate) fate: Fate,
}

const fn works(name: &'static str) -> Field {
    Field {
        name,
        fate: Fate::Works,
    }
}

const fn inert(name: &'static str) -> Field {
    Field {
        name,
        fate: Fate::Inert,
    }
}

const fn planned(name: &'static str) -> Field {
    Field {
        name,
        fate: Fate::Planned,
    }
}

const fn not_on_windows(name: &'static str) -> Field {
    Field {
        name,
        fate: Fate::NotOnWindows,
    }
}

const fn refused(name: &'static str, sentence: &'static str) -> Field {
    Field {
        name,
        fate: Fate::Refused(sentence),
    }
}

/// Fields of the body itself (`ContainerConfig`).
pub(crate) const CONTAINER: &[Field] = &[
    works("Hostname"),
    planned("Domainname"),
    works("User"),
    works("AttachStdin"),
    works("AttachStdout"),
    works("AttachStderr"),
    works("ExposedPorts"),
    works("Tty"),
    works("OpenStdin"),
    works("StdinOnce"),
    works("Env"),
    works("Cmd"),
    planned("Healthcheck"),
    works("ArgsEscaped"),
    works("Image"),
    planned("Volumes"),
    works("WorkingDir"),
    works("Entrypoint"),
    refused(
        "NetworkDisabled",
        "NetworkDisabled is not supported: use the network mode 'none'",
    ),
    planned("MacAddress"),
    planned("OnBuild"),
    works("Labels"),
    works("StopSignal"),
    works("StopTimeout"),
    planned("Shell"),
];

/// Fields of `HostConfig`.
pub(crate) const HOST: &[Field] = &[
    planned("CpuShares"),
    planned("Memory"),
    not_on_windows("CgroupParent"),
    not_on_windows("BlkioWeight"),
    not_on_windows("BlkioWeightDevice"),
    not_on_windows("BlkioDeviceReadBps"),
    not_on_windows("BlkioDeviceWriteBps"),
    not_on_windows("BlkioDeviceReadIOps"),
    not_on_windows("BlkioDeviceWriteIOps"),
    refused("CpuPeriod", "Windows does not support CPUPeriod"),
    refused("CpuQuota", "Windows does not support CPUQuota"),
    refused(
        "CpuRealtimePeriod",
        "CPU real-time period is not supported for Windows containers",
    ),
    refused(
        "CpuRealtimeRuntime",
        "CPU real-time runtime is not supported for Windows containers",
    ),
    not_on_windows("CpusetCpus"),
    not_on_windows("CpusetMems"),
    planned("Devices"),
    not_on_windows("DeviceCgroupRules"),
    planned("DeviceRequests"),
    not_on_windows("KernelMemoryTCP"),
    not_on_windows("MemoryReservation"),
    not_on_windows("MemorySwap"),
    not_on_windows("MemorySwappiness"),
    planned("NanoCpus"),
    not_on_windows("OomKillDisable"),
    not_on_windows("Init"),
    not_on_windows("PidsLimit"),
    not_on_windows("Ulimits"),
    planned("CpuCount"),
    planned("CpuPercent"),
    planned("IOMaximumIOps"),
    planned("IOMaximumBandwidth"),
    works("Binds"),
    inert("ContainerIDFile"),
    works("LogConfig"),
    works("NetworkMode"),
    works("PortBindings"),
    works("RestartPolicy"),
    works("AutoRemove"),
    planned("VolumeDriver"),
    planned("VolumesFrom"),
    planned("Mounts"),
    works("ConsoleSize"),
    planned("Annotations"),
    not_on_windows("CapAdd"),
    not_on_windows("CapDrop"),
    not_on_windows("CgroupnsMode"),
    planned("Dns"),
    planned("DnsOptions"),
    planned("DnsSearch"),
    planned("ExtraHosts"),
    not_on_windows("GroupAdd"),
    not_on_windows("IpcMode"),
    not_on_windows("Cgroup"),
    planned("Links"),
    not_on_windows("OomScoreAdj"),
    not_on_windows("PidMode"),
    refused(
        "Privileged",
        "privileged mode is not supported for Windows containers",
    ),
    works("PublishAllPorts"),
    refused(
        "ReadonlyRootfs",
        "read-only mode is not supported for Windows containers",
    ),
    planned("SecurityOpt"),
    planned("StorageOpt"),
    refused("Tmpfs", "tmpfs is not supported for Windows containers"),
    not_on_windows("UTSMode"),
    not_on_windows("UsernsMode"),
    not_on_windows("ShmSize"),
    not_on_windows("Sysctls"),
    planned("Runtime"),
    works("Isolation"),
    not_on_windows("MaskedPaths"),
    not_on_windows("ReadonlyPaths"),
];

/// Refuses what an object sets and does not work. Names are compared as dockerd's decoder does:
/// without regard to case. A field that is in no table is refused too, when it is set.
pub(crate) fn refuse_unsupported(
    object: &Map<String, Value>,
    table: &[Field],
) -> Result<(), String> {
    for (name, value) in object {
        let field = table
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name));
        if is_neutral(field.map_or(name.as_str(), |field| field.name), value) {
            continue;
        }
        match field.map(|field| field.fate) {
            Some(Fate::Works | Fate::Inert) => {}
            Some(Fate::NotOnWindows) => {
                return Err(format!("invalid option: Windows does not support {name}"));
            }
            Some(Fate::Refused(sentence)) => return Err(format!("invalid option: {sentence}")),
            Some(Fate::Planned) => {
                return Err(format!(
                    "invalid option: this version of Porthole does not support {name}"
                ));
            }
            None => {
                return Err(format!(
                    "invalid option: Porthole does not know the option {name}"
                ));
            }
        }
    }
    Ok(())
}

/// Whether a value says nothing beyond the default.
fn is_neutral(name: &str, value: &Value) -> bool {
    match name {
        // A pointer in the API: zero is a setting, -1 is what the docker CLI sends for none.
        "MemorySwappiness" => value.is_null() || value.as_i64() == Some(-1),
        "PidsLimit" => is_zero(value) || value.as_i64() == Some(-1),
        "Healthcheck" => {
            is_zero_struct(value)
                || value
                    .get("Test")
                    .is_some_and(|test| *test == serde_json::json!(["NONE"]))
        }
        "IPAMConfig" => is_zero_struct(value),
        _ => is_zero(value),
    }
}

/// A structure none of whose members says anything.
fn is_zero_struct(value: &Value) -> bool {
    value
        .as_object()
        .map_or(value.is_null(), |members| members.values().all(is_zero))
}

/// Go's zero value: null, false, 0, "", or nothing in it.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}
