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
        RegistryData::Bytes(bytes) => json!(hexadecimal(bytes)),
    };
    json!({ "Type": value.kind, "Data": data })
}

/// Bytes as regedit shows them: two digits each, with blanks between. There may be millions.
fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let mut text = String::with_capacity(bytes.len() * 3);
    for byte in bytes {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_regedit_does() {
        assert_eq!(hexadecimal(&[]), "");
        assert_eq!(hexadecimal(&[0, 0x1f, 0xa0]), "00 1f a0");
    }
}
