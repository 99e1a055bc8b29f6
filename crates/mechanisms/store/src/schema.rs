//! The database's schema and its migrations.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Error, ErrorKind, Result};

/// One step each, applied in order; `user_version` counts those that were. A released step is
/// never changed: add another.
const MIGRATIONS: &[&str] = &[
    r"
    CREATE TABLE blobs (
        digest TEXT PRIMARY KEY,
        size INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE layers (
        id TEXT PRIMARY KEY,
        diff_id TEXT NOT NULL,
        size INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE images (
        id TEXT PRIMARY KEY,
        config BLOB NOT NULL,
        manifest BLOB,
        manifest_digest TEXT,
        imported INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- Position 0 is the base.
    CREATE TABLE image_layers (
        image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        layer TEXT NOT NULL REFERENCES layers (id),
        blob TEXT REFERENCES blobs (digest),
        PRIMARY KEY (image, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX image_layers_by_layer ON image_layers (layer);
    CREATE INDEX image_layers_by_blob ON image_layers (blob);

    CREATE TABLE tags (
        repository TEXT NOT NULL,
        tag TEXT NOT NULL,
        image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
        PRIMARY KEY (repository, tag)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tags_by_image ON tags (image);

    CREATE TABLE digests (
        repository TEXT NOT NULL,
        digest TEXT NOT NULL,
        image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
        PRIMARY KEY (repository, digest)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX digests_by_image ON digests (image);

    -- `image` may name one that has been removed by force; the layers stay for the container.
    CREATE TABLE containers (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        image TEXT NOT NULL,
        created INTEGER NOT NULL,
        document TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX containers_by_image ON containers (image);

    CREATE TABLE container_layers (
        container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        layer TEXT NOT NULL REFERENCES layers (id),
        PRIMARY KEY (container, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX container_layers_by_layer ON container_layers (layer);

    CREATE TABLE entries (
        namespace TEXT NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (namespace, key)
    ) STRICT, WITHOUT ROWID;
",
    r"
    -- Leading layers that are not here, for they are Microsoft's; positions of `image_layers` go on
    -- behind them.
    CREATE TABLE substituted_bases (
        image TEXT PRIMARY KEY REFERENCES images (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        repository TEXT
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE substituted_layers (
        image TEXT NOT NULL REFERENCES substituted_bases (image) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        diff_id TEXT NOT NULL,
        digest TEXT,
        descriptor TEXT,
        PRIMARY KEY (image, position)
    ) STRICT, WITHOUT ROWID;

    -- `parent` may name one that was removed by force.
    CREATE TABLE parents (
        image TEXT PRIMARY KEY REFERENCES images (id) ON DELETE CASCADE,
        parent TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX parents_by_parent ON parents (parent);

    CREATE TABLE blob_sources (
        digest TEXT NOT NULL,
        repository TEXT NOT NULL,
        PRIMARY KEY (digest, repository)
    ) STRICT, WITHOUT ROWID;
",
];

/// How long a call waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

const STATEMENT_CACHE: usize = 64;

/// Opens the database, makes its tables or brings them up to date.
pub(crate) fn open(path: &Path) -> Result<Connection> {
    let subject = path.display().to_string();
    let failed = |error| Error::database("open database", &subject, error);
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;",
        )
        .map_err(failed)?;
    migrate(&mut connection, &subject)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, subject: &str) -> Result<()> {
    let failed = |error| Error::database("migrate database", subject, error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let applied: u32 = transaction
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failed)?;
    let applied = applied as usize;
    if applied > MIGRATIONS.len() {
        return Err(Error::new(
            ErrorKind::NewerSchema,
            "open database",
            subject,
            format!(
                "schema version {applied} is newer than {}, the newest known",
                MIGRATIONS.len()
            ),
        ));
    }
    for migration in &MIGRATIONS[applied..] {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    if applied < MIGRATIONS.len() {
        transaction
            .pragma_update(None, "user_version", MIGRATIONS.len() as i64)
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_version_wrote_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        let image = "INSERT INTO images (id, config, imported) VALUES ('x', x'7b7d', 1)";
        connection.execute(image, []).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        drop(connection);
        let connection = open(&path).unwrap();
        let count = |table: &str| -> i64 {
            let sql = format!("SELECT COUNT(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!((count("images"), count("parents")), (1, 0));
        let version: u32 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        assert_eq!(version as usize, MIGRATIONS.len());
    }

    #[test]
    fn opens_again_and_refuses_a_newer_schema() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        open(&path).unwrap();
        open(&path).unwrap();
        let connection = Connection::open(&path).unwrap();
        connection
            .pragma_update(None, "user_version", 1000)
            .unwrap();
        assert_eq!(open(&path).unwrap_err().kind(), &ErrorKind::NewerSchema);
    }
}
