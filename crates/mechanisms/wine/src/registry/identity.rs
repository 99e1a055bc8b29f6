//! What a container's registry says of the container itself.
//!
//! The guest agent would write it at the start, which makes wineserver write all of `system.reg` at
//! the end; so a clone has it from the beginning.

use porthole_registry::text::{self, Document};
use porthole_registry::{Key, Value};

use crate::environment::Account;

/// `CurrentControlSet` is a link to this one.
const CONTROL_SET: &str = r"System\ControlSet001";

const PROFILE: &str =
    r"Software\Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-0-0-0-1000";

/// Names of up to this many characters are those of computers in NetBIOS.
const NETBIOS_LENGTH: usize = 15;

/// Who a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The host name, with or without a domain.
    pub host_name: String,
    /// The account that its processes run as.
    pub account: Account,
}

impl Identity {
    /// Sections of `system.reg` that come behind all others, and so count.
    pub(super) fn sections(&self) -> Vec<u8> {
        let text = text::write(&Document::new(text::MACHINE, self.tree()));
        let start = text
            .windows(2)
            .position(|pair| pair == b"\n[")
            .unwrap_or_default();
        text[start..].to_vec()
    }

    fn tree(&self) -> Key {
        let (host, domain) = self
            .host_name
            .split_once('.')
            .unwrap_or((&self.host_name, ""));
        let computer: String = host.to_uppercase().chars().take(NETBIOS_LENGTH).collect();
        let mut machine = Key::default();
        for name in ["ComputerName", "ActiveComputerName"] {
            let path = format!(r"{CONTROL_SET}\Control\ComputerName\{name}");
            machine
                .create(&path)
                .set_value("ComputerName", Value::string(&computer));
        }
        let network = machine.create(&format!(r"{CONTROL_SET}\Services\Tcpip\Parameters"));
        for (name, value) in [
            ("Hostname", host),
            ("NV Hostname", host),
            ("Domain", domain),
            ("NV Domain", domain),
        ] {
            network.set_value(name, Value::string(value));
        }
        let profile = self.account.profile();
        machine
            .create(PROFILE)
            .set_value("ProfileImagePath", Value::string(&profile));
        machine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(host_name: &str) -> Identity {
        Identity {
            host_name: host_name.to_owned(),
            account: Account::ContainerUser,
        }
    }

    #[test]
    fn sections_behind_others_count() {
        let mut base = Key::default();
        base.create(PROFILE)
            .set_value("ProfileImagePath", Value::string("other"));
        let mut bytes = text::write(&Document::new(text::MACHINE, base));
        bytes.extend(identity("a-rather-long-name.example.org").sections());
        let tree = text::read(&bytes).unwrap().tree;
        let value =
            |path: &str, name: &str| tree.value_at(path, name).unwrap().as_string().unwrap();
        let computer = format!(r"{CONTROL_SET}\Control\ComputerName\ActiveComputerName");
        assert_eq!(value(&computer, "ComputerName"), "A-RATHER-LONG-N");
        let network = format!(r"{CONTROL_SET}\Services\Tcpip\Parameters");
        assert_eq!(value(&network, "Hostname"), "a-rather-long-name");
        assert_eq!(value(&network, "Domain"), "example.org");
        assert_eq!(
            value(PROFILE, "ProfileImagePath"),
            r"C:\Users\ContainerUser"
        );
    }

    #[test]
    fn no_host_name_ends_its_value() {
        let sections = identity("x\"\n\n[Software\\\\Evil]\n\"y").sections();
        let text = String::from_utf8(sections).unwrap();
        assert!(
            !text
                .lines()
                .any(|line| line.starts_with("[Software\\\\Evil")),
            "{text}"
        );
    }
}
