//! The log of events: a bounded memory of the last ones, and everybody who listens.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use futures::{StreamExt, stream};
use time::OffsetDateTime;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use crate::error::Result;
use crate::event::filter::EventFilter;
use crate::event::{Event, EventQuery, EventStream, ObjectKind};

/// How many events are remembered, as many as dockerd remembers.
const REMEMBERED: usize = 256;

/// How many events a listener may fall behind before it misses the oldest.
const BEHIND: usize = 1024;

/// The log of events.
#[derive(Debug)]
pub(crate) struct EventLog {
    /// Publishing and subscribing hold the lock, so that a listener misses nothing and sees nothing
    /// twice between the remembered events and the new ones.
    remembered: Mutex<VecDeque<Event>>,
    listeners: broadcast::Sender<Event>,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        Self {
            remembered: Mutex::new(VecDeque::with_capacity(REMEMBERED)),
            listeners: broadcast::Sender::new(BEHIND),
        }
    }

    /// Records that something happened now.
    pub(crate) fn publish(
        &self,
        kind: ObjectKind,
        action: impl Into<String>,
        id: &str,
        attributes: BTreeMap<String, String>,
    ) {
        let time = OffsetDateTime::now_utc();
        let event = Event {
            kind,
            action: action.into(),
            id: id.to_owned(),
            attributes,
            time,
        };
        tracing::debug!(kind = kind.name(), action = event.action, id, "event");
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if remembered.len() == REMEMBERED {
            remembered.pop_front();
        }
        remembered.push_back(event.clone());
        // It fails when nobody listens, which is no failure.
        let _ = self.listeners.send(event);
    }

    /// The events that a query asks for.
    pub(crate) fn subscribe(&self, query: EventQuery) -> Result<EventStream> {
        let filter = EventFilter::new(query.filters)?;
        let (before, receiver) = {
            let remembered = self
                .remembered
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            // Without `since`, an `until` still asks for the past, as dockerd does it.
            let wants_past = query.since.is_some() || query.until.is_some();
            let from = query.since.unwrap_or(OffsetDateTime::UNIX_EPOCH);
            let before: Vec<Event> = remembered
                .iter()
                .filter(|event| wants_past && event.time >= from)
                .cloned()
                .collect();
            (before, self.listeners.subscribe())
        };
        let until = query.until;
        let wanted = move |event: &Event| {
            filter.includes(event) && until.is_none_or(|until| event.time <= until)
        };
        // Up to a point in the past, a timer could only cut the replay short.
        if until.is_some_and(|until| until <= OffsetDateTime::now_utc()) {
            return Ok(Box::pin(stream::iter(before.into_iter().filter(wanted))));
        }
        // A listener that fell behind goes on with what is left.
        let after = BroadcastStream::new(receiver).filter_map(async |event| event.ok());
        let events = stream::iter(before)
            .chain(after)
            .filter(move |event| futures::future::ready(wanted(event)));
        Ok(match until {
            Some(until) => Box::pin(events.take_until(sleep_until(until))),
            None => Box::pin(events),
        })
    }
}

/// Waits until a point in time; not at all when it has passed.
pub(crate) async fn sleep_until(until: OffsetDateTime) {
    let left = until - OffsetDateTime::now_utc();
    tokio::time::sleep(left.try_into().unwrap_or_default()).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filters;

    fn publish(log: &EventLog, action: &str) {
        log.publish(ObjectKind::Container, action, "c1", BTreeMap::new());
    }

    fn query(since: Option<OffsetDateTime>, until: Option<OffsetDateTime>) -> EventQuery {
        EventQuery {
            since,
            until,
            filters: Filters::none(),
        }
    }

    async fn actions(stream: EventStream) -> Vec<String> {
        stream.map(|event| event.action).collect().await
    }

    #[tokio::test]
    async fn the_past_is_replayed_up_to_until() {
        let log = EventLog::new();
        publish(&log, "create");
        publish(&log, "start");
        let now = OffsetDateTime::now_utc();
        let stream = log
            .subscribe(query(Some(OffsetDateTime::UNIX_EPOCH), Some(now)))
            .unwrap();
        publish(&log, "die");
        assert_eq!(actions(stream).await, ["create", "start"]);
    }

    #[tokio::test]
    async fn without_since_only_what_comes_is_sent() {
        let log = EventLog::new();
        publish(&log, "create");
        let stream = log.subscribe(query(None, None)).unwrap();
        publish(&log, "start");
        assert_eq!(actions(Box::pin(stream.take(1))).await, ["start"]);
    }

    #[tokio::test]
    async fn only_the_last_events_are_remembered() {
        let log = EventLog::new();
        for number in 0..REMEMBERED + 3 {
            publish(&log, &number.to_string());
        }
        let now = OffsetDateTime::now_utc();
        let stream = log
            .subscribe(query(Some(OffsetDateTime::UNIX_EPOCH), Some(now)))
            .unwrap();
        let actions = actions(stream).await;
        assert_eq!(actions.len(), REMEMBERED);
        assert_eq!(actions[0], "3");
    }
}
