//! How a container's output is recorded: Docker's log drivers and their options.

use std::collections::BTreeMap;

use porthole_compute_service::settings::{LogRotation, LogSpec};
use porthole_log_drivers::{Driver, Host};
use serde::{Deserialize, Serialize};

use crate::container::log_attributes::attributes;
use crate::container::record::Container;
use crate::error::{Error, ErrorKind, Result};

/// The driver of a request that names none.
pub(crate) const DEFAULT: &str = "json-file";

const LOCAL: &str = "local";
const NONE: &str = "none";

/// Options that every driver has: how messages get to it, and what is kept here of those that a
/// driver sends away.
const MODE: &str = "mode";
const BUFFER: &str = "max-buffer-size";
const CACHE_DISABLED: &str = "cache-disabled";
const CACHE: [&str; 3] = ["cache-max-size", "cache-max-file", "cache-compress"];

/// What limits the files of a log: their size, their number, and whether they are compressed.
const FILES: [&str; 3] = ["max-size", "max-file", "compress"];

const OPTIONS: [&str; 8] = [
    "max-size",
    "max-file",
    "compress",
    "labels",
    "labels-regex",
    "env",
    "env-regex",
    "tag",
];

/// What `local` does by itself.
const LOCAL_ROTATION: LogRotation = LogRotation {
    max_size: 20 * 1024 * 1024,
    max_files: 5,
    compress: true,
};

/// A container's log driver with its options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// Its name, such as `local` or `none`; empty is `json-file`.
    pub driver: String,
    /// The driver's options as the client gave them.
    pub options: BTreeMap<String, String>,
}

impl LogConfig {
    /// The driver's name, never empty.
    #[must_use]
    pub fn driver(&self) -> &str {
        if self.driver.is_empty() {
            DEFAULT
        } else {
            &self.driver
        }
    }

    /// Refuses a log that is not there to be read, with dockerd's sentence.
    pub(crate) fn check_readable(&self) -> Result<()> {
        let is_hidden = self.is_sent() && self.switch(CACHE_DISABLED)? == Some(true);
        if self.driver() == NONE || is_hidden {
            return Err(Error::new(
                ErrorKind::NotImplemented,
                "configured logging driver does not support reading",
            ));
        }
        Ok(())
    }

    /// Whether the driver sends the log away.
    pub(crate) fn is_sent(&self) -> bool {
        porthole_log_drivers::DRIVERS.contains(&self.driver())
    }

    /// What sends the log away, if anything does; refuses options and values as dockerd does.
    pub(crate) fn sender(&self, host: &Host) -> Result<Option<Driver>> {
        Driver::new(self.driver(), &self.own_options(), host).map_err(refused)
    }

    /// Refuses a destination on this host that is not there, as dockerd does.
    pub(crate) async fn check_destination(&self) -> Result<()> {
        match self.sender(&Host::new(""))? {
            Some(driver) => driver.check_destination().await.map_err(refused),
            None => Ok(()),
        }
    }

    /// The driver's own options, without those that every driver has.
    fn own_options(&self) -> BTreeMap<String, String> {
        let is_common =
            |name: &str| [MODE, BUFFER, CACHE_DISABLED].contains(&name) || CACHE.contains(&name);
        let mut options = self.options.clone();
        options.retain(|name, _| !is_common(name));
        options
    }

    /// When a new file is begun; refuses drivers, options and values as dockerd does.
    fn rotation(&self) -> Result<Option<LogRotation>> {
        self.check_mode()?;
        self.check_switch(CACHE_DISABLED)?;
        let cache = self.bounded(CACHE)?;
        if self.sender(&Host::new(""))?.is_some() {
            // What is sent away is read from these files: they are the cache of `docker logs` too.
            return Ok(Some(cache));
        }
        let options = self.own_options();
        let unknown = options
            .keys()
            .find(|name| !OPTIONS.contains(&name.as_str()));
        match (self.driver(), unknown) {
            (DEFAULT, Some(name)) => Err(Error::invalid(format!(
                "unknown log opt '{name}' for json-file log driver"
            ))),
            (LOCAL, Some(name)) => Err(Error::invalid(format!(
                "unknown log opt '{name}' for log driver local"
            ))),
            (DEFAULT, None) => self.json_file(),
            (LOCAL, None) => self.bounded(FILES).map(Some),
            (other, _) => Err(Error::invalid(format!(
                "logger: no log driver named '{other}' is registered: this version of Porthole has \
                 {} and none",
                drivers().join(", ")
            ))),
        }
    }

    /// Both modes are there: a program never waits for more than the disk, whatever its driver, and
    /// nothing is dropped.
    fn check_mode(&self) -> Result<()> {
        let mode = self.options.get(MODE).map_or("", String::as_str);
        match (mode, self.options.get(BUFFER)) {
            ("non-blocking", Some(text)) if size(text).is_none() => Err(Error::invalid(format!(
                "error parsing option max-buffer-size: invalid size: '{text}'"
            ))),
            ("non-blocking", _) | ("" | "blocking", None) => Ok(()),
            ("" | "blocking", Some(_)) => Err(Error::invalid(
                "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
            )),
            (mode, _) => Err(Error::invalid(format!(
                "logger: logging mode not supported: {mode}"
            ))),
        }
    }

    fn check_switch(&self, name: &str) -> Result<()> {
        self.switch(name).map(drop).map_err(|_| {
            let value = self.options.get(name).map_or("", String::as_str);
            Error::invalid(format!("invalid value for option {name}: {value}"))
        })
    }

    fn json_file(&self) -> Result<Option<LogRotation>> {
        let [max_size, max_file, compress] = FILES;
        let max_size = self.size(max_size)?;
        let max_files = self.number(max_file)?.unwrap_or(1);
        let compress = self.switch(compress)?.unwrap_or(false);
        if max_files < 1 {
            return Err(Error::invalid("max-file cannot be less than 1"));
        }
        if compress && (max_files == 1 || max_size.is_none()) {
            return Err(Error::invalid(
                "compress cannot be true when max-file is less than 2 or max-size is not set",
            ));
        }
        Ok(max_size.map(|max_size| LogRotation {
            max_size,
            max_files: u32::try_from(max_files).unwrap_or(u32::MAX),
            compress,
        }))
    }

    /// Files as `local` has them, and every driver's cache.
    fn bounded(&self, [max_size, max_file, compress]: [&str; 3]) -> Result<LogRotation> {
        let max_files = self.number(max_file)?;
        let max_files = max_files.unwrap_or(LOCAL_ROTATION.max_files.into());
        let compress = self.switch(compress)?.unwrap_or(LOCAL_ROTATION.compress);
        if max_files < 0 {
            return Err(Error::invalid(format!("{max_file} must not be negative")));
        }
        if compress && max_files <= 1 {
            return Err(Error::invalid(
                "compression cannot be enabled when max file count is 1",
            ));
        }
        Ok(LogRotation {
            max_size: self.size(max_size)?.unwrap_or(LOCAL_ROTATION.max_size),
            // 0 is the file that is written, alone.
            max_files: u32::try_from(max_files.max(1)).unwrap_or(u32::MAX),
            compress,
        })
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.options.get(name) else {
            return Ok(None);
        };
        match size(text) {
            None => Err(Error::invalid(format!(
                "invalid value for {name}: {text}: invalid size: '{text}'"
            ))),
            Some(0) => Err(Error::invalid(format!("{name} must be a positive number"))),
            Some(size) => Ok(Some(size)),
        }
    }

    fn number(&self, name: &str) -> Result<Option<i64>> {
        let number = |text: &String| {
            text.parse().map_err(|_| {
                Error::invalid(format!(
                    "invalid value for {name}: {text}: strconv.Atoi: parsing {text:?}: invalid syntax"
                ))
            })
        };
        self.options.get(name).map(number).transpose()
    }

    /// What Go's `ParseBool` takes.
    fn switch(&self, name: &str) -> Result<Option<bool>> {
        let switch = |text: &String| match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(Error::invalid(format!(
                "invalid boolean value for {name}: strconv.ParseBool: parsing {text:?}: invalid syntax"
            ))),
        };
        self.options.get(name).map(switch).transpose()
    }
}

fn refused(error: porthole_log_drivers::Error) -> Error {
    Error::invalid(error.to_string()).with_source(error)
}

/// Every driver in the order in which `info` lists them. `none` records nothing and so is no driver
/// there, as in dockerd.
pub(crate) fn drivers() -> Vec<&'static str> {
    let mut drivers = vec![DEFAULT, LOCAL];
    drivers.extend(porthole_log_drivers::DRIVERS);
    drivers.sort_unstable();
    drivers
}

/// Bytes, as Docker's units write them for logs: `10m` is ten million.
fn size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let rest = lower.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = &lower[..lower.len() - rest.len()];
    let unit = rest.strip_prefix(' ').unwrap_or(rest);
    let unit = unit.strip_suffix('b').unwrap_or(unit);
    let factor = match unit.strip_suffix('i').unwrap_or(unit) {
        "" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "g" => 1e9,
        "t" => 1e12,
        "p" => 1e15,
        _ => return None,
    };
    // "1." and ".5" are numbers for Rust, not for Docker.
    if !number.starts_with(|c: char| c.is_ascii_digit()) || number.ends_with('.') {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; what is too large becomes the largest"
    )]
    Some((number * factor) as u64)
}

/// What the supervisor is to record of a container, if anything; refuses options as dockerd does.
pub(crate) fn spec(container: &Container) -> Result<Option<LogSpec>> {
    let log = &container.host.log;
    if log.driver() == NONE {
        return Ok(None);
    }
    Ok(Some(LogSpec {
        // Paths below the data root are UTF-8.
        path: container.log_path.to_string_lossy().into_owned(),
        rotation: log.rotation()?,
        attributes: attributes(container)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(driver: &str, options: &[(&str, &str)]) -> LogConfig {
        let option = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        LogConfig {
            driver: driver.to_owned(),
            options: options.iter().map(option).collect(),
        }
    }

    #[test]
    fn sizes_are_dockers() {
        for (text, bytes) in [
            ("10", 10),
            ("10m", 10_000_000),
            ("10M", 10_000_000),
            ("1.5k", 1500),
            ("2 KiB", 2000),
            ("3gb", 3_000_000_000),
            ("0", 0),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in [
            "", "m", "-1", "1x", "1.", ".5", "1..2", "10  m", "1e3", "１",
        ] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn every_driver_rotates_as_it_is_told() {
        let rotation = |max_size, max_files, compress| {
            Some(LogRotation {
                max_size,
                max_files,
                compress,
            })
        };
        for (driver, options, expected) in [
            ("", &[][..], None),
            ("json-file", &[("max-file", "3")], None),
            (
                "json-file",
                &[("max-size", "1k"), ("mode", "blocking")],
                rotation(1000, 1, false),
            ),
            (
                "",
                &[("max-size", "1k"), ("max-file", "3"), ("compress", "true")],
                rotation(1000, 3, true),
            ),
            ("local", &[], rotation(20 * 1024 * 1024, 5, true)),
            (
                "syslog",
                &[("cache-max-size", "1k"), ("mode", "non-blocking")],
                rotation(1000, 5, true),
            ),
            (
                "local",
                &[("max-file", "0"), ("compress", "f")],
                rotation(20 * 1024 * 1024, 1, false),
            ),
        ] {
            assert_eq!(config(driver, options).rotation().unwrap(), expected);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_in_dockers_words() {
        for (driver, options, sentence) in [
            (
                "json-file",
                &[("x", "1")][..],
                "unknown log opt 'x' for json-file log driver",
            ),
            (
                "local",
                &[("x", "1")],
                "unknown log opt 'x' for log driver local",
            ),
            ("", &[("max-file", "0")], "max-file cannot be less than 1"),
            (
                "",
                &[("max-size", "0")],
                "max-size must be a positive number",
            ),
            (
                "",
                &[("max-size", "big")],
                "invalid value for max-size: big: invalid size: 'big'",
            ),
            (
                "",
                &[("max-file", "few")],
                "invalid value for max-file: few: strconv.Atoi: parsing \"few\": invalid syntax",
            ),
            (
                "",
                &[("compress", "yes")],
                "invalid boolean value for compress: strconv.ParseBool: parsing \"yes\": invalid syntax",
            ),
            (
                "",
                &[("compress", "true"), ("max-size", "1m")],
                "compress cannot be true when max-file is less than 2 or max-size is not set",
            ),
            (
                "local",
                &[("max-file", "1")],
                "compression cannot be enabled when max file count is 1",
            ),
            (
                "",
                &[("mode", "x")],
                "logger: logging mode not supported: x",
            ),
            (
                "",
                &[("mode", "non-blocking"), ("max-buffer-size", "much")],
                "error parsing option max-buffer-size: invalid size: 'much'",
            ),
            (
                "syslog",
                &[("cache-disabled", "perhaps")],
                "invalid value for option cache-disabled: perhaps",
            ),
            (
                "journald",
                &[("max-size", "1m")],
                "unknown log opt 'max-size' for journald log driver",
            ),
            (
                "",
                &[("max-buffer-size", "1m")],
                "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
            ),
            (
                "splunk",
                &[],
                "logger: no log driver named 'splunk' is registered: this version of Porthole has \
                 fluentd, gelf, journald, json-file, local, syslog and none",
            ),
        ] {
            let error = config(driver, options).rotation().unwrap_err();
            assert_eq!(error.to_string(), sentence);
            assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        }
    }
}
