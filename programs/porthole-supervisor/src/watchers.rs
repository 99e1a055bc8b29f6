//! Connections that carry events.

use porthole_protocol::supervisor::{Event, Response};

use crate::clients::Mode;
use crate::supervisor::Supervisor;

/// A watcher that leaves this many bytes of events unread is let go.
const WATCHER_LIMIT: usize = 1 << 20;

impl Supervisor {
    /// Turns a connection into a stream of events, beginning with what has happened.
    pub(crate) fn watch(&mut self, number: u32) {
        self.respond(number, &Response::Done);
        if let Some(client) = self.clients.get_mut(&number) {
            client.mode = Mode::Watching;
        }
        for event in self.history() {
            self.send(number, &event);
        }
        self.close_watchers_after_the_end();
    }

    /// The events that say what has happened so far.
    fn history(&self) -> Vec<Event> {
        let exits = self
            .exits
            .iter()
            .map(|(process, exit_code)| Event::ProcessExited { process, exit_code });
        let out_of_memory = (self.out_of_memory_kills > 0).then_some(Event::OutOfMemory);
        exits
            .chain(out_of_memory)
            .chain(self.record.clone().map(Event::SystemExited))
            .collect()
    }

    /// Tells all watchers of an event.
    pub(crate) fn tell_watchers(&mut self, event: &Event) {
        let watchers: Vec<u32> = self
            .clients
            .iter()
            .filter(|(_, client)| client.mode == Mode::Watching)
            .map(|(&number, _)| number)
            .collect();
        for number in watchers {
            self.send(number, event);
            let unread = self
                .clients
                .get(&number)
                .map_or(0, |client| client.outbox.len());
            if unread > WATCHER_LIMIT {
                self.drop_client(number);
            }
        }
        self.close_watchers_after_the_end();
    }

    fn close_watchers_after_the_end(&mut self) {
        if self.record.is_some() {
            self.close_where(|client| client.mode == Mode::Watching);
        }
    }
}
