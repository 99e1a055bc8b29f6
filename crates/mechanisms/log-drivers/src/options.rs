//! Reading options as Go reads them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Error, Result};

/// Options as the client gave them.
pub(crate) type Options = BTreeMap<String, String>;

pub(crate) fn refuse<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::Option(text.into()))
}

/// An option that is there and not empty.
pub(crate) fn given<'a>(options: &'a Options, name: &str) -> Option<&'a str> {
    let value = options.get(name).map(String::as_str);
    value.filter(|value| !value.is_empty())
}

/// What Go's `ParseBool` takes.
pub(crate) fn switch(options: &Options, name: &str) -> Result<bool> {
    match given(options, name) {
        None => Ok(false),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(text) => refuse(format!(
            "strconv.ParseBool: parsing {text:?}: invalid syntax"
        )),
    }
}

/// What Go's `Atoi` takes.
pub(crate) fn number(options: &Options, name: &str) -> Result<Option<i64>> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|_| Error::Option(format!("strconv.Atoi: parsing {text:?}: invalid syntax")))
    };
    given(options, name).map(parse).transpose()
}

/// What Go's `ParseDuration` takes, without a sign: `1s`, `1.5h`, `1m30s`.
pub(crate) fn duration(options: &Options, name: &str) -> Result<Option<Duration>> {
    let parse = |text: &str| {
        parse_duration(text)
            .ok_or_else(|| Error::Option(format!("time: invalid duration {text:?}")))
    };
    given(options, name).map(parse).transpose()
}

fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(unit);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after) = after.split_at(end.unwrap_or(after.len()));
        let factor = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let seconds = number.parse::<f64>().ok()? * factor;
        total = total.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, milliseconds) in [("0", 0), ("1s", 1000), ("1m1.5s", 61_500), ("250ms", 250)] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "1",
            "s",
            "1x",
            "-1s",
            "1..s",
            "99999999999999999999999h",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
