//! Progress of long operations: one JSON object a line, as docker draws its bars from.

use porthole_engine::image::progress::Progress;
use serde_json::{Value, json};

use crate::error::ApiError;

/// One line of the stream.
pub(crate) fn message(progress: &Progress) -> Value {
    match progress {
        Progress::Status { id: None, status } => json!({ "status": status }),
        Progress::Status {
            id: Some(id),
            status,
        } => json!({ "status": status, "id": id }),
        // docker gives a line of its own to what has this member.
        Progress::Layer { id, status } => {
            json!({ "status": status, "progressDetail": {}, "id": id })
        }
        Progress::Bytes {
            id,
            status,
            current,
            total,
        } => {
            let mut detail = json!({ "current": current });
            if let Some(total) = total {
                detail["total"] = json!(total);
            }
            let bar = bar(*current, total.unwrap_or_default());
            json!({ "status": status, "progressDetail": detail, "progress": bar, "id": id })
        }
        Progress::Text(text) => json!({ "stream": format!("{text}\n") }),
        Progress::Pushed { tag, digest, size } => {
            json!({ "progressDetail": {}, "aux": { "Tag": tag, "Digest": digest, "Size": size } })
        }
    }
}

/// The line of a failure, when the head of the answer has gone out already.
pub(crate) fn failure(error: &ApiError) -> Value {
    let message = error.message();
    json!({ "errorDetail": { "message": message }, "error": message })
}

/// What clients without a drawing of their own show.
fn bar(current: u64, total: u64) -> String {
    const WIDTH: u64 = 50;
    if total == 0 {
        return format!("{:>8}", size(current));
    }
    let share = u128::from(current) * u128::from(WIDTH) / u128::from(total);
    let done = usize::try_from(share).unwrap_or(usize::MAX).min(50);
    let (done, left) = ("=".repeat(done), " ".repeat(50 - done));
    format!("[{done}>{left}] {:>8}/{}", size(current), size(total))
}

/// Bytes with four digits and a unit, as Docker writes them.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let whole = value.log10().max(0.0).floor();
    let decimals = if whole >= 3.0 {
        0
    } else if whole >= 2.0 {
        1
    } else if whole >= 1.0 {
        2
    } else {
        3
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_dockers() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1024, "1.024kB"),
            (12_345_678, "12.35MB"),
            (523_456_789, "523.5MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_bar_is_never_longer_than_its_frame() {
        assert_eq!(bar(5, 0), "      5B");
        assert!(bar(500, 1000).starts_with(&format!("[{}>{}] ", "=".repeat(25), " ".repeat(25))));
        assert!(bar(u64::MAX, 1).starts_with(&format!("[{}>] ", "=".repeat(50))));
    }

    #[test]
    fn only_layers_have_lines_of_their_own() {
        let tag = Progress::Status {
            id: Some("latest".to_owned()),
            status: "Pulling from x".to_owned(),
        };
        assert_eq!(
            message(&tag),
            json!({ "status": "Pulling from x", "id": "latest" })
        );
        let layer = Progress::Layer {
            id: "abc".to_owned(),
            status: "Waiting".to_owned(),
        };
        assert_eq!(
            message(&layer),
            json!({ "status": "Waiting", "progressDetail": {}, "id": "abc" })
        );
    }
}
