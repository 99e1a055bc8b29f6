//! What containers changed: files, and the registry.

use porthole_engine::container::changes::{Change, ChangeKind};
use porthole_engine::container::registry::{
    RegistryChange, RegistryChangeKind, RegistryData, RegistryValue,
};
use serde_json::{Value, json};

/// The answer to `GET /containers/{id}/changes`: null when there are none, as in dockerd.
pub(crate) fn changes(changes: &[Change]) -> Value {
    if changes.is_empty() {
        return Value::Null;
    }
    let row = |change: &Change| {
        let kind = match change.kind {
            ChangeKind::Modified => 0,
            ChangeKind::Added => 1,
            ChangeKind::Deleted => 2,
        };
        json!({ "Path": change.path, "Kind": kind })
    };
    changes.iter().map(row).collect()
}

/// The answer to `GET /porthole/registry`.
pub(crate) fn registry(changes: &[RegistryChange]) -> Value {
    let row = |change: &RegistryChange| {
        let mut row = json!({ "Key": change.key });
        let (kind, value, old, new) = match &change.kind {
            RegistryChangeKind::KeyAdded => ("KeyAdded", None, None, None),
            RegistryChangeKind::KeyChanged => ("KeyChanged", None, None, None),
            RegistryChangeKind::KeyDeleted => ("KeyDeleted", None, None, None),
            RegistryChangeKind::ValueAdded { name, new } => {
                ("ValueAdded", Some(name), None, Some(new))
            }
            RegistryChangeKind::ValueChanged { name, old, new } => {
                ("ValueChanged", Some(name), Some(old), Some(new))
            }
            RegistryChangeKind::ValueDeleted { name, old } => {
                ("ValueDeleted", Some(name), Some(old), None)
            }
        };
        row["Change"] = json!(kind);
        if let Some(name) = value {
            row["Value"] = json!(name);
        }
        for (member, value) in [("Old", old), ("New", new)] {
            if let Some(value) = value {
                row[member] = data(value);
            }
        }
        row
    };
    changes.iter().map(row).collect()
}

fn data(value: &RegistryValue) -> Value {
    let data = match &value.data {
        RegistryData::Text(text) => json!(text),
        RegistryData::Texts(texts) => json!(texts),
        RegistryData::Number(number) => json!(number),
        // As regedit shows them.
        RegistryData::Bytes(bytes) => {
            let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!(bytes.join(" "))
        }
    };
    json!({ "Type": value.kind, "Data": data })
}
