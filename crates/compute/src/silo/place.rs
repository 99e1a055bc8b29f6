//! Where a system's cgroup is: beside one another in a directory of ours, or in a scope of
//! systemd's each.
//!
//! A host with one cgroup tree under systemd has no place in it that is ours unless systemd hands
//! it out: `porthole.slice/porthole-<id>.scope`, whose `silo` holds the silo and whose
//! `supervisor` its supervisor, for a cgroup that controls others' resources holds no process
//! itself. Elsewhere (no systemd, or version 1's hierarchies, which systemd leaves to whoever
//! makes a directory) it is `porthole/<id>`.

use std::path::Path;

use porthole_protocol::supervisor::SCOPE_SILO;
use porthole_sandbox::cgroup::Hierarchies;
use porthole_systemd::Scope;

/// The cgroup that holds those of all silos where systemd does not.
const OWN_PARENT: &str = "porthole";

/// The slice that holds the scopes of all silos.
const SLICE: &str = "porthole.slice";

/// Where one system's cgroup is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Relative to each hierarchy's root.
    pub(super) parent: String,
    /// In the parent.
    pub(super) name: String,
    /// The scope that the parent is, to be made with the supervisor in it.
    pub(super) scope: Option<Scope>,
}

impl Place {
    /// That of the system `id` on this host.
    pub(super) fn of(id: &str, hierarchies: &Hierarchies) -> Self {
        let systemd = matches!(hierarchies, Hierarchies::V2(_)) && porthole_systemd::is_running();
        Self::choose(id, systemd)
    }

    fn choose(id: &str, systemd: bool) -> Self {
        if !systemd {
            return Self {
                parent: OWN_PARENT.to_owned(),
                name: id.to_owned(),
                scope: None,
            };
        }
        let scope = Scope::new(id, SLICE, format!("Windows container {id}"));
        Self {
            parent: text(&scope.cgroup()),
            name: SCOPE_SILO.to_owned(),
            scope: Some(scope),
        }
    }
}

/// Made of ASCII by us.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_beside_one_another_or_in_scopes() {
        let own = Place::choose("c1", false);
        assert_eq!(
            (&*own.parent, &*own.name, own.scope),
            ("porthole", "c1", None)
        );
        let place = Place::choose("c1", true);
        assert_eq!(place.parent, "porthole.slice/porthole-c1.scope");
        assert_eq!(place.name, "silo");
        assert!(place.scope.is_some());
    }
}
