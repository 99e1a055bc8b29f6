//! Windows' rules for text: command lines, environments, file names and paths.
//!
//! | module | rules |
//! |---|---|
//! | [`command_line`] | arguments to a command line and back, as Microsoft's C run-time reads it |
//! | [`environment`] | variables whose names differ not by case |
//! | [`name`] | which names a file can have |
//! | [`path`] | absolute paths on C: in a container |
//! | [`bind`] | `source:C:\path[:ro|rw]`, as `docker run -v` takes it on a Linux host |
//!
//! Nothing here touches a disk or follows a link.

#![forbid(unsafe_code)]

pub mod bind;
pub mod command_line;
pub mod environment;
pub mod name;
pub mod path;

pub use bind::{Bind, BindError, BindSource};
pub use environment::{Environment, EnvironmentError};
pub use name::NameError;
pub use path::{ContainerPath, PathError};
