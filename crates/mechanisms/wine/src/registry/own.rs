//! What the guest agent and Wine write into every container's registry, and is no change of the
//! container's: it is about the container itself, or about its host, and is written anew in every
//! container of an image that is made of it.

use porthole_registry::hive::{HiveKind, MountedHive};
use porthole_registry::{Key, Name, Semantics};

/// What is written at a place.
enum What {
    /// The key with all that is below it.
    Tree,
    /// Values of the key; of one that holds nothing else, the key.
    Values(&'static [&'static str]),
}

/// A place that is written to.
struct Own {
    hive: MountedHive,
    path: &'static str,
    what: What,
}

const SYSTEM: MountedHive = MountedHive::Image(HiveKind::System);
const SOFTWARE: MountedHive = MountedHive::Image(HiveKind::Software);

/// All such places.
const OWN: [Own; 6] = [
    // The agent: who the container is.
    Own {
        hive: SYSTEM,
        path: r"ControlSet001\Control\ComputerName",
        what: What::Tree,
    },
    Own {
        hive: SYSTEM,
        path: r"ControlSet001\Services\Tcpip\Parameters",
        what: What::Values(&["Hostname", "NV Hostname", "Domain", "NV Domain"]),
    },
    // The agent: the account of the first process.
    Own {
        hive: SOFTWARE,
        path: r"Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-0-0-0-1000",
        what: What::Values(&["ProfileImagePath"]),
    },
    // The agent: variables of the account, which Wine keeps although they are volatile.
    Own {
        hive: MountedHive::User,
        path: "Volatile Environment",
        what: What::Tree,
    },
    // The agent, and Wine at the start of a process: the time zone of the container's settings.
    Own {
        hive: SOFTWARE,
        path: r"Microsoft\Windows NT\CurrentVersion\Time Zone*",
        what: What::Tree,
    },
    Own {
        hive: SYSTEM,
        path: r"ControlSet001\Control\TimeZoneInformation",
        what: What::Values(&["StandardName", "TimeZoneKeyName"]),
    },
];

/// Takes out of `delta`, which lies over `before`, what is no change of the container's.
pub(super) fn forget(hive: MountedHive, before: &Key, delta: &mut Key) {
    for own in OWN.iter().filter(|own| own.hive == hive) {
        let names: Vec<Name> = own.path.split('\\').map(Name::from).collect();
        forget_at(&names, &own.what, Some(before), delta);
    }
}

/// Forgets what is written at the end of a path below a key.
fn forget_at(path: &[Name], what: &What, before: Option<&Key>, delta: &mut Key) {
    let Some((name, rest)) = path.split_first() else {
        if let What::Values(names) = what {
            for name in *names {
                delta.remove_value(*name);
                delta.layering.value_tombstones.remove(&Name::from(*name));
            }
        }
        return;
    };
    if rest.is_empty() && matches!(what, What::Tree) {
        delta.remove_subkey(name);
        return;
    }
    let before = before.and_then(|before| before.subkey(name));
    if let Some(below) = delta.subkey_mut(name) {
        forget_at(rest, what, before, below);
        if says_nothing(before, below) {
            delta.remove_subkey(name);
        }
    }
}

/// Whether a key of a delta, from which something was taken, is there for that alone.
pub(super) fn says_nothing(before: Option<&Key>, delta: &Key) -> bool {
    let holds_nothing = delta.layering.semantics == Semantics::Merge
        && delta.values().len() == 0
        && delta.subkeys().len() == 0
        && delta.layering.value_tombstones.is_empty();
    let is_itself = match before {
        Some(_) => delta.layering.inherit_class && delta.security.is_none(),
        None => delta.class.is_none() && !delta.symlink,
    };
    holds_nothing && is_itself
}

#[cfg(test)]
mod tests {
    use porthole_registry::Value;
    use porthole_registry::layer::difference;

    use super::*;

    const TCPIP: &str = r"ControlSet001\Services\Tcpip\Parameters";

    fn change(work: impl FnOnce(&mut Key)) -> Option<Key> {
        let mut before = Key::default();
        before.create(r"ControlSet001\Control\TimeZoneInformation");
        let mut after = before.clone();
        work(&mut after);
        let mut delta = difference(&before, &after).unwrap();
        forget(SYSTEM, &before, &mut delta);
        (!says_nothing(Some(&before), &delta)).then_some(delta)
    }

    #[test]
    fn an_identity_is_no_change_and_what_stands_beside_it_is() {
        let identity = |root: &mut Key| {
            root.create(r"ControlSet001\Control\ComputerName\ComputerName")
                .set_value("ComputerName", Value::string("X"));
            root.create(TCPIP).set_value("Hostname", Value::string("x"));
            root.create(r"ControlSet001\Control\TimeZoneInformation")
                .set_value("TimeZoneKeyName", Value::string("UTC"));
        };
        assert_eq!(change(identity), None);
        let more = change(|root| {
            identity(root);
            root.create(TCPIP).set_value("Other", Value::dword(1));
        });
        assert_eq!(more.unwrap().open(TCPIP).unwrap().values().len(), 1);
    }
}
