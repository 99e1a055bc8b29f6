//! A client's connection to the streams of a container or an exec.

use std::fmt;
use std::io;
use std::pin::Pin;

use futures::{Sink, SinkExt, Stream};
use porthole_protocol::supervisor::StdioFrame;
pub use porthole_protocol::supervisor::StreamKind;
use tokio::sync::oneshot;

/// Output as it comes; ends when the process's streams have, or when the start failed.
pub type OutputStream = Pin<Box<dyn Stream<Item = io::Result<(StreamKind, Vec<u8>)>> + Send>>;

type Frames = Pin<Box<dyn Sink<StdioFrame, Error = io::Error> + Send>>;

/// What a client attaches to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attach {
    /// Will send input.
    pub stdin: bool,
    /// Wants output.
    pub stdout: bool,
    /// Wants errors.
    pub stderr: bool,
    /// Wants what was logged before.
    pub logs: bool,
    /// Wants what comes from now on.
    pub stream: bool,
}

/// A client's connection.
pub struct Attachment {
    /// Whether the process has a console: its output is then one stream, sent raw.
    pub tty: bool,
    /// The output.
    pub output: OutputStream,
    /// The input, where it is open and was asked for.
    pub input: Option<Input>,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("tty", &self.tty)
            .finish_non_exhaustive()
    }
}

/// The input of a process that runs, or will.
pub struct Input {
    state: InputState,
}

enum InputState {
    /// The process is not started yet.
    Waiting(oneshot::Receiver<Frames>),
    Open(Frames),
    Closed,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            InputState::Waiting(_) => "waiting",
            InputState::Open(_) => "open",
            InputState::Closed => "closed",
        };
        f.debug_tuple("Input").field(&state).finish()
    }
}

impl Input {
    pub(crate) fn open(frames: Frames) -> Self {
        Self {
            state: InputState::Open(frames),
        }
    }

    pub(crate) const fn waiting(frames: oneshot::Receiver<Frames>) -> Self {
        Self {
            state: InputState::Waiting(frames),
        }
    }

    /// Sends bytes; waits for the start of a process that has not started, and for the program to
    /// read.
    ///
    /// # Errors
    /// `BrokenPipe` when the process has ended, was never started, or the input is closed.
    pub async fn write(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let frame = StdioFrame::Data(StreamKind::Stdin, bytes);
        self.frames().await?.send(frame).await
    }

    /// Ends the input: the program reads its end. Dropping the input instead leaves it open, unless
    /// the container closes it with its first client (`StdinOnce`).
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn close(&mut self) -> io::Result<()> {
        let sent = self
            .frames()
            .await?
            .send(StdioFrame::End(StreamKind::Stdin))
            .await;
        self.state = InputState::Closed;
        sent
    }

    async fn frames(&mut self) -> io::Result<&mut Frames> {
        if let InputState::Waiting(receiver) = &mut self.state {
            self.state = receiver.await.map_or(InputState::Closed, InputState::Open);
        }
        match &mut self.state {
            InputState::Open(frames) => Ok(frames),
            InputState::Waiting(_) | InputState::Closed => Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the input is closed",
            )),
        }
    }
}
