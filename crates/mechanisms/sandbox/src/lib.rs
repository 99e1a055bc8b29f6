//! Linux namespaces, mounts, ID maps, cgroups and seccomp for one silo.
//!
//! A [`Plan`] says what a silo is to be, [`Silo::start`] makes it so: a process of its own PID,
//! mount, IPC, UTS, network, user and cgroup namespaces, over the union of the image's layers,
//! with no privilege and a short list of system calls, that starts the planned services and reaps.
//! The calling process must have a single thread, for its copy becomes the silo's init; it has a
//! second one as long as a silo with a limit of memory lives.
//!
//! What is decided here, and why:
//! - **One user.** Every process of a silo, wineserver and init included, is one user of the
//!   silo's user namespace ([`Identity`]); so what Wine's own permission checks miss, the kernel's
//!   do not. See [`filesystem`] for what that user owns.
//! - **On disk all is root's.** Layers, sandbox and registry are mounted with ID maps; no file
//!   changes owner when it becomes part of a silo. Mapped directories exchange their owner and the
//!   silo's user in the same way.
//! - **Namespaces belong to the host.** All but the user namespace are made by the host's root
//!   before the silo's user namespace is entered: no capability inside could change a mount, a
//!   route or a host name.

pub mod cgroup;
mod channel;
mod error;
pub mod filesystem;
mod id_map;
mod init;
mod namespaces;
mod plan;
mod privileges;
mod silo;
mod sys;
mod syscall_filter;
mod visible_memory;

pub use channel::{InitChannel, Report};
pub use error::{ErrorKind, Result, SandboxError};
pub use id_map::{IdMap, IdRange, SILO_BASE, SILO_IDS, SiloMaps};
pub use plan::{
    DrivePlan, Identity, Mapped, Plan, Resolver, Service, ServiceStdio, Temporary, layout,
};
pub use silo::{Connections, Prepared, Silo};
