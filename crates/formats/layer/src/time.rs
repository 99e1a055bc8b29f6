//! Windows' time stamps as PAX records write them.

/// A `FILETIME`: units of 100 ns since 1601-01-01 UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime(pub u64);

/// Units of 100 ns in a second.
const SECOND: i128 = 10_000_000;
/// Units from 1601-01-01 to 1970-01-01.
const EPOCH: i128 = 11_644_473_600 * SECOND;

impl FileTime {
    /// The time that is `seconds` and `nanoseconds` after 1970-01-01 UTC, rounded down to 100 ns.
    /// Times before 1601 become that of 1601, and those after 60056 the last possible.
    #[must_use]
    pub fn from_unix(seconds: i64, nanoseconds: u32) -> Self {
        let units = EPOCH + i128::from(seconds) * SECOND + i128::from(nanoseconds / 100);
        Self(u64::try_from(units.max(0)).unwrap_or(u64::MAX))
    }

    /// Whole seconds since 1970-01-01 UTC, and nanoseconds after them.
    #[must_use]
    pub fn to_unix(self) -> (i64, u32) {
        let units = i128::from(self.0) - EPOCH;
        let seconds = i64::try_from(units.div_euclid(SECOND)).unwrap_or(i64::MAX);
        (
            seconds,
            u32::try_from(units.rem_euclid(SECOND)).unwrap_or(0) * 100,
        )
    }

    /// As in a PAX record: seconds, and a fraction where there is one.
    pub(crate) fn to_pax(self) -> String {
        let units = i128::from(self.0) - EPOCH;
        let (sign, units) = if units < 0 {
            ("-", -units)
        } else {
            ("", units)
        };
        let (seconds, fraction) = (units / SECOND, units % SECOND);
        if fraction == 0 {
            return format!("{sign}{seconds}");
        }
        format!("{sign}{seconds}.{fraction:07}")
            .trim_end_matches('0')
            .to_owned()
    }

    /// From a PAX record.
    pub(crate) fn from_pax(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if seconds.is_empty() || !digits(seconds) || !digits(fraction) {
            return None;
        }
        let seconds: i64 = seconds.parse().ok()?;
        let mut fraction_units = 0;
        for index in 0..7 {
            let digit = fraction.as_bytes().get(index).map_or(0, |byte| byte - b'0');
            fraction_units = fraction_units * 10 + i128::from(digit);
        }
        let units = i128::from(seconds) * SECOND + fraction_units;
        let units = EPOCH + if negative { -units } else { units };
        u64::try_from(units).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::FileTime;

    #[test]
    fn pax_times_keep_units_of_100_nanoseconds() {
        let time = FileTime::from_unix(1_600_000_000, 123_456_700);
        assert_eq!(time.to_pax(), "1600000000.1234567");
        assert_eq!(FileTime::from_pax("1600000000.1234567"), Some(time));
        assert_eq!(FileTime::from_pax("1600000000.123456799"), Some(time));
        assert_eq!(FileTime::from_unix(7, 0).to_pax(), "7");
        assert_eq!(time.to_unix(), (1_600_000_000, 123_456_700));
    }

    #[test]
    fn times_before_1970_are_negative() {
        let time = FileTime::from_unix(-2, 500_000_000);
        assert_eq!(time.to_pax(), "-1.5");
        assert_eq!(FileTime::from_pax("-1.5"), Some(time));
        assert_eq!(FileTime::from_pax(&FileTime(0).to_pax()), Some(FileTime(0)));
    }

    #[test]
    fn other_text_is_no_time() {
        for text in [
            "",
            "-",
            "1e5",
            "1.x",
            "--1",
            "99999999999999999999",
            "-99999999999",
        ] {
            assert_eq!(FileTime::from_pax(text), None, "{text}");
        }
    }
}
