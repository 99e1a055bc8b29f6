//! What is remembered for a while: connections, and how registries want to be asked. An administrator
//! who places a certificate or moves a registry need not restart anything.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long something is remembered.
const LIFE: Duration = Duration::from_secs(300);

/// The most that is remembered.
const MAX: usize = 64;

/// Values by name, each until it is too old.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    values: Mutex<HashMap<String, (T, Instant)>>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            values: Mutex::default(),
        }
    }
}

impl<T: Clone> Recent<T> {
    pub(crate) fn get(&self, name: &str) -> Option<T> {
        let values = self.lock();
        let (value, since) = values.get(name)?;
        (since.elapsed() < LIFE).then(|| value.clone())
    }

    pub(crate) fn insert(&self, name: &str, value: T) {
        let mut values = self.lock();
        values.retain(|_, (_, since)| since.elapsed() < LIFE);
        if values.len() >= MAX {
            values.clear();
        }
        values.insert(name.to_owned(), (value, Instant::now()));
    }

    pub(crate) fn forget(&self, mut is_meant: impl FnMut(&str, &T) -> bool) {
        self.lock()
            .retain(|name, (value, _)| !is_meant(name, value));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (T, Instant)>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
