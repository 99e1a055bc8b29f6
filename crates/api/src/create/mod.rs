//! The body of `POST /containers/create`: what is supported goes to the engine, the rest is
//! refused by name.

pub(crate) mod fields;
pub(crate) mod network;
pub(crate) mod update;
pub(crate) mod words;

use std::collections::{BTreeMap, BTreeSet};

use porthole_engine::container::config::{
    ContainerConfig, CreateContainer, HostConfig, Port, PortBinding, RestartPolicy,
};
use porthole_engine::container::health::HealthCheck;
use porthole_engine::container::log_options::LogConfig;
use porthole_engine::container::resources::Resources;
use porthole_engine::container::ulimits::Ulimit;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::body;
use crate::error::ApiError;
use fields::CONTAINER;
use words::Words;

/// The supported part of the body.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Body {
    hostname: String,
    domainname: String,
    user: String,
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    exposed_ports: BTreeMap<String, IgnoredAny>,
    tty: bool,
    open_stdin: bool,
    stdin_once: bool,
    env: Vec<String>,
    cmd: Option<Words>,
    args_escaped: bool,
    image: String,
    working_dir: String,
    entrypoint: Option<Words>,
    labels: BTreeMap<String, String>,
    stop_signal: String,
    stop_timeout: Option<i64>,
    healthcheck: Option<HealthCheck>,
    shell: Vec<String>,
}

/// The supported part of `HostConfig`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Host {
    binds: Vec<String>,
    log_config: Log,
    network_mode: String,
    port_bindings: BTreeMap<String, Vec<Binding>>,
    restart_policy: Restart,
    auto_remove: bool,
    publish_all_ports: bool,
    console_size: [u16; 2],
    isolation: String,
    memory: i64,
    nano_cpus: i64,
    cpu_count: i64,
    cpu_percent: i64,
    cpu_shares: i64,
    pids_limit: Option<i64>,
    init: Option<bool>,
    ulimits: Vec<Ulimit>,
    tmpfs: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Log {
    r#type: String,
    config: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Restart {
    name: String,
    maximum_retry_count: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Binding {
    host_ip: String,
    host_port: String,
}

/// Reads what a container is to run, without how the host treats it.
pub(crate) fn config(object: Map<String, Value>) -> Result<ContainerConfig, ApiError> {
    container_config(body::decode(object, CONTAINER)?)
}

/// Reads a request to create a container.
pub(crate) fn parse(
    mut object: Map<String, Value>,
    name: Option<String>,
) -> Result<CreateContainer, ApiError> {
    let host = take_object(&mut object, "HostConfig")?;
    let networking = take_object(&mut object, "NetworkingConfig")?;
    let body: Body = body::decode(object, CONTAINER)?;
    let host: Host = body::decode(host, &fields::host())?;
    let network_mode = network::choose(host.network_mode.clone(), networking)?;
    Ok(CreateContainer {
        name,
        config: container_config(body)?,
        host: host_config(host, network_mode)?,
    })
}

fn take_object(
    object: &mut Map<String, Value>,
    name: &str,
) -> Result<Map<String, Value>, ApiError> {
    let key = object
        .keys()
        .find(|key| key.eq_ignore_ascii_case(name))
        .cloned();
    match key.and_then(|key| object.remove(&key)) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members),
        Some(_) => Err(ApiError::bad_parameter(format!(
            "invalid JSON: {name} must be an object"
        ))),
    }
}

fn container_config(body: Body) -> Result<ContainerConfig, ApiError> {
    let exposed_ports = body
        .exposed_ports
        .keys()
        .map(|port| port.parse())
        .collect::<Result<BTreeSet<Port>, _>>()?;
    Ok(ContainerConfig {
        image: body.image,
        hostname: body.hostname,
        domainname: body.domainname,
        user: body.user,
        attach_stdin: body.attach_stdin,
        attach_stdout: body.attach_stdout,
        attach_stderr: body.attach_stderr,
        tty: body.tty,
        open_stdin: body.open_stdin,
        stdin_once: body.stdin_once,
        env: body.env,
        cmd: body
            .cmd
            .map(Words::into_list)
            .filter(|words| !words.is_empty()),
        entrypoint: body.entrypoint.map(Words::into_list),
        args_escaped: body.args_escaped,
        working_dir: body.working_dir,
        labels: body.labels,
        exposed_ports,
        stop_signal: Some(body.stop_signal).filter(|signal| !signal.is_empty()),
        stop_timeout: body.stop_timeout,
        healthcheck: body
            .healthcheck
            .filter(|check| *check != HealthCheck::default()),
        shell: body.shell,
    })
}

fn host_config(host: Host, network_mode: String) -> Result<HostConfig, ApiError> {
    let mut port_bindings: BTreeMap<Port, Vec<PortBinding>> = BTreeMap::new();
    let (restart, resources) = (restart_policy(&host.restart_policy)?, resources(&host));
    for (port, bindings) in host.port_bindings {
        let bindings = bindings.into_iter().map(|binding| PortBinding {
            host_ip: binding.host_ip,
            host_port: binding.host_port,
        });
        port_bindings
            .entry(port.parse()?)
            .or_default()
            .extend(bindings);
    }
    Ok(HostConfig {
        restart,
        resources,
        binds: host.binds,
        network_mode,
        port_bindings,
        publish_all_ports: host.publish_all_ports,
        auto_remove: host.auto_remove,
        isolation: host.isolation,
        console_size: host.console_size,
        pids_limit: host.pids_limit.unwrap_or_default(),
        init: host.init,
        ulimits: host.ulimits,
        tmpfs: host.tmpfs,
        log: LogConfig {
            driver: host.log_config.r#type,
            options: host.log_config.config,
        },
    })
}

const fn resources(host: &Host) -> Resources {
    Resources {
        memory: host.memory,
        nano_cpus: host.nano_cpus,
        cpu_count: host.cpu_count,
        cpu_percent: host.cpu_percent,
        cpu_shares: host.cpu_shares,
    }
}

fn restart_policy(policy: &Restart) -> Result<RestartPolicy, ApiError> {
    let invalid = |what: String| ApiError::bad_parameter(format!("invalid restart policy: {what}"));
    let kind = match policy.name.as_str() {
        "" | "no" => RestartPolicy::No,
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        "on-failure" => {
            let count = u32::try_from(policy.maximum_retry_count);
            return count
                .map(RestartPolicy::OnFailure)
                .map_err(|_| invalid("maximum retry count cannot be negative".to_owned()));
        }
        name => {
            return Err(invalid(format!(
                "unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
            )));
        }
    };
    if policy.maximum_retry_count == 0 {
        return Ok(kind);
    }
    let mut what = "maximum retry count can only be used with 'on-failure'".to_owned();
    if policy.maximum_retry_count < 0 {
        what += " and cannot be negative";
    }
    Err(invalid(what))
}

#[cfg(test)]
mod tests;
