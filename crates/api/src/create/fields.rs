//! Every field of the body of `POST /containers/create` in API 1.50, and what becomes of it.
//! `docs/api.md` lists the same fields; a test compares the two.

use crate::fields::{Field, inert, not_on_windows, planned, refused, works};

/// Fields of the body itself (`ContainerConfig`).
pub(crate) const CONTAINER: &[Field] = &[
    works("Hostname"),
    works("Domainname"),
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
    works("Healthcheck"),
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
    works("Shell"),
    // dockerode repeats what the query says.
    inert("name"),
];

/// Fields of `HostConfig`.
pub(crate) fn host() -> Vec<Field> {
    [RESOURCES, AT_CREATION, HOST].concat()
}

/// The resources that an update cannot change.
const AT_CREATION: &[Field] = &[works("Init"), works("PidsLimit"), works("Ulimits")];

/// The fields of an update: those resources, refused, and what else can be updated.
pub(crate) fn update() -> Vec<Field> {
    let sentence = "Init, PidsLimit and Ulimits are set when a container is created";
    let refused = AT_CREATION
        .iter()
        .map(|field| refused(field.name, sentence));
    let updated = RESOURCES.iter().copied().chain([works("RestartPolicy")]);
    updated.chain(refused).collect()
}

/// The fields of `HostConfig` that can be updated, the restart policy aside.
const RESOURCES: &[Field] = &[
    works("CpuShares"),
    works("Memory"),
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
    works("NanoCpus"),
    not_on_windows("OomKillDisable"),
    works("CpuCount"),
    works("CpuPercent"),
    planned("IOMaximumIOps"),
    planned("IOMaximumBandwidth"),
];

/// The others.
const HOST: &[Field] = &[
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
    works("Tmpfs"),
    not_on_windows("UTSMode"),
    not_on_windows("UsernsMode"),
    not_on_windows("ShmSize"),
    not_on_windows("Sysctls"),
    planned("Runtime"),
    works("Isolation"),
    not_on_windows("MaskedPaths"),
    not_on_windows("ReadonlyPaths"),
];
