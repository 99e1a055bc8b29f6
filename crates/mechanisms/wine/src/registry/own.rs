//! What the guest agent and Wine write into every container's registry, and is no change of the
//! container's: it is about the container itself, or about its host, and is written anew in every
//! container of an image that is made of it.

use porthole_registry::hive::{HiveKind, MountedHive};
use porthole_registry::{Key, Name, Semantics};

use super::host_roots::HostRoots;

/// What is written at a place.
enum What {
    /// The key with all that is below it.
    Tree,
    /// Values of the key; of one that holds nothing else, the key.
    Values(&'static [&'static str]),
    /// The key, for as long as it holds nothing.
    Empty,
    /// Certificates that the host trusts, in stores below the key; and the stores with the lists in
    /// them, for as long as they hold nothing.
    Certificates,
}

/// A place that is written to.
struct Own {
    hive: MountedHive,
    path: &'static str,
    what: What,
}

const SYSTEM: MountedHive = MountedHive::Image(HiveKind::System);
const SOFTWARE: MountedHive = MountedHive::Image(HiveKind::Software);
const DEFAULT: MountedHive = MountedHive::Image(HiveKind::Default);

const fn own(hive: MountedHive, path: &'static str, what: What) -> Own {
    Own { hive, path, what }
}

/// All such places.
const OWN: [Own; 18] = [
    // The agent: who the container is.
    own(SYSTEM, r"ControlSet001\Control\ComputerName", What::Tree),
    own(
        SYSTEM,
        r"ControlSet001\Services\Tcpip\Parameters",
        What::Values(&["Hostname", "NV Hostname", "Domain", "NV Domain"]),
    ),
    // The agent: the account of the first process, and its variables, which Wine keeps although they
    // are volatile.
    own(
        SOFTWARE,
        r"Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-0-0-0-1000",
        What::Values(&["ProfileImagePath"]),
    ),
    own(MountedHive::User, "Volatile Environment", What::Tree),
    // The agent, and Wine at the start of a process: the time zone of the container's settings.
    own(
        SOFTWARE,
        r"Microsoft\Windows NT\CurrentVersion\Time Zone*",
        What::Tree,
    ),
    own(
        SYSTEM,
        r"ControlSet001\Control\TimeZoneInformation",
        What::Values(&["StandardName", "TimeZoneKeyName"]),
    ),
    // Wineserver at its start, where a base does without.
    own(SOFTWARE, r"Classes\Wow6432Node", What::Empty),
    own(
        SOFTWARE,
        r"Microsoft\Windows\CurrentVersion\Fonts",
        What::Empty,
    ),
    own(
        SOFTWARE,
        r"Microsoft\Windows NT\CurrentVersion\Fonts",
        What::Empty,
    ),
    own(
        SOFTWARE,
        r"Microsoft\Windows NT\CurrentVersion\Perflib\009",
        What::Empty,
    ),
    // Wine, when a program shows windows: devices of the host's, a display and a monitor.
    own(SYSTEM, r"ControlSet001\Enum", What::Tree),
    own(SYSTEM, r"ControlSet001\Control\DeviceClasses", What::Tree),
    own(
        SYSTEM,
        r"ControlSet001\Control\Class\{4D36E968-E325-11CE-BFC1-08002BE10318}",
        What::Tree,
    ),
    own(
        SYSTEM,
        r"ControlSet001\Control\Class\{4D36E96E-E325-11CE-BFC1-08002BE10318}",
        What::Tree,
    ),
    // Wine's shell: where directories of the account's profile are.
    own(
        MountedHive::User,
        r"Software\Microsoft\Windows\CurrentVersion\Explorer\Shell Folders",
        What::Tree,
    ),
    // Wine's crypt32, when a program opens stores of certificates.
    own(
        SOFTWARE,
        r"Microsoft\SystemCertificates",
        What::Certificates,
    ),
    own(
        MountedHive::User,
        r"Software\Microsoft\SystemCertificates",
        What::Certificates,
    ),
    own(
        DEFAULT,
        r"Software\Microsoft\SystemCertificates",
        What::Certificates,
    ),
];

/// Takes out of `delta`, which lies over `before`, what is no change of the container's.
pub(super) fn forget(hive: MountedHive, before: &Key, delta: &mut Key, roots: &HostRoots) {
    for own in OWN.iter().filter(|own| own.hive == hive) {
        let names: Vec<Name> = own.path.split('\\').map(Name::from).collect();
        forget_at(&names, &own.what, Some(before), delta, roots);
    }
}

/// Forgets what is written at the end of a path below a key; and then keys on the way that are there
/// for that alone. Whether there was something to forget.
fn forget_at(
    path: &[Name],
    what: &What,
    before: Option<&Key>,
    delta: &mut Key,
    roots: &HostRoots,
) -> bool {
    let Some((name, rest)) = path.split_first() else {
        return forget_in(what, before, delta, roots);
    };
    if rest.is_empty() && matches!(what, What::Tree) {
        return delta.remove_subkey(name).is_some();
    }
    let before = before.and_then(|before| before.subkey(name));
    let Some(below) = delta.subkey_mut(name) else {
        return false;
    };
    let forgotten = forget_at(rest, what, before, below, roots);
    if forgotten && says_nothing(before, below) {
        delta.remove_subkey(name);
    }
    forgotten
}

/// Forgets what is written to a key. Whether there was something, or it is to be forgotten itself.
fn forget_in(what: &What, before: Option<&Key>, key: &mut Key, roots: &HostRoots) -> bool {
    match what {
        What::Tree => false,
        What::Values(names) => {
            let mut forgotten = false;
            for name in *names {
                forgotten |= key.remove_value(*name).is_some();
                let tombstones = &mut key.layering.value_tombstones;
                forgotten |= tombstones.remove(&Name::from(*name));
            }
            forgotten
        }
        What::Empty => says_nothing(before, key),
        What::Certificates => forget_certificates(before, key, roots),
    }
}

/// Forgets certificates, and what Wine makes for a store: a key with three others.
fn forget_certificates(before: Option<&Key>, stores: &mut Key, roots: &HostRoots) -> bool {
    let mut forgotten = false;
    for store in ["Root", "AuthRoot"] {
        if let Some(certificates) = stores.open_mut(&format!(r"{store}\Certificates")) {
            certificates.retain_subkeys(|name, entry| !roots.hold(name, entry));
        }
    }
    let names: Vec<Name> = stores.subkeys().map(|(name, _)| name.clone()).collect();
    for store in names {
        for list in ["Certificates", "CRLs", "CTLs"] {
            let path = [store.clone(), Name::from(list)];
            forgotten |= forget_at(&path, &What::Empty, before, stores, roots);
        }
    }
    forgotten
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
        forget(SYSTEM, &before, &mut delta, &HostRoots::of([]));
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

    #[test]
    fn empty_keys_of_programs_beside_those_of_wine_are_changes() {
        let before = Key::default();
        let mut after = before.clone();
        after.create(r"Classes\Wow6432Node");
        after.create(r"Microsoft\Windows NT\CurrentVersion\Perflib\009");
        let forgotten = |after: &Key| {
            let mut delta = difference(&before, after).unwrap();
            forget(SOFTWARE, &before, &mut delta, &HostRoots::of([]));
            delta
        };
        assert!(says_nothing(Some(&before), &forgotten(&after)));
        for path in [
            r"Classes\.foo",
            r"Microsoft\Windows NT\CurrentVersion\Perflib\Own",
            r"Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-0-0-0-1000",
            r"Microsoft\SystemCertificates\Own",
            r"Microsoft\SystemCertificates\Own\List",
        ] {
            let mut after = after.clone();
            after.create(path);
            assert!(forgotten(&after).open(path).is_some(), "{path}");
        }
    }

    #[test]
    fn keys_that_wine_makes_are_no_change_while_they_are_empty() {
        const STORES: &str = r"Software\Microsoft\SystemCertificates";
        let before = Key::default();
        let mut after = before.clone();
        for store in ["Root", "My"] {
            for list in ["Certificates", "CRLs", "CTLs"] {
                after.create(&format!(r"{STORES}\{store}\{list}"));
            }
        }
        let forgotten = |after: &Key| {
            let mut delta = difference(&before, after).unwrap();
            forget(MountedHive::User, &before, &mut delta, &HostRoots::of([]));
            delta
        };
        assert!(says_nothing(Some(&before), &forgotten(&after)));
        after.create(&format!(r"{STORES}\My\Certificates\1234"));
        let delta = forgotten(&after);
        assert!(
            delta
                .open(&format!(r"{STORES}\My\Certificates\1234"))
                .is_some()
        );
        assert!(delta.open(&format!(r"{STORES}\My\CRLs")).is_none());
        assert!(delta.open(&format!(r"{STORES}\Root")).is_none());
    }
}
