//! HCS documents: the JSON of Microsoft's Host Compute Service, as types.
//!
//! Field names and meanings are those of the published OpenAPI schemas (version 2104 is kept in
//! `schema/`); nothing is added, and settings that HCS has no field for travel beside a document,
//! never in it. Documents that come from outside reject unknown fields.

#![forbid(unsafe_code)]

pub mod container;
pub mod process;
pub mod properties;
pub mod registry;
pub mod request;
pub mod result;
pub mod shutdown;
pub mod system;

pub use container::{
    Container, GuestOs, Layer, MappedDirectory, MappedPipe, Memory, Networking, PathType,
    Processor, Storage,
};
pub use process::{
    CloseHandle, ConsoleSize, ModifyOperation, ProcessModifyRequest, ProcessParameters,
    ProcessSignal, ProcessStatus, SignalProcessOptions, StdHandle,
};
pub use properties::{
    ExitType, MemoryStats, OsType, ProcessDetails, ProcessorStats, Properties, PropertyType, State,
    Statistics, StorageStats, SystemPropertyQuery, SystemQuery, SystemType,
};
pub use registry::{RegistryChanges, RegistryHive, RegistryKey, RegistryValue, RegistryValueType};
pub use request::{ModifyRequestType, ModifySettingRequest};
pub use result::{ErrorEvent, EventType, ResultError, SystemExitStatus};
pub use shutdown::{SaveOptions, SaveType, ShutdownMechanism, ShutdownOptions, ShutdownType};
pub use system::{ComputeSystem, Version};
