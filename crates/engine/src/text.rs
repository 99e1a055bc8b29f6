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
