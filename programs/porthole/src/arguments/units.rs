//! Values of options in Docker's units: sizes, durations, processors.

/// A whole number of seconds; a negative one is for ever.
pub(crate) fn seconds(text: &str) -> Result<i32, String> {
    let number = text.parse();
    number.map_err(|_| "expected a whole number of seconds, as in 10, or -1 for ever".to_owned())
}

/// Bytes with a binary unit: `512m`, `1.5GiB`, `1024`.
pub(crate) fn bytes(text: &str) -> Result<i64, String> {
    let wrong =
        || format!("{text:?} is no size: expected a number with b, k, m, g or t, as in 512m");
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = lower[number.len()..]
        .trim_end_matches("ib")
        .trim_end_matches('b');
    let exponent = match unit {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(wrong()),
    };
    decimal(number.trim(), 1024_i128.pow(exponent)).ok_or_else(wrong)
}

/// Bytes; `-1` means that there is no limit.
pub(crate) fn bytes_or_unlimited(text: &str) -> Result<i64, String> {
    if text == "-1" {
        return Ok(-1);
    }
    bytes(text)
}

/// Processors as thousand-millionths: `1.5` is 1 500 000 000.
pub(crate) fn nano_cpus(text: &str) -> Result<i64, String> {
    decimal(text, 1_000_000_000).ok_or_else(|| {
        format!("{text:?} is no number of processors: expected a number such as 2 or 0.5")
    })
}

/// A duration in Go's form, as nanoseconds: `1m30s`, `500ms`, `0`.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    let wrong =
        || format!("{text:?} is no duration: expected a number with ms, s, m or h, as in 1m30s");
    if text == "0" {
        return Ok(0);
    }
    let mut rest = text;
    let mut total = 0_i64;
    while !rest.is_empty() {
        let number = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let (value, after) = rest.split_at(number);
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let factor = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(wrong()),
        };
        let part = decimal(value, factor).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = after;
    }
    if text.is_empty() {
        Err(wrong())
    } else {
        Ok(total)
    }
}

/// A decimal number that is not negative, times `factor`, cut to a whole number. Exact, as a
/// floating-point number would not be.
fn decimal(text: &str, factor: i128) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.len() <= 18 && part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let number: i128 = format!("0{whole}{fraction}").parse().ok()?;
    i64::try_from(number.checked_mul(factor)? / scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_as_dockers() {
        for (text, expected) in [
            ("1024", 1024),
            ("512m", 512 << 20),
            ("512MB", 512 << 20),
            ("1.5GiB", 3 << 29),
            ("0", 0),
            ("6 k", 6144),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "m", "-1", "1x", "1..2", "9999999t9", "99999999p"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert_eq!(bytes_or_unlimited("-1"), Ok(-1));
    }

    #[test]
    fn durations_are_gos() {
        for (text, expected) in [
            ("1m30s", 90_000_000_000),
            ("500ms", 500_000_000),
            ("1.5h", 5_400_000_000_000),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Ok(expected), "{text}");
        }
        for text in ["", "5", "s", "1d", "1s2", "-1s", "99999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn processors_are_exact() {
        assert_eq!(nano_cpus("0.1"), Ok(100_000_000));
        assert_eq!(nano_cpus("2"), Ok(2_000_000_000));
        assert!(nano_cpus("two").is_err() && nano_cpus("-1").is_err());
    }
}
