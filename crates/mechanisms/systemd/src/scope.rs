//! Scopes: units for processes that systemd did not start.

use std::path::PathBuf;

use zbus::Variant;

/// Our daemon's unit. Scopes come before it: at a shutdown systemd then ends the daemon first,
/// which would otherwise see every container end, and start those again that always run.
const DAEMON: &str = "portholed.service";

/// A scope, named but not made yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    name: String,
    slice: &'static str,
    description: String,
}

impl Scope {
    /// The scope `porthole-<id>.scope` in `slice`, which needs a name without dashes.
    #[must_use]
    pub fn new(id: &str, slice: &'static str, description: impl Into<String>) -> Self {
        Self {
            name: format!("porthole-{}.scope", escape(id)),
            slice,
            description: description.into(),
        }
    }

    /// Where its cgroup is, relative to the tree's root.
    #[must_use]
    pub fn cgroup(&self) -> PathBuf {
        PathBuf::from(self.slice).join(&self.name)
    }

    /// What it is to be, for `StartTransientUnit`.
    pub(crate) fn properties(&self, process: u32) -> Vec<(&'static str, Variant<'_>)> {
        vec![
            ("Description", self.description.as_str().into()),
            ("Slice", self.slice.into()),
            ("PIDs", vec![process].into()),
            ("Delegate", true.into()),
            ("CollectMode", "inactive-or-failed".into()),
            // A container's limit is its own; systemd's default share of the host's tasks is not.
            ("TasksMax", u64::MAX.into()),
            ("Before", vec![DAEMON].into()),
            // At a shutdown, to be gone before file systems are.
            ("After", vec!["local-fs.target"].into()),
        ]
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// A text as part of a unit's name, as `systemd-escape` writes it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => {
                escaped.push(byte.into());
            }
            other => escaped.push_str(&format!("\\x{other:02x}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_has_a_name_that_systemd_takes() {
        let scope = Scope::new("c1-ä b", "porthole.slice", "");
        assert_eq!(
            scope.cgroup(),
            PathBuf::from(r"porthole.slice/porthole-c1\x2d\xc3\xa4\x20b.scope")
        );
    }
}
