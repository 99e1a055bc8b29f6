//! A test double: systems in memory, whose programs are scripted.
//!
//! Everything above the supervisor is the real service; only the supervisor is simulated, and it
//! speaks the real protocol. Programs that are not scripted with [`Script::program`] behave as
//! `windows` tells: a handful of commands (`cmd /c echo`, `cmd /c exit`, …) do what they do on
//! Windows, and everything else is a missing file. The contract suite (`tests/contract`) holds this
//! back end to what the real one does.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use porthole_compute_service::fake::{self, Program};
//!
//! let (service, script) = fake::service().await;
//! script.program("server.exe", Program::new().print("ready\r\n").await_signal().exit(0));
//! # drop(service);
//! # });
//! ```

mod backend;
mod drive;
mod process;
mod reg;
mod registry;
mod script;
mod silo;
mod supervisor;
mod windows;

use std::sync::Arc;

pub use script::{Program, Script};

use crate::service::Systems;

/// A service in memory, and the script that its programs follow.
pub async fn service() -> (Arc<Systems>, Script) {
    let script = Script::default();
    let backend = backend::FakeBackend::new(script.clone());
    match Systems::open(backend).await {
        Ok(systems) => (Arc::new(systems), script),
        Err(error) => unreachable!("a service in memory has nothing to recover: {error}"),
    }
}
