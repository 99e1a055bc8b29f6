//! The connection to the supervisor.

use std::sync::Mutex;

use porthole_protocol::agent::{Event, Message, Reply, Request, VERSION};
use porthole_protocol::frame::{self, FrameError};
use porthole_protocol::{Hello, WindowsError};

use crate::error::Outcome;
use crate::sys::file::{self, Stream};

/// The sending half, shared by all threads.
#[derive(Debug)]
pub(crate) struct Sender(Mutex<Stream>);

/// The receiving half.
#[derive(Debug)]
pub(crate) struct Receiver(Stream);

/// Takes over the streams that the agent was started with.
pub(crate) fn open() -> Outcome<(Receiver, Sender)> {
    let (input, output) = file::channel()?;
    Ok((Receiver(input), Sender(Mutex::new(output))))
}

impl Receiver {
    /// Exchanges greetings.
    pub(crate) fn greet(&mut self, sender: &Sender) -> Result<bool, FrameError> {
        sender.write(&Hello::new(VERSION))?;
        let hello: Hello = frame::read(&mut self.0)?;
        Ok(hello.agrees_with(VERSION))
    }

    /// Waits for the next request.
    pub(crate) fn next(&mut self) -> Result<Request, FrameError> {
        frame::read(&mut self.0)
    }
}

impl Sender {
    /// Answers a request.
    pub(crate) fn reply(&self, number: u32, result: Outcome<Reply>) {
        let result = result.map_err(WindowsError::from);
        self.send(&Message::Reply { number, result });
    }

    /// Reports an event.
    pub(crate) fn report(&self, event: Event) {
        self.send(&Message::Event(event));
    }

    /// A supervisor that no longer listens has closed the other half too, which ends the agent;
    /// so there is nobody to tell of a failure here.
    fn send(&self, message: &Message) {
        let _ = self.write(message);
    }

    fn write<T: serde::Serialize>(&self, message: &T) -> Result<(), FrameError> {
        let mut stream = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        frame::write(&mut *stream, message)
    }
}
