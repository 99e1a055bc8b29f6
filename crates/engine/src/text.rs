//! Durations and sizes in the words that Docker clients show.

use time::Duration;

/// A rough duration: `3 seconds`, `About an hour`, `5 weeks`.
pub(crate) fn duration(duration: Duration) -> String {
    let (seconds, minutes) = (duration.whole_seconds(), duration.whole_minutes());
    // Docker rounds hours to the nearest, everything else down.
    let hours = (duration + Duration::minutes(30)).whole_hours();
    match (seconds, minutes, hours) {
        (..1, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, ..60, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".to_owned(),
        (.., ..48) => format!("{hours} hours"),
        (.., ..336) => format!("{} days", hours / 24),
        (.., ..1440) => format!("{} weeks", hours / 24 / 7),
        (.., ..17520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", duration.whole_days() / 365),
    }
}

/// A duration as Go prints it: `1h0m30s`, `1.5s`, `200ms`.
pub(crate) fn go_duration(duration: std::time::Duration) -> String {
    let fraction = |nanoseconds: u128, unit: u128| {
        let width = unit.ilog10() as usize;
        let digits = format!("{}.{:0width$}", nanoseconds / unit, nanoseconds % unit);
        digits
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned()
    };
    let nanoseconds = duration.as_nanos();
    let (hours, minutes) = (duration.as_secs() / 3600, duration.as_secs() / 60 % 60);
    let seconds = fraction(nanoseconds % 60_000_000_000, 1_000_000_000);
    match (nanoseconds, hours, minutes) {
        (0, ..) => "0s".to_owned(),
        (..1_000, ..) => format!("{nanoseconds}ns"),
        (..1_000_000, ..) => format!("{}µs", fraction(nanoseconds, 1_000)),
        (..1_000_000_000, ..) => format!("{}ms", fraction(nanoseconds, 1_000_000)),
        (_, 0, 0) => format!("{seconds}s"),
        (_, 0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// A size with four digits at most: `2.746MB`.
#[expect(clippy::cast_precision_loss, reason = "only four digits are shown")]
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = match value {
        ..10.0 => 3,
        ..100.0 => 2,
        ..1000.0 => 1,
        _ => 0,
    };
    let digits = format!("{value:.decimals$}");
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        &digits
    };
    format!("{digits}{}", UNITS[unit])
}

/// Processor time as Windows' `docker top` shows it: `00:00:01.250`.
pub(crate) fn processor_time(units_of_100ns: u64) -> String {
    let milliseconds = units_of_100ns / 10_000;
    let (seconds, milliseconds) = (milliseconds / 1000, milliseconds % 1000);
    format!(
        "{:02}:{:02}:{:02}.{milliseconds:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_dockers_words() {
        let cases = [
            (Duration::milliseconds(999), "Less than a second"),
            (Duration::seconds(1), "1 second"),
            (Duration::seconds(59), "59 seconds"),
            (Duration::seconds(60), "About a minute"),
            (Duration::minutes(59), "59 minutes"),
            (Duration::minutes(60), "About an hour"),
            (Duration::minutes(89), "About an hour"),
            (Duration::minutes(90), "2 hours"),
            (Duration::hours(47), "47 hours"),
            (Duration::hours(48), "2 days"),
            (Duration::days(14), "2 weeks"),
            (Duration::days(60), "2 months"),
            (Duration::days(730), "2 years"),
        ];
        for (value, expected) in cases {
            assert_eq!(duration(value), expected);
        }
    }

    #[test]
    fn durations_are_written_as_in_go() {
        let cases = [
            (0, "0s"),
            (7, "7ns"),
            (1_500, "1.5µs"),
            (200_000_000, "200ms"),
            (1_500_000_000, "1.5s"),
            (30_000_000_000, "30s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
        ];
        for (nanoseconds, expected) in cases {
            let duration = std::time::Duration::from_nanos(nanoseconds);
            assert_eq!(go_duration(duration), expected);
        }
    }

    #[test]
    fn sizes_have_four_digits() {
        let cases = [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1_234_567, "1.235MB"),
            (24_580_000, "24.58MB"),
            (110_000_000, "110MB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn processor_time_counts_hours() {
        assert_eq!(processor_time(0), "00:00:00.000");
        assert_eq!(processor_time(36_615_000_000), "01:01:01.500");
    }
}
