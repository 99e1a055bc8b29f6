//! Moments as docker's users write and read them.

use anyhow::{Result, bail};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime};

use crate::arguments::units;

/// The Unix time, with nanoseconds, of what `--since` and `--until` say: a Unix time, a time of day
/// (`2026-01-02T03:04:05Z`, `2026-01-02T03:04:05`, `2026-01-02`, UTC), or how long ago (`10m`).
pub(crate) fn parse(text: &str, now: OffsetDateTime) -> Result<String> {
    let is_unix = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    if is_unix(text) {
        return Ok(text.to_owned());
    }
    let moment = if let Ok(ago) = units::duration(text) {
        now - Duration::nanoseconds(ago)
    } else if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        moment
    } else if let Ok(moment) = PrimitiveDateTime::parse(
        text,
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]"),
    ) {
        moment.assume_utc()
    } else if let Ok(day) = Date::parse(text, format_description!("[year]-[month]-[day]")) {
        day.midnight().assume_utc()
    } else {
        bail!("{text:?} is no time: expected for example 10m, 2026-01-02T03:04:05Z or a Unix time");
    };
    Ok(format!(
        "{}.{:09}",
        moment.unix_timestamp(),
        moment.nanosecond()
    ))
}

/// A Unix time in docker's lists: `2026-01-02 03:04:05 +0000 UTC`.
pub(crate) fn at(seconds: i64) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] +0000 UTC");
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| moment.format(form).ok())
        .unwrap_or_default()
}

/// How long ago a Unix time is, in docker's words: `3 hours ago`.
pub(crate) fn ago(seconds: i64, now: OffsetDateTime) -> String {
    let past = now.unix_timestamp().saturating_sub(seconds).max(0);
    let (minutes, hours) = (past / 60, (past + 1800) / 3600);
    let words = match past {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{past} seconds"),
        _ if minutes == 1 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    };
    format!("{words} ago")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05.5 UTC);

    #[test]
    fn moments_are_unix_times_for_the_daemon() {
        for (text, expected) in [
            ("1700000000.25", "1700000000.25"),
            ("10m", "1767322445.500000000"),
            ("2026-01-02T03:04:05Z", "1767323045.000000000"),
            ("2026-01-02T05:04:05+02:00", "1767323045.000000000"),
            ("2026-01-02T03:04:05", "1767323045.000000000"),
            ("2026-01-02", "1767312000.000000000"),
        ] {
            assert_eq!(parse(text, NOW).expect(text), expected);
        }
        assert!(parse("yesterday", NOW).is_err() && parse("", NOW).is_err());
    }

    #[test]
    fn the_past_is_told_in_dockers_words() {
        let now = NOW.unix_timestamp();
        for (past, words) in [
            (0, "Less than a second ago"),
            (59, "59 seconds ago"),
            (60, "About a minute ago"),
            (3599, "59 minutes ago"),
            (5000, "About an hour ago"),
            (47 * 3600, "47 hours ago"),
            (72 * 3600, "3 days ago"),
            (40 * 86400, "5 weeks ago"),
        ] {
            assert_eq!(ago(now - past, NOW), words, "{past}");
        }
        assert_eq!(at(now), "2026-01-02 03:04:05 +0000 UTC");
    }
}
