//! Containers: `inspect`.

use std::borrow::Cow;

use porthole_engine::container::config::ContainerConfig;
use porthole_engine::container::health::{Health, ProbeResult};
use porthole_engine::container::record::Container;
use porthole_engine::container::state::{Phase, State};
use serde_json::{Map, Value, json};

use super::mount::mounts;
use super::{host_config, network};
use crate::timestamp;

/// The storage driver that dockerd would name here.
const DRIVER: &str = "overlay";

/// The answer to `GET /containers/{id}/json`.
pub(crate) fn details(container: &Container) -> Value {
    json!({
        "Id": container.id,
        "Created": timestamp::rfc3339(container.created),
        "Path": container.path(),
        "Args": container.args(),
        "State": state(&container.state),
        "Image": container.image_id,
        "ResolvConfPath": "",
        "HostnamePath": "",
        "HostsPath": "",
        "LogPath": log_path(container),
        "Name": format!("/{}", container.name),
        "RestartCount": container.restarts,
        "Driver": DRIVER,
        "Platform": "windows",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": exec_ids(container),
        "HostConfig": host_config::details(container),
        "GraphDriver": { "Name": DRIVER, "Data": {} },
        "Mounts": mounts(&container.mounts),
        "Config": config(&container.config),
        "NetworkSettings": network::settings(container),
    })
}

/// The log's file, of which clients may read json-file's alone.
fn log_path(container: &Container) -> Cow<'_, str> {
    match container.host.log.driver() {
        "json-file" => container.log_path.to_string_lossy(),
        _ => "".into(),
    }
}

fn state(state: &State) -> Value {
    let mut answer = json!({
        "Status": state.status(),
        "Running": state.is_up(),
        "Paused": state.is_paused(),
        "Restarting": state.is_restarting(),
        "OOMKilled": state.oom_killed,
        "Dead": matches!(state.phase, Phase::Dead),
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": timestamp::rfc3339_or_never(state.started_at),
        "FinishedAt": timestamp::rfc3339_or_never(state.finished_at),
    });
    if let Some(known) = &state.health {
        answer["Health"] = health(known);
    }
    answer
}

fn health(health: &Health) -> Value {
    let result = |result: &ProbeResult| {
        json!({
            "Start": timestamp::rfc3339(result.start),
            "End": timestamp::rfc3339(result.end),
            "ExitCode": result.exit_code,
            "Output": result.output,
        })
    };
    json!({
        "Status": health.status.name(),
        "FailingStreak": health.failing_streak,
        "Log": health.log.iter().map(result).collect::<Vec<_>>(),
    })
}

/// IDs of execs that are not over; null when there is none.
fn exec_ids(container: &Container) -> Value {
    let ids: Vec<_> = container
        .execs
        .values()
        .filter(|exec| exec.exit_code().is_none())
        .map(|exec| exec.id.as_str())
        .collect();
    if ids.is_empty() {
        Value::Null
    } else {
        json!(ids)
    }
}

/// `Config` of a container, and of an image.
pub(crate) fn config(config: &ContainerConfig) -> Value {
    let mut answer = json!({
        "Hostname": config.hostname,
        "Domainname": config.domainname,
        "User": config.user,
        "AttachStdin": config.attach_stdin,
        "AttachStdout": config.attach_stdout,
        "AttachStderr": config.attach_stderr,
        "Tty": config.tty,
        "OpenStdin": config.open_stdin,
        "StdinOnce": config.stdin_once,
        "Env": config.env,
        "Cmd": config.cmd,
        "Image": config.image,
        "Volumes": null,
        "WorkingDir": config.working_dir,
        "Entrypoint": config.entrypoint,
        "OnBuild": null,
        "Labels": config.labels,
    });
    if let Value::Object(members) = &mut answer {
        add_optional(members, config);
    }
    answer
}

/// Members that dockerd leaves out when they are not set.
fn add_optional(members: &mut Map<String, Value>, config: &ContainerConfig) {
    if !config.exposed_ports.is_empty() {
        let ports: Map<String, Value> = config
            .exposed_ports
            .iter()
            .map(|port| (port.to_string(), json!({})))
            .collect();
        members.insert("ExposedPorts".to_owned(), Value::Object(ports));
    }
    if config.args_escaped {
        members.insert("ArgsEscaped".to_owned(), Value::Bool(true));
    }
    if let Some(signal) = &config.stop_signal {
        members.insert("StopSignal".to_owned(), json!(signal));
    }
    if let Some(check) = &config.healthcheck {
        members.insert("Healthcheck".to_owned(), json!(check));
    }
    if !config.shell.is_empty() {
        members.insert("Shell".to_owned(), json!(config.shell));
    }
    if let Some(timeout) = config.stop_timeout {
        members.insert("StopTimeout".to_owned(), json!(timeout));
    }
}
