//! Times as Docker writes them: RFC 3339 with up to nine digits of fraction.

use std::fmt;
use std::str::FromStr;

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Nanoseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time: RFC 3339 or seconds since 1970, with or without a fraction")]
pub struct TimestampError(String);

impl Timestamp {
    /// Parses what clients send as `since` and `until`: seconds since 1970-01-01 UTC with up to
    /// nine digits of fraction, or RFC 3339.
    ///
    /// # Errors
    /// Any other text, and times that do not fit.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        from_seconds(text)
            .or_else(|| from_rfc3339(text))
            .ok_or_else(|| TimestampError(text.to_owned()))
    }
}

fn from_seconds(text: &str) -> Option<Timestamp> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.is_empty() || fraction.len() > 9 || !is_number(seconds) || !is_number(fraction) {
        return None;
    }
    let nanoseconds: i64 = format!("{fraction:0<9}").parse().ok()?;
    let seconds: i64 = seconds.parse().ok()?;
    let total = seconds
        .checked_mul(1_000_000_000)?
        .checked_add(nanoseconds)?;
    Some(Timestamp(sign * total))
}

fn from_rfc3339(text: &str) -> Option<Timestamp> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos())
        .ok()
        .map(Timestamp)
}

/// Go's `RFC3339Nano` in UTC: no fraction where it is zero, else without zeros at its end.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0))
            .map_err(|_| fmt::Error)?;
        let time = time.to_offset(UtcOffset::UTC);
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        let (hour, minute, second) = time.to_hms();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        match time.nanosecond() {
            0 => f.write_str("Z"),
            fraction => write!(f, ".{}Z", format!("{fraction:09}").trim_end_matches('0')),
        }
    }
}

/// Parses RFC 3339 only.
impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        from_rfc3339(text).ok_or_else(|| TimestampError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn times_are_written_as_go_writes_them() {
        assert_eq!(
            Timestamp(1_600_000_000_000_000_000).to_string(),
            "2020-09-13T12:26:40Z"
        );
        assert_eq!(
            Timestamp(1_600_000_000_120_000_000).to_string(),
            "2020-09-13T12:26:40.12Z"
        );
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn every_form_that_clients_send_is_parsed() {
        for (text, nanoseconds) in [
            ("1600000000", 1_600_000_000_000_000_000),
            ("1600000000.12", 1_600_000_000_120_000_000),
            ("-1.5", -1_500_000_000),
            ("2020-09-13T12:26:40Z", 1_600_000_000_000_000_000),
            ("2020-09-13T14:26:40.5+02:00", 1_600_000_000_500_000_000),
        ] {
            assert_eq!(Timestamp::parse(text), Ok(Timestamp(nanoseconds)), "{text}");
        }
        for text in [
            "",
            "now",
            "1.1234567891",
            "99999999999999999999",
            "2020-13-01T00:00:00Z",
            "1e9",
        ] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_extremes_come_back() {
        for nanoseconds in [i64::MIN, -1, 0, 1, i64::MAX] {
            let time = Timestamp(nanoseconds);
            assert_eq!(time.to_string().parse(), Ok(time));
        }
    }
}
