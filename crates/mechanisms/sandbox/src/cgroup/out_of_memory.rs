//! Being told when the kernel kills for want of memory.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{EventfdFlags, eventfd};

use super::files::write;
use crate::error::{Context, Result};

/// A descriptor that becomes ready when a process may have been killed for want of memory.
#[derive(Debug)]
pub struct OutOfMemoryWatch {
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// An eventfd registered with v1's `memory.oom_control`.
    Eventfd(OwnedFd),
    /// v2's `memory.events`, ready with "priority data" when its content changes.
    Events(fs::File),
}

impl OutOfMemoryWatch {
    pub(super) fn v1(memory: &Path) -> Result<Self> {
        let path = memory.join("memory.oom_control");
        let control = fs::File::open(&path).at("open", &path)?;
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .context("make", "an event descriptor")?;
        let registration = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
        write(memory, "cgroup.event_control", &registration)?;
        Ok(Self {
            source: Source::Eventfd(event),
        })
    }

    pub(super) fn v2(directory: &Path) -> Result<Self> {
        let path = directory.join("memory.events");
        let mut events = fs::File::open(&path).at("open", &path)?;
        let mut content = String::new();
        events.read_to_string(&mut content).at("read", &path)?;
        Ok(Self {
            source: Source::Events(events),
        })
    }

    /// Whether to wait for priority data rather than for input.
    #[must_use]
    pub fn waits_for_priority_data(&self) -> bool {
        matches!(self.source, Source::Events(_))
    }

    /// Takes note of what the descriptor has reported, so that it reports again.
    pub fn acknowledge(&self) {
        let mut buffer = [0; 512];
        match &self.source {
            Source::Eventfd(event) => {
                let _ = rustix::io::read(event, &mut buffer[..8]);
            }
            Source::Events(events) => {
                let _ = rustix::io::pread(events, &mut buffer, 0);
            }
        }
    }
}

impl AsFd for OutOfMemoryWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::Eventfd(event) => event.as_fd(),
            Source::Events(events) => events.as_fd(),
        }
    }
}
