//! `HostConfig` of `inspect`, with all its members.

use porthole_engine::container::record::Container;
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
    let binds = if host.binds.is_empty() {
        Value::Null
    } else {
        json!(host.binds)
    };
    for (name, value) in [
        ("Binds", binds),
        ("LogConfig", json!({ "Type": "json-file", "Config": {} })),
        ("NetworkMode", json!(network_mode(container))),
        ("PortBindings", port_bindings(container)),
        (
            "RestartPolicy",
            json!({ "Name": "no", "MaximumRetryCount": 0 }),
        ),
        ("AutoRemove", json!(host.auto_remove)),
        ("ConsoleSize", json!(host.console_size)),
        ("PublishAllPorts", json!(host.publish_all_ports)),
        ("Isolation", json!(host.isolation)),
    ] {
        answer[name] = value;
    }
    answer
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

/// Members that nothing sets yet.
fn zero() -> Value {
    let mut zero = json!({
        "ContainerIDFile": "",
        "VolumeDriver": "",
        "CgroupnsMode": "",
        "IpcMode": "",
        "Cgroup": "",
        "OomScoreAdj": 0,
        "PidMode": "",
        "Privileged": false,
        "ReadonlyRootfs": false,
        "UTSMode": "",
        "UsernsMode": "",
        "ShmSize": 0,
        "CgroupParent": "",
        "CpusetCpus": "",
        "CpusetMems": "",
        "OomKillDisable": false,
    });
    for name in [
        "CpuShares",
        "Memory",
        "NanoCpus",
        "BlkioWeight",
        "CpuPeriod",
        "CpuQuota",
        "CpuRealtimePeriod",
        "CpuRealtimeRuntime",
        "MemoryReservation",
        "MemorySwap",
        "CpuCount",
        "CpuPercent",
        "IOMaximumIOps",
        "IOMaximumBandwidth",
    ] {
        zero[name] = json!(0);
    }
    for name in ["Dns", "DnsOptions", "DnsSearch"] {
        zero[name] = json!([]);
    }
    for name in [
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
        "PidsLimit",
        "Ulimits",
        "MaskedPaths",
        "ReadonlyPaths",
    ] {
        zero[name] = Value::Null;
    }
    zero
}
