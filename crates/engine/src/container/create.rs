//! Creating a container.

/// A container that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its ID.
    pub id: String,
    /// What the client should be told.
    pub warnings: Vec<String>,
}
