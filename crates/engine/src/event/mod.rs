//! Docker's events.

mod filter;
pub(crate) mod log;

use std::collections::BTreeMap;
use std::pin::Pin;

use futures::Stream;
use time::OffsetDateTime;

use crate::filter::Filters;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
}

impl ObjectKind {
    /// Docker's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub kind: ObjectKind,
    /// What happened, for example `start` or `exec_create: cmd /c ver`.
    pub action: String,
    /// The object's ID.
    pub id: String,
    /// Facts about it: names, labels, `exitCode`, `signal`, `execID`.
    pub attributes: BTreeMap<String, String>,
    /// When.
    pub time: OffsetDateTime,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Also those since then that are still remembered.
    pub since: Option<OffsetDateTime>,
    /// Nothing after; the stream ends there.
    pub until: Option<OffsetDateTime>,
    /// Filters.
    pub filters: Filters,
}

/// Events as they happen.
pub type EventStream = Pin<Box<dyn Stream<Item = Event> + Send>>;
