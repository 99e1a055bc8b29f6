//! Stopping and killing a container.

/// How to stop; each over what the container was created with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StopContainer {
    /// The signal.
    pub signal: Option<String>,
    /// Seconds to wait before it is terminated; negative waits for ever.
    pub timeout: Option<i64>,
}
