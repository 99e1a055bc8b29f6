//! Points in time as filters give them.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime};

/// Units of Go's durations, the longer names first.
const UNITS: &[(&str, f64)] = &[
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// Reads a point in time as Docker's filters have it: a duration before `now` in Go's form
/// (`1h30m`), seconds since 1970, RFC 3339, or a date with or without a time, in UTC.
pub(crate) fn parse(text: &str, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let seconds = |text: &str| {
        text.parse::<f64>()
            .ok()
            .filter(|seconds| seconds.is_finite())
    };
    if let Some(before) = duration(text) {
        return now.checked_sub(Duration::checked_seconds_f64(before)?);
    }
    if let Some(since_1970) = seconds(text) {
        return OffsetDateTime::UNIX_EPOCH.checked_add(Duration::checked_seconds_f64(since_1970)?);
    }
    let time = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let date = format_description!("[year]-[month]-[day]");
    OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| PrimitiveDateTime::parse(text, &time).map(PrimitiveDateTime::assume_utc))
        .or_else(|_| Date::parse(text, &date).map(|date| date.midnight().assume_utc()))
        .ok()
}

/// Nanoseconds of a duration such as `1h30m`.
pub(crate) fn nanoseconds(text: &str) -> Option<i64> {
    let length = Duration::checked_seconds_f64(duration(text)?)?;
    i64::try_from(length.whole_nanoseconds()).ok()
}

/// Seconds of a duration such as `1h30m` or `1.5h`.
fn duration(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (name, factor) = UNITS
            .iter()
            .filter(|(name, _)| rest.starts_with(name))
            .max_by_key(|(name, _)| name.len())?;
        seconds += number * factor;
        rest = &rest[name.len()..];
    }
    (!text.is_empty()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn durations_count_back_and_dates_do_not() {
        let now = datetime!(2026-11-24 12:00 UTC);
        for (text, expected) in [
            ("1h30m", Some(datetime!(2026-11-24 10:30 UTC))),
            ("1.5h", Some(datetime!(2026-11-24 10:30 UTC))),
            ("500ms", Some(datetime!(2026-11-24 11:59:59.5 UTC))),
            ("1700000000", Some(datetime!(2023-11-14 22:13:20 UTC))),
            ("2026-11-01", Some(datetime!(2026-11-01 0:00 UTC))),
            (
                "2026-11-01T02:03:04",
                Some(datetime!(2026-11-01 2:03:04 UTC)),
            ),
            (
                "2026-11-01T02:03:04+01:00",
                Some(datetime!(2026-11-01 1:03:04 UTC)),
            ),
            ("", None),
            ("h", None),
            ("1x", None),
            ("1e300h", None),
            ("soon", None),
            ("inf", None),
        ] {
            assert_eq!(parse(text, now), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_counted_in_nanoseconds() {
        assert_eq!(nanoseconds("1m1.5s"), Some(61_500_000_000));
        for none in ["", "5", "soon", "1e9h", "9999999h"] {
            assert_eq!(nanoseconds(none), None, "{none}");
        }
    }
}
