//! File system operations that are easy to get wrong against a hostile container or a crash, for
//! every layer above: the store and the sandbox delete what containers have written, bases and
//! records have to outlive a power cut, three daemons lock their roots.
//!
//! Errors are the operating system's; the caller knows what the file meant.

mod descriptors;
mod durable;
mod lock;
mod removal;

pub use descriptors::raise_limit;
pub use durable::{rename_synced, replace_synced, sync_names, sync_tree};
pub use lock::{Claim, GRACE, claim, lock_within};
pub use removal::{delete_tree, delete_tree_at, empty_directory};
