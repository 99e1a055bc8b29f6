//! The registry as values: a tree of keys in memory, and the forms it is stored in.
//!
//! | module | form |
//! |---|---|
//! | [`key`], [`name`], [`value`], [`filetime`], [`security`] | the tree |
//! | [`text`] | `system.reg`, `user.reg`, `userdef.reg`: what wineserver reads and writes |
//! | [`regf`] | hives: what image layers hold |
//! | [`layer`] | what a layer's delta hive means over the hive below it; merge and difference |
//! | [`change`] | what a delta changes, as a list |
//! | [`descriptors`] | security descriptors apart from the tree, for forms that have none |
//! | [`hive`] | which part of Wine's registry is which hive of a Windows image |
//!
//! ```
//! use porthole_registry::{Key, Value, regf, text};
//!
//! let mut root = Key::default();
//! root.create(r"Microsoft\Windows NT\CurrentVersion").set_value("CurrentBuild", Value::string("20348"));
//! let hive = regf::write(&regf::Hive::new("SOFTWARE", root.clone())).unwrap();
//! let back = regf::read(&hive).unwrap();
//! assert_eq!(back.root.value_at(r"Microsoft\Windows NT\CurrentVersion", "currentbuild"), Some(&Value::string("20348")));
//! let wine = text::write(&text::Document::new(text::MACHINE, root));
//! assert!(wine.starts_with(b"WINE REGISTRY Version 2\n"));
//! ```

#![forbid(unsafe_code)]

pub mod change;
pub mod descriptors;
pub mod filetime;
pub mod hive;
pub mod key;
pub mod layer;
pub mod name;
pub mod regf;
pub mod security;
pub mod text;
pub mod value;

pub use filetime::FileTime;
pub use key::{Key, MAX_DEPTH};
pub use layer::{Layering, Semantics};
pub use name::Name;
pub use security::SecurityDescriptor;
pub use value::{Value, ValueKind};
