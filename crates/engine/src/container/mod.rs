//! Containers: one task each owns the state machine; everybody else reads snapshots.
//!
//! Reading order: [`record`] (what is kept), [`state`] (the state machine), `ledger` (how a record
//! changes), `task` (who changes it), `launch` and `ending` (how a run begins and ends), `adopt`
//! (how it goes on after a restart of the engine).

pub(crate) mod adopt;
pub mod archive;
pub mod changes;
pub(crate) mod command;
pub mod commit;
pub mod config;
pub(crate) mod console;
pub(crate) mod copies;
pub mod create;
pub(crate) mod document;
pub(crate) mod ending;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod handle;
pub mod health;
pub(crate) mod health_monitor;
pub(crate) mod hives;
pub(crate) mod launch;
pub(crate) mod ledger;
pub mod list;
pub(crate) mod log_attributes;
pub(crate) mod log_forward;
pub mod log_options;
pub mod logs;
pub(crate) mod merge;
pub(crate) mod mounts;
pub(crate) mod name;
pub(crate) mod pause;
pub(crate) mod ports;
pub mod prune;
pub mod record;
pub mod registry;
pub mod remove;
pub(crate) mod rename;
pub mod resources;
pub(crate) mod restart;
pub(crate) mod selection;
pub mod size;
pub mod state;
pub mod stats;
pub mod stop;
pub(crate) mod task;
pub(crate) mod time_zone;
pub(crate) mod tmpfs;
pub mod top;
pub mod ulimits;
pub mod update;
pub(crate) mod user;
pub mod wait;
