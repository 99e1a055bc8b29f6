//! Times as Docker writes and reads them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::error::ApiError;

/// Go's zero time: "never".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// `2026-11-24T04:00:00.123456789Z`, as short as it can be.
pub(crate) fn rfc3339(time: OffsetDateTime) -> String {
    time.to_offset(time::UtcOffset::UTC)
        .format(&Rfc3339)
        .unwrap_or_else(|_| NEVER.to_owned())
}

/// The same, or Go's zero time.
pub(crate) fn rfc3339_or_never(time: Option<OffsetDateTime>) -> String {
    time.map_or_else(|| NEVER.to_owned(), rfc3339)
}

/// With nine digits of the second always, as in front of log lines.
pub(crate) fn fixed(time: OffsetDateTime) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:9]Z");
    time.to_offset(time::UtcOffset::UTC)
        .format(&format)
        .unwrap_or_else(|_| NEVER.to_owned())
}

/// Reads seconds since 1970 with up to nine digits after a dot, or RFC 3339.
pub(crate) fn parse(name: &str, text: &str) -> Result<OffsetDateTime, ApiError> {
    unix(text)
        .or_else(|| OffsetDateTime::parse(text, &Rfc3339).ok())
        .ok_or_else(|| {
            ApiError::bad_parameter(format!(
                "invalid value for \"{name}\": {text:?} is not a time"
            ))
        })
}

fn unix(text: &str) -> Option<OffsetDateTime> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: i128 = format!("{fraction:0<9}").parse().ok()?;
    let seconds: i64 = seconds.parse().ok()?;
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(seconds) * 1_000_000_000 + nanoseconds)
        .ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_are_written_as_in_go() {
        let time = datetime!(2026-11-24 04:00:00.12 UTC);
        assert_eq!(rfc3339(time), "2026-11-24T04:00:00.12Z");
        assert_eq!(fixed(time), "2026-11-24T04:00:00.120000000Z");
        assert_eq!(rfc3339_or_never(None), "0001-01-01T00:00:00Z");
    }

    #[test]
    fn unix_and_calendar_times_are_read() {
        let expected = datetime!(2023-11-14 22:13:20.5 UTC);
        assert_eq!(parse("since", "1700000000.5").ok(), Some(expected));
        assert_eq!(parse("since", "1700000000.500000000").ok(), Some(expected));
        assert_eq!(
            parse("since", "2023-11-14T22:13:20.5Z").ok(),
            Some(expected)
        );
        for wrong in ["soon", "1.x", "1.0000000000", ""] {
            assert!(parse("since", wrong).is_err(), "{wrong}");
        }
    }
}
