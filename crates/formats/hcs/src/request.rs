//! Changes to compute systems.

use serde::{Deserialize, Serialize};

/// A change to a compute system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ModifySettingRequest {
    /// What is changed, for example `Container/Memory/SizeInMB`.
    pub resource_path: String,
    /// How.
    #[serde(default)]
    pub request_type: ModifyRequestType,
    /// The new settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<serde_json::Value>,
}

/// How a setting is changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModifyRequestType {
    /// Added.
    Add,
    /// Removed.
    Remove,
    /// Updated.
    #[default]
    Update,
}
