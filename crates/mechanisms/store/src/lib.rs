//! Images, layers, sandboxes and records: content-addressed blobs and a transactional store.
//!
//! Everything lives below one data root:
//!
//! ```text
//! porthole.db                  records (SQLite, write-ahead log, synchronous=FULL)
//! porthole.lock                held by the one daemon that uses the root
//! blobs/sha256/<hex>           blobs as they came, compressed or not
//! layers/<layer id>/           unpacked layers: Files, Hives, …
//! registry/<layer id>-<hash>/  merged registry of a chain that ends in that layer (a cache)
//! containers/<id>/             sandbox/{upper,work}, registry, <id>-json.log
//! tmp/<random>/                unfinished work, locked by the process that does it
//! ```
//!
//! One rule makes every crash harmless: **a record implies its files**. Files are put in place
//! before the transaction that names them commits, and are deleted only after the transaction
//! that forgets them has committed (until then they are only renamed, to `<name>-removing`). Both
//! happen under the database's write lock, which recovery takes too. So what recovery finds
//! without a record is garbage, whoever made it.
//!
//! All calls block; callers on an async runtime use `spawn_blocking`. [`Store`] is a cheap handle
//! that may be shared between threads.

mod blobs;
mod check;
mod containers;
mod error;
mod image_rows;
mod images;
mod import;
mod lineage;
mod recovery;
mod removal;
mod root;
mod schema;
mod staging;
mod store;
mod substituted;
mod usage;
mod values;

pub use blobs::Blob;
pub use check::{CheckDepth, Problem, ProblemKind};
pub use containers::{ContainerDirectory, ContainerRecord, NewContainer};
pub use error::{Error, ErrorKind, Result};
pub use images::{Image, ImageLayer, RemovedImage, Untagged};
pub use import::{ImageImport, LayerBlob, LayerContents, LayerImport};
pub use recovery::Recovery;
// What image names and documents are is a format of its own; those who use the store need it too.
pub use porthole_oci::{
    Digest, Empty, HistoryEntry, ImageConfig, ImageId, LayerId, MAX_CONFIG_SIZE, MAX_LAYERS,
    Reference, RootFs, RunConfig,
};
pub use root::DataRoot;
pub use staging::{BlobWriter, StagedBlob, StagingDirectory};
pub use store::Store;
pub use substituted::{SubstitutedBase, SubstitutedLayer};
pub use usage::ContainerSize;
