//! Options of operations that stop, pause or save a system.

use serde::{Deserialize, Serialize};

/// How a system is shut down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct ShutdownOptions {
    /// Who tells the guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<ShutdownMechanism>,
    /// What follows.
    #[serde(rename = "Type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ShutdownType>,
    /// Whether programs are not asked.
    pub force: bool,
    /// Why; for logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Who tells the guest to shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShutdownMechanism {
    /// Our agent in it.
    GuestConnection,
    /// A virtual machine's integration service.
    IntegrationService,
}

/// What follows a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShutdownType {
    /// Nothing.
    Shutdown,
    /// The state is kept.
    Hibernate,
    /// A new start.
    Reboot,
}

/// How a system is saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct SaveOptions {
    /// For what.
    pub save_type: SaveType,
    /// Where the state goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save_state_file_path: Option<String>,
}

/// What a system is saved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SaveType {
    /// To be restored.
    ToFile,
    /// To be copied: state `SavedAsTemplate`.
    AsTemplate,
}
