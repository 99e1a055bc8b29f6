//! Small values that are nobody's record: counters, settings, identities.

use rusqlite::OptionalExtension;

use crate::error::{Error, Result};
use crate::store::Store;

impl Store {
    /// The value of `key` in `namespace`.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn value(&self, namespace: &str, key: &str) -> Result<Option<Vec<u8>>> {
        let failed = |error| Error::database("read value", format!("{namespace}/{key}"), error);
        let connection = self.connection();
        let mut query = connection
            .prepare_cached("SELECT value FROM entries WHERE namespace = ?1 AND key = ?2")
            .map_err(failed)?;
        query
            .query_row([namespace, key], |row| row.get(0))
            .optional()
            .map_err(failed)
    }

    /// All keys and values of `namespace`, by key.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn values(&self, namespace: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let failed = |error| Error::database("list values", namespace, error);
        let connection = self.connection();
        let mut query = connection
            .prepare_cached("SELECT key, value FROM entries WHERE namespace = ?1 ORDER BY key")
            .map_err(failed)?;
        let rows = query
            .query_map([namespace], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Sets a value.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn set_value(&self, namespace: &str, key: &str, value: &[u8]) -> Result<()> {
        self.change("set value", namespace, key, |connection| {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO entries (namespace, key, value) VALUES (?1, ?2, ?3)",
                )?
                .execute((namespace, key, value))
        })?;
        Ok(())
    }

    /// Sets a value unless there is one; returns the one that is there afterwards.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn value_or_insert(&self, namespace: &str, key: &str, value: &[u8]) -> Result<Vec<u8>> {
        self.change("set value", namespace, key, |connection| {
            connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO entries (namespace, key, value) VALUES (?1, ?2, ?3)",
                )?
                .execute((namespace, key, value))
        })?;
        Ok(self.value(namespace, key)?.unwrap_or_default())
    }

    /// Forgets a value; returns whether there was one.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn remove_value(&self, namespace: &str, key: &str) -> Result<bool> {
        let changed = self.change("remove value", namespace, key, |connection| {
            connection
                .prepare_cached("DELETE FROM entries WHERE namespace = ?1 AND key = ?2")?
                .execute([namespace, key])
        })?;
        Ok(changed > 0)
    }

    fn change(
        &self,
        operation: &'static str,
        namespace: &str,
        key: &str,
        statement: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<usize>,
    ) -> Result<usize> {
        statement(&self.connection())
            .map_err(|error| Error::database(operation, format!("{namespace}/{key}"), error))
    }
}
