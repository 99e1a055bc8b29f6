//! Looking whether records and files agree, and bytes are those that their digests promise.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use porthole_oci::{Digest, ImageConfig, ImageId, LayerId};
use rusqlite::Transaction;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::image_rows::{digests, image_ids, layer_ids};
use crate::recovery::list;
use crate::staging;
use crate::store::Store;
use crate::substituted;
use crate::usage::tree_size;

/// How much a check reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckDepth {
    /// Records, and whether their files are there.
    Records,
    /// All bytes as well.
    Content,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is about: a path, or the ID of an image or container.
    pub subject: String,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// A record's file or directory is not there.
    Missing,
    /// A file or directory that no record names.
    Unknown,
    /// Unfinished work of a process that is gone.
    Abandoned,
    /// The bytes are not those that the digest promises, or not as many as recorded.
    Damaged,
    /// Some of a layer's files are gone.
    Incomplete,
    /// An image whose layers are not those of its configuration, or whose configuration is another's.
    Inconsistent,
    /// The database says this of itself.
    Database(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.kind {
            ProblemKind::Missing => "is missing",
            ProblemKind::Unknown => "belongs to nothing",
            ProblemKind::Abandoned => "is left of work that was not finished",
            ProblemKind::Damaged => "is damaged",
            ProblemKind::Incomplete => "lacks files",
            ProblemKind::Inconsistent => "does not fit its layers",
            ProblemKind::Database(message) => message,
        };
        write!(f, "{}: {what}", self.subject)
    }
}

/// What the records say.
struct Records {
    blobs: Vec<(Digest, u64)>,
    layers: Vec<(LayerId, u64)>,
}

impl Store {
    /// Looks for everything that is not as it should be. What happens meanwhile in other processes is
    /// no problem: records are read and files listed in one transaction.
    ///
    /// # Errors
    /// A failure of file system or database that keeps from looking.
    pub fn check(&self, depth: CheckDepth) -> Result<Vec<Problem>> {
        let mut problems = Problems(Vec::new());
        let subject = self.root().path().display().to_string();
        let records = self.write("check store", &subject, |transaction| {
            problems.database(transaction)?;
            problems.images(transaction)?;
            let records = Records::read(transaction)?;
            problems.files(self, transaction, &records)?;
            Ok(records)
        })?;
        if depth == CheckDepth::Content {
            for (digest, _) in &records.blobs {
                problems.blob(self, *digest)?;
            }
            for (layer, size) in &records.layers {
                problems.layer(&self.root().layer(*layer), *size)?;
            }
        }
        problems
            .0
            .sort_by(|one, other| one.subject.cmp(&other.subject));
        Ok(problems.0)
    }
}

impl Records {
    fn read(transaction: &Transaction<'_>) -> Result<Self> {
        let blobs = sized(transaction, "SELECT digest, size FROM blobs")?;
        let layers = sized(transaction, "SELECT id, size FROM layers")?;
        Ok(Self {
            blobs,
            layers: layers
                .into_iter()
                .map(|(digest, size)| (LayerId(digest), size))
                .collect(),
        })
    }
}

fn sized(transaction: &Transaction<'_>, sql: &str) -> Result<Vec<(Digest, u64)>> {
    let failed = |error| Error::database("check store", sql, error);
    let mut query = transaction.prepare(sql).map_err(failed)?;
    let rows = query.query_map([], |row| {
        let digest = crate::image_rows::hex_column(row, 0)?;
        Ok((digest, row.get::<_, i64>(1)?.unsigned_abs()))
    });
    rows.and_then(Iterator::collect).map_err(failed)
}

struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, subject: impl Into<String>, kind: ProblemKind) {
        self.0.push(Problem {
            subject: subject.into(),
            kind,
        });
    }

    fn path(&mut self, path: &Path, kind: ProblemKind) {
        self.add(path.display().to_string(), kind);
    }

    fn database(&mut self, transaction: &Transaction<'_>) -> Result<()> {
        let failed = |error| Error::database("check store", "database", error);
        let lines: Vec<String> = transaction
            .prepare("PRAGMA integrity_check")
            .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
            .map_err(failed)?;
        for line in lines.into_iter().filter(|line| line != "ok") {
            self.add("database", ProblemKind::Database(line));
        }
        let loose: Vec<String> = transaction
            .prepare("PRAGMA foreign_key_check")
            .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
            .map_err(failed)?;
        for table in loose {
            let message = format!("a row of {table} refers to nothing");
            self.add("database", ProblemKind::Database(message));
        }
        Ok(())
    }

    /// Every image has the layers of its configuration, which is the one of its ID.
    fn images(&mut self, transaction: &Transaction<'_>) -> Result<()> {
        for id in image_ids(transaction, "SELECT id FROM images", [])? {
            if !is_consistent(transaction, id)? {
                self.add(id.to_string(), ProblemKind::Inconsistent);
            }
        }
        Ok(())
    }

    fn files(
        &mut self,
        store: &Store,
        transaction: &Transaction<'_>,
        records: &Records,
    ) -> Result<()> {
        let root = store.root();
        let layers: HashSet<String> = records
            .layers
            .iter()
            .map(|(id, _)| id.to_string())
            .collect();
        self.directory(&root.layers(), &layers)?;
        for (digest, size) in &records.blobs {
            let path = root.blob(*digest);
            if std::fs::metadata(&path).is_ok_and(|found| found.len() != *size) {
                self.path(&path, ProblemKind::Damaged);
            }
        }
        let blobs = records
            .blobs
            .iter()
            .map(|(digest, _)| digest.hex())
            .collect();
        self.directory(&root.blobs(), &blobs)?;
        let containers: HashSet<String> = transaction
            .prepare("SELECT id FROM containers")
            .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
            .map_err(|error| Error::database("check store", "containers", error))?;
        self.directory(&root.containers(), &containers)?;
        for name in list(&root.registries())? {
            // A cache: another process may be making one, under the name of its layer, too.
            let layer: Option<&str> = name.get(..64);
            if layer.is_none_or(|layer| !layers.contains(layer)) {
                self.path(&root.registries().join(&name), ProblemKind::Unknown);
            }
        }
        for path in staging::abandoned(&root.staging())? {
            self.path(&path, ProblemKind::Abandoned);
        }
        Ok(())
    }

    fn directory(&mut self, directory: &Path, known: &HashSet<String>) -> Result<()> {
        let present: HashSet<String> = list(directory)?.into_iter().collect();
        for name in known.difference(&present) {
            self.path(&directory.join(name), ProblemKind::Missing);
        }
        for name in present.difference(known) {
            self.path(&directory.join(name), ProblemKind::Unknown);
        }
        Ok(())
    }

    fn blob(&mut self, store: &Store, digest: Digest) -> Result<()> {
        match store.verify_blob(digest) {
            Err(error) if *error.kind() == ErrorKind::DigestMismatch => {
                self.path(&store.root().blob(digest), ProblemKind::Damaged);
                Ok(())
            }
            // It is reported already, or was removed since.
            Err(error) if error.is_not_found() || is_gone(&store.root().blob(digest)) => Ok(()),
            other => other,
        }
    }

    fn layer(&mut self, directory: &PathBuf, size: u64) -> Result<()> {
        if is_gone(directory) {
            return Ok(());
        }
        // Hard links to files below and what is kept of metadata come on top.
        if tree_size(directory).at("check layer", directory)? < size {
            self.path(directory, ProblemKind::Incomplete);
        }
        Ok(())
    }
}

fn is_gone(path: &Path) -> bool {
    path.symlink_metadata().is_err()
}

fn is_consistent(transaction: &Transaction<'_>, id: ImageId) -> Result<bool> {
    let config: Vec<u8> =
        crate::image_rows::column(transaction, "SELECT config FROM images WHERE id = ?1", id)?;
    let Ok(parsed) = ImageConfig::parse(&config) else {
        return Ok(false);
    };
    let base = substituted::of(transaction, id)?;
    let substituted = base.map_or(0, |base| base.layers.len());
    let expected = parsed.layer_ids();
    let is_config = ImageId(Digest::of(&config)) == id;
    let known = digests(
        transaction,
        "SELECT manifest_digest FROM images WHERE id = ?1 AND manifest_digest IS NOT NULL",
        [id.0.hex()],
    )?;
    let manifest: Option<Vec<u8>> =
        crate::image_rows::column(transaction, "SELECT manifest FROM images WHERE id = ?1", id)?;
    let is_manifest = manifest.map(|manifest| Digest::of(&manifest)).as_ref() == known.first();
    let layers = layer_ids(transaction, id)?;
    Ok(is_config && is_manifest && expected.get(substituted..) == Some(layers.as_slice()))
}
