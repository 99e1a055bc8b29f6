//! Where a system's cgroup is: beside one another in a directory of ours, or in a scope of
//! systemd's each.
//!
//! A host with one cgroup tree under systemd has no place in it that is ours unless systemd hands
//! it out: `porthole.slice/porthole-<id>:<run>.scope`, whose `silo` holds the silo and whose
//! `supervisor` its supervisor, for a cgroup that controls others' resources holds no process
//! itself. The name is of one run, because systemd forgets a scope some time after its last
//! process has ended, and refuses another of its name until then. Elsewhere (no systemd, or version 1's hierarchies, which systemd leaves to whoever
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
    /// That of the system `id` on this host, for one run of it.
    pub(super) fn choose(id: &str, hierarchies: &Hierarchies) -> Self {
        if matches!(hierarchies, Hierarchies::V2(_)) && porthole_systemd::is_running() {
            Self::in_scope(id, rand::random())
        } else {
            Self::of_our_own(id)
        }
    }

    fn of_our_own(id: &str) -> Self {
        Self {
            parent: OWN_PARENT.to_owned(),
            name: id.to_owned(),
            scope: None,
        }
    }

    fn in_scope(id: &str, run: u32) -> Self {
        let name = format!("{id}:{run:08x}");
        let scope = Scope::new(&name, SLICE, format!("Windows container {id}"));
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
        let own = Place::of_our_own("c1");
        assert_eq!(
            (&*own.parent, &*own.name, own.scope),
            ("porthole", "c1", None)
        );
        let place = Place::in_scope("c1", 0x2a);
        assert_eq!(place.parent, "porthole.slice/porthole-c1:0000002a.scope");
        assert_eq!(place.name, "silo");
        assert_ne!(place.scope, Place::in_scope("c1", 0x2b).scope);
    }
}
