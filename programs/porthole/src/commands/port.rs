//! `porthole port`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::Value;

use super::print_json;
use crate::arguments::Port;
use crate::output::say;
use crate::request;

/// Carries it out: a line for each published port, or the addresses of one.
pub(crate) async fn carry_out(host: &str, port: &Port, json: bool) -> Result<ExitCode> {
    let path = format!("/containers/{}/json", request::segment(&port.container));
    let container = request::get(host, &path).await?;
    let ports = &container["NetworkSettings"]["Ports"];
    if json && port.port.is_none() {
        print_json(ports)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(wanted) = &port.port else {
        let mut ports: Vec<_> = ports.as_object().into_iter().flatten().collect();
        ports.sort_by(|(one, _), (other, _)| by_number(one).cmp(&by_number(other)));
        for (inside, bindings) in ports {
            for address in addresses(bindings) {
                say!("{inside} -> {address}")?;
            }
        }
        return Ok(ExitCode::SUCCESS);
    };
    let key = if wanted.contains('/') {
        wanted.clone()
    } else {
        format!("{wanted}/tcp")
    };
    let found = addresses(&ports[&key]);
    if found.is_empty() {
        bail!("no public port '{key}' published for {}", port.container);
    }
    if json {
        print_json(&found)?;
    } else {
        say!("{}", found.join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Port 80 comes before port 443, as in docker's list.
fn by_number(port: &str) -> (u16, &str) {
    let (number, protocol) = port.split_once('/').unwrap_or((port, ""));
    (number.parse().unwrap_or_default(), protocol)
}

fn addresses(bindings: &Value) -> Vec<String> {
    let shown = |binding: &Value| {
        let address = binding["HostIp"].as_str().unwrap_or_default();
        let port = binding["HostPort"].as_str().unwrap_or_default();
        if address.contains(':') {
            format!("[{address}]:{port}")
        } else {
            format!("{address}:{port}")
        }
    };
    bindings
        .as_array()
        .into_iter()
        .flatten()
        .map(shown)
        .collect()
}
