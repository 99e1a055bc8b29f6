//! The fake's `reg.exe`: `reg add` and `reg delete` of strings and numbers.

use porthole_registry::hive::{HiveKind, MountedHive};
use porthole_registry::{Key, Value};

use super::registry::FakeRegistry;

/// What a command does to the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    hive: MountedHive,
    path: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Set(String, Value),
    Create,
    Delete,
    DeleteValue(String),
}

impl Edit {
    /// Reads the words behind `reg`; nothing for what this one does not know.
    pub(super) fn parse(words: &[&str]) -> Option<Self> {
        let [verb, key, options @ ..] = words else {
            return None;
        };
        let (hive, path) = place(key)?;
        let option = |name: &str| {
            let at = options
                .iter()
                .position(|word| word.eq_ignore_ascii_case(name))?;
            options.get(at + 1).map(|value| (*value).to_owned())
        };
        let what = match (verb.to_ascii_lowercase().as_str(), option("/v")) {
            ("add", None) => What::Create,
            ("add", Some(name)) => {
                let data = option("/d").unwrap_or_default();
                What::Set(name, value(option("/t").as_deref(), &data)?)
            }
            ("delete", None) => What::Delete,
            ("delete", Some(name)) => What::DeleteValue(name),
            _ => return None,
        };
        Some(Self { hive, path, what })
    }

    /// Does it.
    pub(super) fn apply(&self, registry: &FakeRegistry) {
        registry.edit(self.hive, |root: &mut Key| match &self.what {
            What::Create => drop(root.create(&self.path)),
            What::Set(name, value) => {
                root.create(&self.path)
                    .set_value(name.as_str(), value.clone());
            }
            What::Delete => drop(root.delete(&self.path)),
            What::DeleteValue(name) => {
                if let Some(key) = root.open_mut(&self.path) {
                    key.remove_value(name.as_str());
                }
            }
        });
    }
}

fn place(key: &str) -> Option<(MountedHive, String)> {
    let found = MountedHive::ALL.into_iter().find_map(|hive| {
        let mount = hive.mount();
        let begins = key.get(..mount.len())?.eq_ignore_ascii_case(mount);
        let rest = &key[mount.len()..];
        (begins && (rest.is_empty() || rest.starts_with('\\'))).then_some((hive, rest))
    });
    // What else begins with `HKLM` is no hive's.
    let (hive, rest) = found?;
    let path = match (hive, rest.strip_prefix(r"\CurrentControlSet")) {
        (MountedHive::Image(HiveKind::System), Some(rest)) => format!(r"ControlSet001{rest}"),
        _ => rest.trim_start_matches('\\').to_owned(),
    };
    Some((hive, path))
}

fn value(kind: Option<&str>, data: &str) -> Option<Value> {
    match kind.unwrap_or("REG_SZ") {
        "REG_SZ" => Some(Value::string(data)),
        "REG_EXPAND_SZ" => Some(Value::expand_string(data)),
        "REG_DWORD" => data.parse().ok().map(Value::dword),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_windows_reads_them() {
        let parse = |text: &str| Edit::parse(&text.split(' ').collect::<Vec<_>>());
        let edit = parse(r"ADD HKLM\Software\X /v n /t REG_DWORD /d 7 /f").unwrap();
        assert_eq!(edit.hive, MountedHive::Image(HiveKind::Software));
        assert_eq!(edit.path, "X");
        assert_eq!(edit.what, What::Set("n".into(), Value::dword(7)));
        let edit = parse(r"delete HKLM\System\CurrentControlSet\X /f").unwrap();
        assert_eq!(
            (edit.path.as_str(), edit.what),
            (r"ControlSet001\X", What::Delete)
        );
        let edit = parse(r"delete HKCU\X /v n /f").unwrap();
        assert_eq!(edit.what, What::DeleteValue("n".into()));
        for unknown in [r"query HKCU\X", r"add HKLM\Softwares\X", "add"] {
            assert_eq!(parse(unknown), None, "{unknown}");
        }
    }
}
