//! The body of a create request, from the options of `run` and `create`.
//!
//! Only what was asked for is in it: the daemon refuses by name what it does not have.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::{files, mount, publish, split, volume};
use crate::arguments::options::{Health, Isolation, Linux, Network, Options, Storage, Streams};
use crate::arguments::resources::Resources;
use crate::commands::process;
use crate::terminal::raw;

/// A JSON object that takes what was said, and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Body(pub(crate) Map<String, Value>);

impl Body {
    /// Adds a field unless it says nothing: null, false, or an empty text, list or object.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        let is_empty = match &value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if !is_empty {
            self.0.insert(name.to_owned(), value);
        }
    }
}

/// The whole body. `attached` says which streams this program stays with, `remove` that the container
/// goes with its program's end.
pub(super) fn of(options: &Options, attached: Option<Streams>, remove: bool) -> Result<Value> {
    let volumes = volume::parse(&options.storage.volume)?;
    let ports = publish::parse(&options.network.publish, &options.network.expose)?;
    let mut environment = files::lines(&options.env_file)?;
    environment.extend(options.env.iter().cloned());
    let mut labels = files::lines(&options.label_file)?;
    labels.extend(options.label.iter().cloned());
    let mut body = Body::default();
    body.set("Image", options.image());
    body.set("Cmd", options.command());
    if let Some(program) = &options.entrypoint {
        // An empty word resets the image's entry point, as in docker.
        body.0.insert("Entrypoint".to_owned(), json!([program]));
    }
    body.set("Hostname", options.hostname.clone());
    body.set("Domainname", options.domainname.clone());
    body.set("User", options.user.clone());
    body.set("Env", process::environment(&environment));
    body.set("WorkingDir", options.workdir.clone());
    body.set("Tty", options.tty);
    body.set("OpenStdin", options.interactive);
    if let Some(streams) = attached {
        body.set("StdinOnce", options.interactive && streams.stdin);
        body.set("AttachStdin", streams.stdin);
        body.set("AttachStdout", streams.stdout);
        body.set("AttachStderr", streams.stderr);
    }
    body.set("Labels", split::pairs(&labels));
    body.set("StopSignal", options.stop_signal.clone());
    body.set("StopTimeout", options.stop_timeout);
    body.set("Volumes", volumes.anonymous);
    body.set("ExposedPorts", ports.exposed);
    body.set("MacAddress", options.network.mac_address.clone());
    body.set("Healthcheck", health(&options.health));
    let mut host = host(options, remove)?;
    host.set("Binds", volumes.binds);
    host.set("PortBindings", ports.bindings);
    body.set("HostConfig", host.0);
    body.set("NetworkingConfig", endpoint(&options.network));
    Ok(Value::Object(body.0))
}

fn host(options: &Options, remove: bool) -> Result<Body> {
    let mut host = Body(resources(&options.resources)?.0);
    host.set("AutoRemove", remove);
    host.set(
        "Isolation",
        options.isolation.map(|isolation| match isolation {
            Isolation::Default => "default",
            Isolation::Process => "process",
            Isolation::Hyperv => "hyperv",
        }),
    );
    if let Some((height, width)) = raw::size().filter(|_| options.tty) {
        // The console has this terminal's size from its first line on.
        host.set("ConsoleSize", json!([height, width]));
    }
    let cidfile = options.cidfile.as_ref();
    host.set(
        "ContainerIDFile",
        cidfile.map(|path| path.display().to_string()),
    );
    host.set("Annotations", split::pairs(&options.annotation));
    host.set("SecurityOpt", options.security_opt.clone());
    host.set("Init", options.init);
    host.set("Runtime", options.runtime.clone());
    host.set("Ulimits", ulimits(&options.ulimit)?);
    let device = |device: &String| {
        let (outside, inside) = device.split_once(':').unwrap_or((device, device));
        json!({ "PathOnHost": outside, "PathInContainer": inside, "CgroupPermissions": "rwm" })
    };
    host.set(
        "Devices",
        options.device.iter().map(device).collect::<Vec<_>>(),
    );
    if options.log.log_driver.is_some() || !options.log.log_opt.is_empty() {
        host.set(
            "LogConfig",
            json!({ "Type": options.log.log_driver.clone().unwrap_or_default(),
                "Config": split::pairs(&options.log.log_opt) }),
        );
    }
    storage(&mut host, &options.storage)?;
    network(&mut host, &options.network);
    linux(&mut host, &options.linux);
    Ok(host)
}

/// The limits, as `update` takes them too.
pub(crate) fn resources(resources: &Resources) -> Result<Body> {
    let mut body = Body::default();
    body.set("Memory", resources.memory);
    body.set("NanoCpus", resources.cpus);
    body.set("CpuShares", resources.cpu_shares);
    body.set("CpuCount", resources.cpu_count);
    body.set("CpuPercent", resources.cpu_percent);
    body.set("IOMaximumBandwidth", resources.io_maxbandwidth);
    body.set("IOMaximumIOps", resources.io_maxiops);
    body.set("PidsLimit", resources.pids_limit);
    body.set("MemoryReservation", resources.memory_reservation);
    body.set("MemorySwap", resources.memory_swap);
    body.set("BlkioWeight", resources.blkio_weight);
    body.set("CpuPeriod", resources.cpu_period);
    body.set("CpuQuota", resources.cpu_quota);
    body.set("CpusetCpus", resources.cpuset_cpus.clone());
    body.set("CpusetMems", resources.cpuset_mems.clone());
    if let Some(policy) = &resources.restart {
        let (name, count) = policy.split_once(':').unwrap_or((policy, "0"));
        let count: i64 = count
            .parse()
            .with_context(|| format!("--restart {policy}: the count is no number"))?;
        body.set(
            "RestartPolicy",
            json!({ "Name": name, "MaximumRetryCount": count }),
        );
    }
    Ok(body)
}

fn storage(host: &mut Body, storage: &Storage) -> Result<()> {
    let mounts = storage.mount.iter().map(|text| mount::parse(text));
    host.set("Mounts", mounts.collect::<Result<Vec<_>>>()?);
    host.set("VolumesFrom", storage.volumes_from.clone());
    host.set("VolumeDriver", storage.volume_driver.clone());
    host.set("ReadonlyRootfs", storage.read_only);
    host.set("StorageOpt", split::pairs(&storage.storage_opt));
    host.set("Tmpfs", tmpfs(&storage.tmpfs));
    Ok(())
}

fn network(host: &mut Body, network: &Network) {
    host.set("NetworkMode", network.network.clone());
    host.set("PublishAllPorts", network.publish_all);
    host.set("Dns", network.dns.clone());
    host.set("DnsSearch", network.dns_search.clone());
    host.set("DnsOptions", network.dns_option.clone());
    host.set("ExtraHosts", network.add_host.clone());
    host.set("Links", network.link.clone());
}

/// What an endpoint is told beyond its network's name.
fn endpoint(network: &Network) -> Value {
    let mut addresses = Body::default();
    addresses.set("IPv4Address", network.ip.clone());
    addresses.set("IPv6Address", network.ip6.clone());
    let mut endpoint = Body::default();
    endpoint.set("IPAMConfig", addresses.0);
    endpoint.set("Aliases", network.network_alias.clone());
    if endpoint.0.is_empty() {
        return Value::Null;
    }
    let name = network.network.as_deref().unwrap_or("default");
    json!({ "EndpointsConfig": { name: endpoint.0 } })
}

fn health(health: &Health) -> Value {
    if health.no_healthcheck {
        return json!({ "Test": ["NONE"] });
    }
    let mut body = Body::default();
    let test = health.health_cmd.as_ref();
    body.set("Test", test.map(|command| json!(["CMD-SHELL", command])));
    body.set("Interval", health.health_interval);
    body.set("Timeout", health.health_timeout);
    body.set("Retries", health.health_retries);
    body.set("StartPeriod", health.health_start_period);
    body.set("StartInterval", health.health_start_interval);
    Value::Object(body.0)
}

fn ulimits(texts: &[String]) -> Result<Vec<Value>> {
    let ulimit = |text: &String| {
        let (name, limits) = text.split_once('=')?;
        let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
        let (soft, hard): (i64, i64) = (soft.parse().ok()?, hard.parse().ok()?);
        Some(json!({ "Name": name, "Soft": soft, "Hard": hard }))
    };
    let ulimits = texts.iter().map(|text| {
        ulimit(text).with_context(|| format!("--ulimit {text}: expected NAME=SOFT[:HARD]"))
    });
    ulimits.collect()
}

fn tmpfs(texts: &[String]) -> Map<String, Value> {
    let tmpfs = texts.iter().map(|text| {
        let drive = if volume::is_drive(text) { 2 } else { 0 };
        let colon = text[drive..].find(':').map(|colon| drive + colon);
        let (path, how) = colon.map_or((text.as_str(), ""), |colon| {
            (&text[..colon], &text[colon + 1..])
        });
        (path.to_owned(), Value::from(how))
    });
    tmpfs.collect()
}

fn linux(host: &mut Body, linux: &Linux) {
    host.set("ShmSize", linux.shm_size);
    host.set("Privileged", linux.privileged);
    host.set("CapAdd", linux.cap_add.clone());
    host.set("CapDrop", linux.cap_drop.clone());
    host.set("GroupAdd", linux.group_add.clone());
    host.set("Sysctls", split::pairs(&linux.sysctl));
    host.set("CgroupParent", linux.cgroup_parent.clone());
    host.set("IpcMode", linux.ipc.clone());
    host.set("PidMode", linux.pid.clone());
    host.set("UTSMode", linux.uts.clone());
    host.set("UsernsMode", linux.userns.clone());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Command;
    use crate::command_line;

    fn body(words: &[&str]) -> Value {
        let words = [&["porthole", "create"], words].concat();
        let arguments = command_line::parse(words).expect("a command line");
        let Command::Create(create) = arguments.command else {
            panic!("{:?}", arguments.command)
        };
        of(&create.options, None, false).expect("a body")
    }

    #[test]
    fn what_was_not_asked_for_is_not_sent() {
        assert_eq!(
            body(&["x", "cmd", "/c", "ver"]),
            json!({ "Image": "x", "Cmd": ["cmd", "/c", "ver"] })
        );
    }

    #[test]
    fn every_group_of_options_reaches_its_field() {
        let words = [
            "-m",
            "512m",
            "--cpus",
            "1.5",
            "--restart",
            "on-failure:3",
            "--health-cmd",
            "exit 0",
            "--health-interval",
            "2s",
            "--log-opt",
            "max-size=1m",
            "-h",
            "host",
            "--entrypoint",
            "",
            "-e",
            "A=1",
            "-l",
            "a=b",
            "-l",
            "c",
            "-v",
            "/tmp:C:/t:ro",
            "-v",
            r"C:\data",
            "-p",
            "80:8080",
            "--expose",
            "90-91",
            "--network",
            "nat",
            "--network-alias",
            "web",
            "--ulimit",
            "nofile=10:20",
            "--tmpfs",
            "C:/t:size=1m",
            "--init",
            "--read-only",
            "--pids-limit",
            "9",
            "--stop-signal",
            "SIGINT",
            "--isolation",
            "process",
            "--cap-add",
            "ALL",
            "x",
        ];
        let body = body(&words);
        let host = &body["HostConfig"];
        for (found, expected) in [
            (&host["Memory"], json!(512 << 20)),
            (&host["NanoCpus"], json!(1_500_000_000)),
            (
                &host["RestartPolicy"],
                json!({ "Name": "on-failure", "MaximumRetryCount": 3 }),
            ),
            (
                &body["Healthcheck"],
                json!({ "Test": ["CMD-SHELL", "exit 0"], "Interval": 2_000_000_000 }),
            ),
            (
                &host["LogConfig"],
                json!({ "Type": "", "Config": { "max-size": "1m" } }),
            ),
            (&body["Hostname"], json!("host")),
            (&body["Entrypoint"], json!([""])),
            (&body["Env"], json!(["A=1"])),
            (&body["Labels"], json!({ "a": "b", "c": "" })),
            (&host["Binds"], json!(["/tmp:C:/t:ro"])),
            (&body["Volumes"], json!({ r"C:\data": {} })),
            (
                &body["ExposedPorts"],
                json!({ "8080/tcp": {}, "90/tcp": {}, "91/tcp": {} }),
            ),
            (
                &host["PortBindings"]["8080/tcp"],
                json!([{ "HostIp": "", "HostPort": "80" }]),
            ),
            (
                &body["NetworkingConfig"]["EndpointsConfig"]["nat"]["Aliases"],
                json!(["web"]),
            ),
            (
                &host["Ulimits"],
                json!([{ "Name": "nofile", "Soft": 10, "Hard": 20 }]),
            ),
            (&host["Tmpfs"], json!({ "C:/t": "size=1m" })),
            (&host["Init"], json!(true)),
            (&host["ReadonlyRootfs"], json!(true)),
            (&host["PidsLimit"], json!(9)),
            (&body["StopSignal"], json!("SIGINT")),
            (&host["Isolation"], json!("process")),
            (&host["CapAdd"], json!(["ALL"])),
        ] {
            assert_eq!(*found, expected, "{body:#}");
        }
    }
}
