//! Changes to a container's registry.

use serde::{Deserialize, Serialize};

/// Values to add and keys to delete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct RegistryChanges {
    /// Values to add, with the keys that they need.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_values: Vec<RegistryValue>,
    /// Keys to delete with everything below them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delete_keys: Vec<RegistryKey>,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RegistryKey {
    /// The hive.
    pub hive: RegistryHive,
    /// The path below the hive's root.
    pub name: String,
    /// Whether the key is gone when the system is.
    #[serde(default)]
    pub volatile: bool,
}

/// A hive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryHive {
    /// `HKLM\SYSTEM`.
    System,
    /// `HKLM\SOFTWARE`.
    Software,
    /// `HKLM\SECURITY`.
    Security,
    /// `HKLM\SAM`.
    Sam,
}

/// A value. Exactly one of the fields that hold its data is set, the one that suits its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RegistryValue {
    /// The key.
    pub key: RegistryKey,
    /// The value's name; empty for the default value.
    pub name: String,
    /// Its type.
    #[serde(rename = "Type")]
    pub kind: RegistryValueType,
    /// A text; several are separated by NUL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string_value: Option<String>,
    /// Bytes, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_value: Option<String>,
    /// A number of 32 bits.
    #[serde(
        rename = "DWordValue",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub dword_value: Option<u32>,
    /// A number of 64 bits.
    #[serde(
        rename = "QWordValue",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub qword_value: Option<u64>,
    /// The type's number, for [`RegistryValueType::CustomType`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_type: Option<u32>,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryValueType {
    /// `REG_NONE`.
    None,
    /// `REG_SZ`.
    String,
    /// `REG_EXPAND_SZ`.
    ExpandedString,
    /// `REG_MULTI_SZ`.
    MultiString,
    /// `REG_BINARY`.
    Binary,
    /// `REG_DWORD`.
    DWord,
    /// `REG_QWORD`.
    QWord,
    /// Any other; its data is binary.
    CustomType,
}
