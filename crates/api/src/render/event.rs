//! Events.

use porthole_engine::event::{Event, ObjectKind};
use serde_json::{Value, json};

/// One line of `GET /events`. Containers and images have Docker's old members too, which scripts
/// still read.
pub(crate) fn message(event: &Event) -> Value {
    let nanoseconds = i64::try_from(event.time.unix_timestamp_nanos()).unwrap_or(i64::MAX);
    let mut message = json!({
        "Type": event.kind.name(),
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "scope": "local",
        "time": event.time.unix_timestamp(),
        "timeNano": nanoseconds,
    });
    if matches!(event.kind, ObjectKind::Container | ObjectKind::Image) {
        message["status"] = json!(event.action);
        message["id"] = json!(event.id);
    }
    if event.kind == ObjectKind::Container
        && let Some(image) = event.attributes.get("image")
    {
        message["from"] = json!(image);
    }
    message
}
