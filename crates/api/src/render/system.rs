//! `info` and `version`.

use porthole_engine::facts::Info;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::timestamp;
use crate::version::ApiVersion;

/// This release.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// The commit that this was built from, when the build knows it.
const COMMIT: &str = match option_env!("PORTHOLE_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// The answer to `GET /version`.
pub(crate) fn version(info: &Info) -> Value {
    let details = json!({
        "ApiVersion": ApiVersion::NEWEST.to_string(),
        "Arch": "amd64",
        "BuildTime": "",
        "Experimental": "false",
        "GitCommit": COMMIT,
        "GoVersion": "none",
        "KernelVersion": info.kernel_version,
        "MinAPIVersion": ApiVersion::OLDEST.to_string(),
        "Os": "windows",
    });
    let mut components = vec![json!({ "Name": "Engine", "Version": RELEASE, "Details": details })];
    if let Some(build) = &info.wine_build {
        components.push(json!({ "Name": "kernel package", "Version": build, "Details": {} }));
    }
    json!({
        "Platform": { "Name": format!("Porthole {RELEASE}") },
        "Components": components,
        "Version": RELEASE,
        "ApiVersion": ApiVersion::NEWEST.to_string(),
        "MinAPIVersion": ApiVersion::OLDEST.to_string(),
        "GitCommit": COMMIT,
        "GoVersion": "none",
        "Os": "windows",
        "Arch": "amd64",
        "KernelVersion": info.kernel_version,
        "BuildTime": "",
    })
}

/// The answer to `GET /info`.
pub(crate) fn info(info: &Info) -> Value {
    let mut answer = numbers(info);
    for part in [platform(info), registry(), abilities()] {
        merge(&mut answer, part);
    }
    answer
}

/// Adds the members of one object to another.
fn merge(target: &mut Value, part: Value) {
    if let (Value::Object(target), Value::Object(part)) = (target, part) {
        target.extend(part);
    }
}

fn numbers(info: &Info) -> Value {
    json!({
        "ID": info.facts.engine_id,
        "Containers": info.containers,
        "ContainersRunning": info.running,
        "ContainersPaused": info.paused,
        "ContainersStopped": info.stopped,
        "Images": info.images,
        "NCPU": info.facts.processors,
        "MemTotal": info.facts.memory,
        "NFd": 0,
        "NGoroutines": 0,
        "NEventsListener": 0,
        "SystemTime": timestamp::rfc3339(OffsetDateTime::now_utc()),
    })
}

fn platform(info: &Info) -> Value {
    let kernel = info
        .wine_build
        .as_deref()
        .unwrap_or("none: run 'porthole base build nanoserver'");
    json!({
        "Driver": info.storage_driver,
        "DriverStatus": [["Windows", ""], ["Kernel package", kernel]],
        "SystemStatus": null,
        "DockerRootDir": info.facts.data_root,
        "Plugins": {
            // There are no volumes yet, so nothing that could hold them.
            "Volume": [],
            "Network": info.network_drivers,
            "Authorization": null,
            "Log": info.log_drivers,
        },
        "LoggingDriver": info.log_driver,
        "KernelVersion": info.kernel_version,
        "OperatingSystem": info.operating_system,
        "OSVersion": info.os_version,
        "OSType": "windows",
        "Architecture": "x86_64",
        "Name": info.facts.host_name,
        "Labels": [],
        "ServerVersion": RELEASE,
        "Isolation": info.default_isolation,
        "LiveRestoreEnabled": true,
        "ExperimentalBuild": false,
        "Debug": false,
        "SecurityOptions": [],
        "Warnings": info.facts.warnings,
    })
}

fn registry() -> Value {
    json!({
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": { "InsecureRegistryCIDRs": [], "IndexConfigs": {}, "Mirrors": [] },
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
    })
}

/// What Linux daemons tell of limits; dockerd on Windows says no to all of them too.
fn abilities() -> Value {
    json!({
        "MemoryLimit": false,
        "SwapLimit": false,
        "CpuCfsPeriod": false,
        "CpuCfsQuota": false,
        "CPUShares": false,
        "CPUSet": false,
        "PidsLimit": false,
        "OomKillDisable": false,
        "IPv4Forwarding": false,
        "CgroupDriver": "",
        "DefaultRuntime": "",
        "InitBinary": "",
        "GenericResources": null,
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": false,
            "Error": "",
            "RemoteManagers": null,
        },
        "ContainerdCommit": { "ID": "" },
        "RuncCommit": { "ID": "" },
        "InitCommit": { "ID": "" },
        "CDISpecDirs": [],
    })
}
