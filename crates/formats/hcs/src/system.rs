//! The document a compute system is created from.

use serde::{Deserialize, Serialize};

use crate::container::Container;

/// A compute system to create. Exactly one of the kinds is present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ComputeSystem {
    /// Who owns the system, for example `porthole`.
    pub owner: String,
    /// The schema that the document follows.
    pub schema_version: Version,
    /// The system that hosts the hosted system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosting_system_id: Option<String>,
    /// The system that is launched inside the hosting one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted_system: Option<serde_json::Value>,
    /// A container on this kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// A virtual machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_machine: Option<serde_json::Value>,
    /// Whether the system ends when its last handle is closed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub should_terminate_on_last_handle_closed: bool,
}

impl ComputeSystem {
    /// A document for a container, in the schema's version that is current here.
    #[must_use]
    pub fn container(owner: impl Into<String>, container: Container) -> Self {
        Self {
            owner: owner.into(),
            schema_version: Version::V2_5,
            hosting_system_id: None,
            hosted_system: None,
            container: Some(container),
            virtual_machine: None,
            should_terminate_on_last_handle_closed: false,
        }
    }
}

/// A schema version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Version {
    /// Major.
    pub major: u32,
    /// Minor.
    pub minor: u32,
}

impl Version {
    /// Schema 2.5, of Windows Server 2022.
    pub const V2_5: Self = Self { major: 2, minor: 5 };
}
