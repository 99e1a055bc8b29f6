//! The containers that there are, by ID and name.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::container::handle::Handle;
use crate::error::{Error, Result};

/// The containers that there are.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    containers: RwLock<BTreeMap<String, Arc<Handle>>>,
}

impl Registry {
    pub(crate) fn insert(&self, handle: Arc<Handle>) {
        self.write().insert(handle.id.clone(), handle);
    }

    pub(crate) fn forget(&self, id: &str) {
        self.write().remove(id);
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        self.read().values().cloned().collect()
    }

    /// A container by ID, name, or an unambiguous beginning of its ID, in this order.
    pub(crate) fn find(&self, name: &str) -> Result<Arc<Handle>> {
        if name.is_empty() {
            return Err(Error::invalid("invalid name or ID supplied: \"\""));
        }
        let containers = self.read();
        let bare = name.strip_prefix('/').unwrap_or(name);
        let exact = containers.get(name);
        let named = || {
            containers
                .values()
                .find(|handle| handle.ledger.read().name == bare)
        };
        if let Some(handle) = exact.or_else(named) {
            return Ok(Arc::clone(handle));
        }
        let mut matching = containers
            .range(name.to_owned()..)
            .take_while(|(id, _)| id.starts_with(name))
            .map(|(_, handle)| handle);
        match (matching.next(), matching.next()) {
            (Some(handle), None) => Ok(Arc::clone(handle)),
            (Some(_), Some(_)) => Err(Error::invalid(format!(
                "multiple IDs found with provided prefix: {name}"
            ))),
            (None, _) => Err(Error::not_found("container", name)),
        }
    }

    /// The container that has an exec.
    pub(crate) fn find_exec(&self, id: &str) -> Result<Arc<Handle>> {
        let containers = self.read();
        let holder = containers
            .values()
            .find(|handle| handle.ledger.read().execs.contains_key(id));
        holder
            .cloned()
            .ok_or_else(|| Error::not_found("exec instance", id))
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Arc<Handle>>> {
        self.containers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Arc<Handle>>> {
        self.containers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
