//! `porthole diff --registry`: keys and values that a container, or an image over another, changed.

use porthole_compute_service::registry::{HiveChange, RegistryChain, RegistryChanges};
use porthole_compute_service::settings::SiloUser;
use porthole_registry::change::{self, ChangeKind};
use porthole_registry::{Name, Value, ValueKind, regf};
use porthole_store::Image;

use crate::container::{hives, user};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::image::base;

/// A key or value that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryChange {
    /// The key, for example `HKLM\SOFTWARE\Vendor`.
    pub key: String,
    /// What happened.
    pub kind: RegistryChangeKind,
}

/// What happened to a key or value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryChangeKind {
    /// The key is new.
    KeyAdded,
    /// Its class, link or security is another; of `HKLM` itself, which no hive holds, a value.
    KeyChanged,
    /// The key is gone.
    KeyDeleted,
    /// The value is new.
    ValueAdded {
        /// Its name; empty for the key's default value.
        name: String,
        /// What it is.
        new: RegistryValue,
    },
    /// The value is another.
    ValueChanged {
        /// Its name.
        name: String,
        /// What it was.
        old: RegistryValue,
        /// What it is.
        new: RegistryValue,
    },
    /// The value is gone.
    ValueDeleted {
        /// Its name.
        name: String,
        /// What it was.
        old: RegistryValue,
    },
}

/// A value as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryValue {
    /// `REG_SZ` and so on.
    pub kind: String,
    /// Its data.
    pub data: RegistryData,
}

/// A value's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryData {
    /// A string.
    Text(String),
    /// Several.
    Texts(Vec<String>),
    /// A number.
    Number(u64),
    /// Anything else.
    Bytes(Vec<u8>),
}

/// What the container or the image `name` changed: a container over its image; an image over the
/// image `over`, else over the one that it was made from.
pub(crate) async fn changes(
    context: &Context,
    name: &str,
    over: Option<&str>,
) -> Result<Vec<RegistryChange>> {
    let changes = match context.containers.find(name) {
        Ok(_) if over.is_some() => {
            return Err(Error::invalid(format!(
                "{name} is a container, which is compared with its own image: name no other"
            )));
        }
        Ok(handle) => hives::changes(context, &handle).await?,
        Err(error) if error.kind() == ErrorKind::NotFound => of_image(context, name, over).await?,
        Err(error) => return Err(error),
    };
    context.records.work(move |_| listed(&changes)).await
}

async fn of_image(context: &Context, name: &str, over: Option<&str>) -> Result<RegistryChanges> {
    let image = context.records.find_image(name).await?;
    let below = match over {
        Some(over) => Some(context.records.find_image(over).await?),
        None => match image.parent {
            Some(parent) => context.records.image(parent).await.ok(),
            None => None,
        },
    };
    let after = chain(context, &image).await?;
    let before = match below {
        Some(below) => chain(context, &below).await?,
        // An image from elsewhere: what its topmost layer changed.
        None => RegistryChain {
            layers: after.layers.iter().skip(1).cloned().collect(),
            ..after.clone()
        },
    };
    let compared = context.compute.registry_difference(&before, &after).await;
    compared.map_err(|error| Error::system("cannot compare the registries").with_source(error))
}

async fn chain(context: &Context, image: &Image) -> Result<RegistryChain> {
    let mut layers: Vec<_> = image
        .layers
        .iter()
        .map(|layer| layer.directory.clone())
        .collect();
    layers.reverse();
    let mut os_version = None;
    if let Some(substituted) = &image.base {
        let (kind, shown) = (substituted.kind, image.id.short());
        let base = context
            .records
            .work(move |store| base::required(store, kind, &shown));
        let base = base.await?.layers.into_iter().rev();
        layers.extend(base.map(|layer| layer.directory));
        os_version = image
            .config
            .os_version
            .as_deref()
            .and_then(|text| text.parse().ok());
    }
    let user = if user::is_administrator(user::account(&image.config.config.user)?) {
        SiloUser::ContainerAdministrator
    } else {
        SiloUser::ContainerUser
    };
    Ok(RegistryChain {
        layers,
        os_version,
        user,
    })
}

fn listed(changes: &RegistryChanges) -> Result<Vec<RegistryChange>> {
    let mut list = List::default();
    for hive in &changes.hives {
        list.add_hive(hive)?;
    }
    for key in &changes.outside {
        list.push(match key.as_str() {
            // Values of the root's own.
            "" => RegistryChange {
                key: "HKLM".to_owned(),
                kind: RegistryChangeKind::KeyChanged,
            },
            key => RegistryChange {
                key: format!(r"HKLM\{key}"),
                kind: RegistryChangeKind::KeyAdded,
            },
        })?;
    }
    Ok(list.changes)
}

/// What is told, up to a limit: a container may have made little that takes much to tell, values
/// in a key with a long path above all.
#[derive(Default)]
struct List {
    changes: Vec<RegistryChange>,
    /// About how long it is as text, in bytes.
    size: usize,
}

impl List {
    /// The most changes that are told.
    const MOST: usize = 250_000;

    /// How long they may be together, in bytes.
    const MAX_SIZE: usize = 64 << 20;

    fn add_hive(&mut self, hive: &HiveChange) -> Result<()> {
        let read = |bytes: &[u8]| {
            regf::read(bytes)
                .map_err(|error| Error::system("cannot read a hive").with_source(error))
        };
        let (before, delta) = (read(&hive.before)?, read(&hive.delta)?);
        let mount = hive.hive.mount();
        change::visit(&before.root, &delta.root, |key, change| {
            self.push(RegistryChange {
                key: path(mount, key),
                kind: kind(change),
            })
        })
    }

    fn push(&mut self, change: RegistryChange) -> Result<()> {
        self.size = self.size.saturating_add(change.size());
        if self.changes.len() == Self::MOST || self.size > Self::MAX_SIZE {
            return Err(Error::conflict(format!(
                "more of the registry has changed than can be listed: {} changes or {} MiB",
                Self::MOST,
                Self::MAX_SIZE >> 20
            )));
        }
        self.changes.push(change);
        Ok(())
    }
}

impl RegistryChange {
    /// About how many bytes of text it takes.
    fn size(&self) -> usize {
        let (name, old, new) = match &self.kind {
            RegistryChangeKind::KeyAdded
            | RegistryChangeKind::KeyChanged
            | RegistryChangeKind::KeyDeleted => return self.key.len(),
            RegistryChangeKind::ValueAdded { name, new } => (name, None, Some(new)),
            RegistryChangeKind::ValueChanged { name, old, new } => (name, Some(old), Some(new)),
            RegistryChangeKind::ValueDeleted { name, old } => (name, Some(old), None),
        };
        let values = old.into_iter().chain(new);
        self.key.len() + name.len() + values.map(RegistryValue::size).sum::<usize>()
    }
}

impl RegistryValue {
    fn size(&self) -> usize {
        match &self.data {
            RegistryData::Text(text) => text.len(),
            // Of each the string itself, which may be empty.
            RegistryData::Texts(texts) => texts.iter().map(|text| text.len() + 24).sum(),
            RegistryData::Number(_) => 8,
            // Two digits and a blank.
            RegistryData::Bytes(bytes) => bytes.len().saturating_mul(3),
        }
    }
}

fn path(mount: &str, key: &[Name]) -> String {
    let names = key.iter().map(ToString::to_string);
    std::iter::once(mount.to_owned())
        .chain(names)
        .collect::<Vec<_>>()
        .join(r"\")
}

fn kind(kind: ChangeKind) -> RegistryChangeKind {
    match kind {
        ChangeKind::KeyAdded => RegistryChangeKind::KeyAdded,
        ChangeKind::KeyDeleted => RegistryChangeKind::KeyDeleted,
        ChangeKind::KeyChanged => RegistryChangeKind::KeyChanged,
        ChangeKind::ValueAdded(name, new) => RegistryChangeKind::ValueAdded {
            name: name.to_string(),
            new: value(&new),
        },
        ChangeKind::ValueChanged { name, old, new } => RegistryChangeKind::ValueChanged {
            name: name.to_string(),
            old: value(&old),
            new: value(&new),
        },
        ChangeKind::ValueDeleted(name, old) => RegistryChangeKind::ValueDeleted {
            name: name.to_string(),
            old: value(&old),
        },
    }
}

/// What does not suit its type is shown as bytes.
fn value(value: &Value) -> RegistryValue {
    let number = |bytes: &[u8]| match bytes {
        [a, b, c, d] => Some(u64::from(u32::from_le_bytes([*a, *b, *c, *d]))),
        bytes => bytes.try_into().ok().map(u64::from_le_bytes),
    };
    let data = match value.kind {
        ValueKind::STRING | ValueKind::EXPAND_STRING | ValueKind::LINK => {
            value.as_string().map(RegistryData::Text)
        }
        ValueKind::MULTI_STRING => value.as_multi_string().map(RegistryData::Texts),
        ValueKind::DWORD if value.data.len() == 4 => number(&value.data).map(RegistryData::Number),
        ValueKind::QWORD if value.data.len() == 8 => number(&value.data).map(RegistryData::Number),
        _ => None,
    };
    RegistryValue {
        kind: format!("{:?}", value.kind),
        data: data.unwrap_or_else(|| RegistryData::Bytes(value.data.clone())),
    }
}

#[cfg(test)]
mod tests {
    use porthole_compute_service::registry::{HiveKind, MountedHive};
    use porthole_registry::Key;

    use super::*;

    /// A hive in which a key with this path came, with so many values.
    fn came(path: &str, values: u32) -> RegistryChanges {
        let mut delta = Key::default();
        let key = delta.create(path);
        for number in 0..values {
            key.set_value(number.to_string().as_str(), Value::dword(number));
        }
        let write = |root| regf::write(&regf::Hive::delta("x", root)).unwrap();
        RegistryChanges {
            hives: vec![HiveChange {
                hive: MountedHive::Image(HiveKind::Software),
                delta: write(delta),
                before: write(Key::default()),
                whole: None,
            }],
            outside: vec!["Elsewhere".to_owned(), String::new()],
        }
    }

    #[test]
    fn a_long_path_is_not_told_for_ever() {
        let path = [["n"; 200].concat().as_str(); 500].join(r"\");
        let listed = |values| listed(&came(&path, values));
        let few = listed(3).unwrap();
        assert_eq!(few.len(), 500 + 3 + 2);
        let keys = few.iter().rev().map(|change| change.key.as_str());
        assert_eq!(
            keys.take(2).collect::<Vec<_>>(),
            ["HKLM", r"HKLM\Elsewhere"]
        );
        assert_eq!(listed(2_000).unwrap_err().kind(), ErrorKind::Conflict);
    }

    #[test]
    fn values_are_shown_by_their_types() {
        for (given, kind, data) in [
            (
                Value::string("a"),
                "REG_SZ",
                RegistryData::Text("a".to_owned()),
            ),
            (Value::dword(7), "REG_DWORD", RegistryData::Number(7)),
            (
                Value::qword(1 << 40),
                "REG_QWORD",
                RegistryData::Number(1 << 40),
            ),
            (
                Value::multi_string(&["a", "b"]),
                "REG_MULTI_SZ",
                RegistryData::Texts(vec!["a".to_owned(), "b".to_owned()]),
            ),
            (
                Value::binary([1, 2]),
                "REG_BINARY",
                RegistryData::Bytes(vec![1, 2]),
            ),
        ] {
            assert_eq!(
                (value(&given).kind.as_str(), value(&given).data),
                (kind, data)
            );
        }
        let short = Value {
            kind: ValueKind::DWORD,
            data: vec![1],
        };
        assert_eq!(value(&short).data, RegistryData::Bytes(vec![1]));
    }
}
