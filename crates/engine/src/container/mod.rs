//! Containers: one task each owns the state machine; everybody else reads snapshots.

pub mod config;
pub mod create;
pub mod list;
pub mod logs;
pub mod record;
pub mod remove;
pub mod state;
pub mod stop;
pub mod top;
pub mod wait;
