//! Which part of the registry is which hive of a Windows image.
//!
//! Wine keeps one tree for `REGISTRY\Machine`; a Windows image keeps a hive file for each of its
//! subkeys below, and one for the default user.

use crate::key::Key;

/// A hive of a Windows image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HiveKind {
    /// `HKLM\SYSTEM`.
    System,
    /// `HKLM\SOFTWARE`.
    Software,
    /// `HKLM\SAM`.
    Sam,
    /// `HKLM\SECURITY`.
    Security,
    /// `HKU\.DEFAULT`.
    Default,
}

impl HiveKind {
    /// All hives, in the order in which images list them.
    pub const ALL: [Self; 5] = [
        Self::System,
        Self::Software,
        Self::Sam,
        Self::Security,
        Self::Default,
    ];

    /// The hives that are subkeys of `REGISTRY\Machine`.
    pub const MACHINE: [Self; 4] = [Self::System, Self::Software, Self::Sam, Self::Security];

    /// The file's name in `Files\Windows\System32\config` of a base layer.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::System => "SYSTEM",
            Self::Software => "SOFTWARE",
            Self::Sam => "SAM",
            Self::Security => "SECURITY",
            Self::Default => "DEFAULT",
        }
    }

    /// The file's name in `Hives` of any other layer.
    #[must_use]
    pub const fn delta_name(self) -> &'static str {
        match self {
            Self::System => "System_Delta",
            Self::Software => "Software_Delta",
            Self::Sam => "Sam_Delta",
            Self::Security => "Security_Delta",
            Self::Default => "DefaultUser_Delta",
        }
    }

    /// The subkey of `REGISTRY\Machine` as Wine spells it, for those that are one.
    #[must_use]
    pub const fn machine_key(self) -> Option<&'static str> {
        match self {
            Self::System => Some("System"),
            Self::Software => Some("Software"),
            Self::Sam => Some("SAM"),
            Self::Security => Some("Security"),
            Self::Default => None,
        }
    }
}

/// A hive as programs see it: one of the image's, or the user's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MountedHive {
    /// A hive of the image, for which a layer has a delta.
    Image(HiveKind),
    /// `HKEY_CURRENT_USER`; a layer has it as `NTUSER.DAT` in the profile of its account.
    User,
}

impl MountedHive {
    /// All, in the order in which changes are told.
    pub const ALL: [Self; 6] = [
        Self::Image(HiveKind::System),
        Self::Image(HiveKind::Software),
        Self::Image(HiveKind::Sam),
        Self::Image(HiveKind::Security),
        Self::Image(HiveKind::Default),
        Self::User,
    ];

    /// Where programs find its root, for example `HKLM\SYSTEM`.
    #[must_use]
    pub const fn mount(self) -> &'static str {
        match self {
            Self::Image(HiveKind::System) => r"HKLM\SYSTEM",
            Self::Image(HiveKind::Software) => r"HKLM\SOFTWARE",
            Self::Image(HiveKind::Sam) => r"HKLM\SAM",
            Self::Image(HiveKind::Security) => r"HKLM\SECURITY",
            Self::Image(HiveKind::Default) => r"HKU\.DEFAULT",
            Self::User => "HKCU",
        }
    }

    /// The file of the whole hive, without a directory: `SYSTEM` … `DEFAULT`, `NTUSER.DAT`.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Image(kind) => kind.file_name(),
            Self::User => "NTUSER.DAT",
        }
    }
}

/// `REGISTRY\Machine` as the hives of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineHives {
    /// `HKLM\SYSTEM`.
    pub system: Key,
    /// `HKLM\SOFTWARE`.
    pub software: Key,
    /// `HKLM\SAM`.
    pub sam: Key,
    /// `HKLM\SECURITY`.
    pub security: Key,
    /// What no hive holds: other subkeys of the machine's root, which Windows does not allow.
    pub rest: Key,
}

impl MachineHives {
    /// Takes the machine's tree apart. Hives that it lacks are empty.
    #[must_use]
    pub fn split(mut machine: Key) -> Self {
        let mut take = |kind: HiveKind| {
            kind.machine_key()
                .and_then(|name| machine.remove_subkey(name))
                .unwrap_or_default()
        };
        Self {
            system: take(HiveKind::System),
            software: take(HiveKind::Software),
            sam: take(HiveKind::Sam),
            security: take(HiveKind::Security),
            rest: machine,
        }
    }

    /// Puts the machine's tree together. The hives' roots become subkeys; an empty one is none.
    #[must_use]
    pub fn join(self) -> Key {
        let mut machine = self.rest;
        let hives = [self.system, self.software, self.sam, self.security];
        for (kind, root) in HiveKind::MACHINE.into_iter().zip(hives) {
            let is_empty = root.values().len() == 0 && root.subkeys().len() == 0;
            if let (Some(name), false) = (kind.machine_key(), is_empty) {
                machine.insert_subkey(name, root);
            }
        }
        machine
    }
}

#[cfg(test)]
mod tests {
    use super::{HiveKind, MachineHives};
    use crate::key::Key;
    use crate::value::Value;

    #[test]
    fn a_machine_comes_apart_and_together() {
        let mut machine = Key::default();
        machine
            .create(r"Software\Wine")
            .set_value("Version", Value::string("win10"));
        machine.create(r"System\CurrentControlSet");
        machine.create("Odd");
        let hives = MachineHives::split(machine.clone());
        assert!(hives.software.open("Wine").is_some());
        assert!(hives.rest.open("Odd").is_some());
        assert_eq!(hives.join(), machine);
    }

    #[test]
    fn names_are_those_of_shipped_images() {
        let names: Vec<_> = HiveKind::ALL.map(HiveKind::delta_name).into();
        assert_eq!(
            names,
            [
                "System_Delta",
                "Software_Delta",
                "Sam_Delta",
                "Security_Delta",
                "DefaultUser_Delta"
            ]
        );
    }
}
