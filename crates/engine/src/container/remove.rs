//! Removing a container.

/// How to remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveContainer {
    /// Kill it first when it runs.
    pub force: bool,
    /// Also remove its anonymous volumes. There are no volumes yet, so this changes nothing.
    pub volumes: bool,
}
