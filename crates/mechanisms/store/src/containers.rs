//! Containers: their records and directories.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use porthole_oci::{ImageId, LayerId};
use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::image_rows;
use crate::images;
use crate::removal::{self, MovedAside};
use crate::store::Store;
use crate::substituted;

/// The longest container ID and name that are accepted.
const MAX_NAME: usize = 128;

/// A container to record.
#[derive(Debug, Clone)]
pub struct NewContainer {
    /// Its ID: letters, digits, `_`, `.` and `-`; names its directory.
    pub id: String,
    /// Its name, unique among containers, without a leading slash.
    pub name: String,
    /// The image it is made from, whose layers it keeps in the store for as long as it exists.
    pub image: ImageId,
    /// The image whose layers take the place of those of Microsoft's that `image` stands on; it
    /// keeps them, too. Nothing for an image that is here as a whole.
    pub base: Option<ImageId>,
    /// When it was made: nanoseconds since 1970-01-01 UTC.
    pub created: i64,
    /// Everything else: a JSON document that the store does not read.
    pub document: String,
}

/// A container's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRecord {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The image it was made from; removed by force, it may no longer be in the store.
    pub image: ImageId,
    /// When it was made: nanoseconds since 1970-01-01 UTC.
    pub created: i64,
    /// The document.
    pub document: String,
}

/// A container's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerDirectory {
    path: PathBuf,
}

impl ContainerDirectory {
    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The sandbox; holds `upper` and `work`.
    #[must_use]
    pub fn sandbox(&self) -> PathBuf {
        self.path.join("sandbox")
    }

    /// The writable side of the union.
    #[must_use]
    pub fn upper(&self) -> PathBuf {
        self.sandbox().join("upper")
    }

    /// The union's working directory.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.sandbox().join("work")
    }

    /// The registry's text files.
    #[must_use]
    pub fn registry(&self) -> PathBuf {
        self.path.join("registry")
    }

    /// The json-file log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push("-json.log");
        self.path.join(name)
    }

    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    fn create(&self) -> Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700);
        for path in [
            self.path.clone(),
            self.sandbox(),
            self.work(),
            self.registry(),
        ] {
            builder
                .create(&path)
                .at("create container directory", &path)?;
        }
        // The root of C: in the silo, so it must be passable by the silo's accounts.
        builder
            .mode(0o755)
            .create(self.upper())
            .at("create container directory", self.upper())
    }
}

impl Store {
    /// Records a container and makes its directory.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for an ID that is none, [`ErrorKind::AlreadyExists`] for one that is
    /// taken, [`ErrorKind::NameInUse`], [`ErrorKind::NotFound`] when the image is gone, or a
    /// failure of file system or database.
    pub fn create_container(&self, container: &NewContainer) -> Result<ContainerDirectory> {
        const OPERATION: &str = "create container";
        check_id(OPERATION, &container.id)?;
        check_name(OPERATION, &container.name)?;
        let directory = self.container_directory(&container.id);
        let mut garbage = MovedAside::default();
        let mut made = false;
        let created = self.write(OPERATION, &container.id, |transaction| {
            insert(transaction, container)?;
            // No record named it a moment ago, so whatever is there is garbage.
            garbage.add(directory.path())?;
            made = true;
            // Not synced: should the power fail before the kernel has written it, recovery finds
            // the record alone and forgets the container, which is the state before.
            directory.create()
        });
        garbage.delete();
        if created.is_err() && made {
            removal::delete_or_leave(directory.path());
        }
        created.map(|()| directory)
    }

    /// A container's record.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or a failure of the database.
    pub fn container(&self, id: &str) -> Result<ContainerRecord> {
        let failed = |error| Error::database("read container", id, error);
        let connection = self.connection();
        let mut query = connection
            .prepare_cached(
                "SELECT id, name, image, created, document FROM containers WHERE id = ?1",
            )
            .map_err(failed)?;
        let record = query.query_row([id], read).optional().map_err(failed)?;
        record.ok_or_else(|| missing("read container", id))
    }

    /// All containers' records, the oldest first.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn containers(&self) -> Result<Vec<ContainerRecord>> {
        let failed = |error| Error::database("list containers", "", error);
        let connection = self.connection();
        let mut query = connection
            .prepare_cached(
                "SELECT id, name, image, created, document FROM containers ORDER BY created, id",
            )
            .map_err(failed)?;
        let rows = query.query_map([], read).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// The IDs of the containers that were made from an image.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn containers_of_image(&self, image: ImageId) -> Result<Vec<String>> {
        let failed = |error| Error::database("list containers of image", image.to_string(), error);
        let connection = self.connection();
        let mut query = connection
            .prepare_cached("SELECT id FROM containers WHERE image = ?1 ORDER BY created, id")
            .map_err(failed)?;
        let rows = query
            .query_map([image.0.hex()], |row| row.get(0))
            .map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Replaces a container's document; on disk when this returns.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or a failure of the database.
    pub fn update_container(&self, id: &str, document: &str) -> Result<()> {
        const OPERATION: &str = "update container";
        let changed = self
            .connection()
            .prepare_cached("UPDATE containers SET document = ?2 WHERE id = ?1")
            .and_then(|mut statement| statement.execute([id, document]))
            .map_err(|error| Error::database(OPERATION, id, error))?;
        if changed == 0 {
            Err(missing(OPERATION, id))
        } else {
            Ok(())
        }
    }

    /// Renames a container and replaces its document.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::NameInUse`], [`ErrorKind::Invalid`], or a failure of
    /// the database.
    pub fn rename_container(&self, id: &str, name: &str, document: &str) -> Result<()> {
        const OPERATION: &str = "rename container";
        check_name(OPERATION, name)?;
        self.write(OPERATION, id, |transaction| {
            check_name_is_free(transaction, OPERATION, id, name)?;
            let changed = transaction
                .execute(
                    "UPDATE containers SET name = ?2, document = ?3 WHERE id = ?1",
                    [id, name, document],
                )
                .map_err(|error| Error::database(OPERATION, id, error))?;
            if changed == 0 {
                Err(missing(OPERATION, id))
            } else {
                Ok(())
            }
        })
    }

    /// Forgets a container and deletes its directory, and layers that nothing else needs. Its
    /// sandbox must not be mounted any more.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or a failure of file system or database; then the container is
    /// still there.
    pub fn remove_container(&self, id: &str) -> Result<()> {
        const OPERATION: &str = "remove container";
        let mut removed = MovedAside::default();
        self.write(OPERATION, id, |transaction| {
            let changed = transaction
                .execute("DELETE FROM containers WHERE id = ?1", [id])
                .map_err(|error| Error::database(OPERATION, id, error))?;
            if changed == 0 {
                return Err(missing(OPERATION, id));
            }
            removed.add(self.container_directory(id).path())?;
            images::remove_unreferenced(transaction, self.root(), &mut removed)
        })?;
        removed.delete();
        Ok(())
    }

    /// Where a container's directory is, whether or not it exists.
    #[must_use]
    pub fn container_directory(&self, id: &str) -> ContainerDirectory {
        ContainerDirectory::at(self.root().containers().join(id))
    }
}

fn insert(transaction: &Transaction<'_>, container: &NewContainer) -> Result<()> {
    const OPERATION: &str = "create container";
    let failed = |error| Error::database(OPERATION, &container.id, error);
    check_name_is_free(transaction, OPERATION, &container.id, &container.name)?;
    let layers = layers_for(transaction, container)?;
    let inserted = transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO containers (id, name, image, created, document) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .and_then(|mut statement| {
            let image = container.image.0.hex();
            statement.execute((&container.id, &container.name, image, container.created, &container.document))
        })
        .map_err(failed)?;
    if inserted == 0 {
        return Err(Error::new(
            ErrorKind::AlreadyExists,
            OPERATION,
            &container.id,
            "there is a container with this ID",
        ));
    }
    let mut statement = transaction
        .prepare_cached(
            "INSERT INTO container_layers (container, position, layer) VALUES (?1, ?2, ?3)",
        )
        .map_err(failed)?;
    for (position, layer) in (0_i64..).zip(&layers) {
        statement
            .execute((&container.id, position, layer.to_string()))
            .map_err(failed)?;
    }
    Ok(())
}

/// The layers that a container is to keep, base first.
fn layers_for(transaction: &Transaction<'_>, container: &NewContainer) -> Result<Vec<LayerId>> {
    let mut own = image_rows::layer_ids(transaction, container.image)?;
    let needs_base = substituted::of(transaction, container.image)?.is_some();
    let message = match (needs_base, container.base) {
        (false, None) => return Ok(own),
        (true, Some(base)) if substituted::of(transaction, base)?.is_none() => {
            let mut layers = image_rows::layer_ids(transaction, base)?;
            layers.append(&mut own);
            return Ok(layers);
        }
        (true, Some(_)) => "its base stands on another one itself",
        (true, None) => "its image stands on a base that is not here, and no other was named",
        (false, Some(_)) => "its image stands on no other",
    };
    Err(Error::new(
        ErrorKind::Invalid,
        "create container",
        &container.id,
        message,
    ))
}

/// The layers that a container keeps, base first.
pub(crate) fn layers_of(connection: &Connection, id: &str) -> Result<Vec<LayerId>> {
    let failed = |error| Error::database("list layers of container", id, error);
    let mut query = connection
        .prepare_cached("SELECT layer FROM container_layers WHERE container = ?1 ORDER BY position")
        .map_err(failed)?;
    let rows = query
        .query_map([id], |row| image_rows::hex_column(row, 0))
        .map_err(failed)?;
    rows.map(|digest| digest.map(LayerId).map_err(failed))
        .collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<ContainerRecord> {
    Ok(ContainerRecord {
        id: row.get(0)?,
        name: row.get(1)?,
        image: ImageId(image_rows::hex_column(row, 2)?),
        created: row.get(3)?,
        document: row.get(4)?,
    })
}

fn check_name_is_free(
    transaction: &Transaction<'_>,
    operation: &'static str,
    id: &str,
    name: &str,
) -> Result<()> {
    let holder: Option<String> = transaction
        .prepare_cached("SELECT id FROM containers WHERE name = ?1 AND id <> ?2")
        .and_then(|mut query| query.query_row([name, id], |row| row.get(0)).optional())
        .map_err(|error| Error::database(operation, id, error))?;
    match holder {
        None => Ok(()),
        Some(holder) => {
            let message = format!("the name {name} is in use by {holder}");
            Err(Error::new(
                ErrorKind::NameInUse { holder },
                operation,
                id,
                message,
            ))
        }
    }
}

/// An ID names a directory, so it must not lead elsewhere, nor look like one being removed.
fn check_id(operation: &'static str, id: &str) -> Result<()> {
    if is_word(id) && !id.ends_with(removal::SUFFIX) {
        return Ok(());
    }
    let shown: String = id.chars().take(MAX_NAME).collect();
    Err(Error::new(
        ErrorKind::Invalid,
        operation,
        shown,
        "not a container ID",
    ))
}

fn check_name(operation: &'static str, name: &str) -> Result<()> {
    if is_word(name) {
        return Ok(());
    }
    let shown: String = name.chars().take(MAX_NAME).collect();
    Err(Error::new(
        ErrorKind::Invalid,
        operation,
        shown,
        "not a container name",
    ))
}

fn is_word(text: &str) -> bool {
    text.len() <= MAX_NAME
        && text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn missing(operation: &'static str, id: &str) -> Error {
    let shown: String = id.chars().take(MAX_NAME).collect();
    Error::new(ErrorKind::NotFound, operation, shown, "no such container")
}
