//! What the kernel limits for each process of a silo (`setrlimit`), beside the limits of its cgroup.

use serde::{Deserialize, Serialize};

/// A limit; `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimit {
    /// What is limited.
    pub resource: Resource,
    /// What holds; a process may raise it as far as `hard`.
    pub soft: Option<u64>,
    /// The most that `soft` can be raised to.
    pub hard: Option<u64>,
}

/// What is limited, in the unit of `setrlimit(2)`. Core dumps are not among it: they would be
/// written by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// Bytes of address space.
    As,
    /// Seconds of processor time.
    Cpu,
    /// Bytes of data segments.
    Data,
    /// Bytes of a file that is written.
    Fsize,
    /// Locks of files.
    Locks,
    /// Bytes that are locked into memory.
    Memlock,
    /// Bytes of message queues.
    Msgqueue,
    /// The highest niceness.
    Nice,
    /// Open files.
    Nofile,
    /// Threads of the user.
    Nproc,
    /// Bytes that are resident.
    Rss,
    /// The highest real-time priority.
    Rtprio,
    /// Microseconds of real-time scheduling without a pause.
    Rttime,
    /// Signals that are pending.
    Sigpending,
    /// Bytes of a stack.
    Stack,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::As,
        Self::Cpu,
        Self::Data,
        Self::Fsize,
        Self::Locks,
        Self::Memlock,
        Self::Msgqueue,
        Self::Nice,
        Self::Nofile,
        Self::Nproc,
        Self::Rss,
        Self::Rtprio,
        Self::Rttime,
        Self::Sigpending,
        Self::Stack,
    ];

    /// Its name, as `ulimit`'s options of Docker have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::As => "as",
            Self::Cpu => "cpu",
            Self::Data => "data",
            Self::Fsize => "fsize",
            Self::Locks => "locks",
            Self::Memlock => "memlock",
            Self::Msgqueue => "msgqueue",
            Self::Nice => "nice",
            Self::Nofile => "nofile",
            Self::Nproc => "nproc",
            Self::Rss => "rss",
            Self::Rtprio => "rtprio",
            Self::Rttime => "rttime",
            Self::Sigpending => "sigpending",
            Self::Stack => "stack",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_documents() {
        for resource in Resource::ALL {
            assert_eq!(Resource::named(resource.name()), Some(resource));
            let written = serde_json::to_value(resource).unwrap();
            assert_eq!(written, resource.name());
        }
        assert_eq!(Resource::named("core"), None);
    }
}
