//! `HEALTHCHECK`.

use serde_json::Value;

use super::list;
use crate::container::health::HealthCheck;
use crate::error::{Error, Result};
use crate::moment;

/// The check of `NONE`, or of `[--interval=30s …] CMD …`.
pub(super) fn parse(rest: &str, shell: &[String]) -> Result<Value> {
    let mut check = HealthCheck::default();
    let mut rest = rest;
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option
            .split_once(char::is_whitespace)
            .unwrap_or((option, ""));
        set(&mut check, option)?;
        rest = after.trim_start();
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim();
    check.test = match (kind.to_uppercase().as_str(), list(command)) {
        ("NONE", _) if command.is_empty() => vec!["NONE".to_owned()],
        ("NONE", _) => return Err(Error::invalid("HEALTHCHECK NONE takes no arguments")),
        ("CMD", Some(words)) => std::iter::once("CMD".to_owned()).chain(words).collect(),
        ("CMD", None) => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        ("", _) => return Err(Error::invalid("HEALTHCHECK requires at least one argument")),
        (other, _) => {
            return Err(Error::invalid(format!(
                "Unknown type {other:?} in HEALTHCHECK (try CMD)"
            )));
        }
    };
    check.check(shell)?;
    serde_json::to_value(check)
        .map_err(|error| Error::system("cannot write the health check").with_source(error))
}

fn set(check: &mut HealthCheck, option: &str) -> Result<()> {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    let invalid = || {
        Error::invalid(format!(
            "invalid value of --{name} in HEALTHCHECK: {value:?}"
        ))
    };
    let time = || moment::nanoseconds(value).ok_or_else(invalid);
    match name {
        "interval" => check.interval = time()?,
        "timeout" => check.timeout = time()?,
        "start-period" => check.start_period = time()?,
        "start-interval" => check.start_interval = time()?,
        "retries" => check.retries = value.parse().map_err(|_| invalid())?,
        _ => return Err(Error::invalid(format!("unknown flag: {name}"))),
    }
    Ok(())
}
