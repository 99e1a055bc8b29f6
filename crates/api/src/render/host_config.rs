//! `HostConfig` of `inspect`, with all its members.

use porthole_engine::container::record::Container;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The network mode as the container was created with.
pub(crate) fn network_mode(container: &Container) -> &str {
    match container.host.network_mode.as_str() {
        "" => "default",
        mode => mode,
    }
}

/// `HostConfig`: what the container was created with, and everything else at its zero value.
pub(crate) fn details(container: &Container) -> Value {
    let host = &container.host;
    let mut answer = zero();
    for (name, value) in [
        ("Binds", list(&host.binds)),
        (
            "LogConfig",
            json!({ "Type": host.log.driver(), "Config": host.log.options }),
        ),
        ("NetworkMode", json!(network_mode(container))),
        ("PortBindings", port_bindings(container)),
        (
            "RestartPolicy",
            json!({
                "Name": host.restart.name(),
                "MaximumRetryCount": host.restart.maximum_retry_count(),
            }),
        ),
        ("AutoRemove", json!(host.auto_remove)),
        ("ConsoleSize", json!(host.console_size)),
        ("PublishAllPorts", json!(host.publish_all_ports)),
        ("Isolation", json!(host.isolation)),
        ("Memory", json!(host.resources.memory)),
        ("NanoCpus", json!(host.resources.nano_cpus)),
        ("CpuCount", json!(host.resources.cpu_count)),
        ("CpuPercent", json!(host.resources.cpu_percent)),
        ("CpuShares", json!(host.resources.cpu_shares)),
        ("PidsLimit", pids_limit(host.pids_limit)),
        ("Ulimits", list(&host.ulimits)),
    ] {
        answer[name] = value;
    }
    // Written only where they are set, as by dockerd.
    if let Some(init) = host.init {
        answer["Init"] = json!(init);
    }
    if !host.tmpfs.is_empty() {
        answer["Tmpfs"] = json!(host.tmpfs);
    }
    answer
}

/// Null for none, as by dockerd.
fn list<T: Serialize>(items: &[T]) -> Value {
    if items.is_empty() {
        Value::Null
    } else {
        json!(items)
    }
}

fn pids_limit(limit: i64) -> Value {
    if limit > 0 { json!(limit) } else { Value::Null }
}

fn port_bindings(container: &Container) -> Value {
    let bindings = container.host.port_bindings.iter().map(|(port, bindings)| {
        let bindings: Vec<_> = bindings
            .iter()
            .map(|binding| json!({ "HostIp": binding.host_ip, "HostPort": binding.host_port }))
            .collect();
        (port.to_string(), Value::Array(bindings))
    });
    Value::Object(bindings.collect::<Map<_, _>>())
}

/// Members that nothing sets yet, at their zero values.
fn zero() -> Value {
    let strings = STRINGS.iter().map(|name| (*name, json!("")));
    let switches = SWITCHES.iter().map(|name| (*name, json!(false)));
    let numbers = NUMBERS.iter().map(|name| (*name, json!(0)));
    let lists = LISTS.iter().map(|name| (*name, json!([])));
    let nulls = NULLS.iter().map(|name| (*name, Value::Null));
    let members = strings
        .chain(switches)
        .chain(numbers)
        .chain(lists)
        .chain(nulls);
    Value::Object(
        members
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

const STRINGS: &[&str] = &[
    "ContainerIDFile",
    "VolumeDriver",
    "CgroupnsMode",
    "IpcMode",
    "Cgroup",
    "PidMode",
    "UTSMode",
    "UsernsMode",
    "CgroupParent",
    "CpusetCpus",
    "CpusetMems",
];

const SWITCHES: &[&str] = &["Privileged", "ReadonlyRootfs", "OomKillDisable"];

const NUMBERS: &[&str] = &[
    "OomScoreAdj",
    "ShmSize",
    "BlkioWeight",
    "CpuPeriod",
    "CpuQuota",
    "CpuRealtimePeriod",
    "CpuRealtimeRuntime",
    "MemoryReservation",
    "MemorySwap",
    "IOMaximumIOps",
    "IOMaximumBandwidth",
];

/// Empty lists that dockerd does not write as null.
const LISTS: &[&str] = &["Dns", "DnsOptions", "DnsSearch"];

const NULLS: &[&str] = &[
    "VolumesFrom",
    "CapAdd",
    "CapDrop",
    "ExtraHosts",
    "GroupAdd",
    "Links",
    "SecurityOpt",
    "BlkioWeightDevice",
    "BlkioDeviceReadBps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteIOps",
    "Devices",
    "DeviceCgroupRules",
    "DeviceRequests",
    "MemorySwappiness",
    "MaskedPaths",
    "ReadonlyPaths",
];
