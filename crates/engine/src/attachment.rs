//! A client's connection to the streams of a container or an exec.

use std::fmt;
use std::io;
use std::pin::Pin;

use futures::{Sink, SinkExt, Stream, StreamExt, stream};
use porthole_compute_service::system::Stdio;
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

/// The two ends of a client's connection before it is dressed for the client.
pub(crate) struct Streams {
    pub(crate) output: OutputStream,
    pub(crate) input: Input,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

impl Streams {
    /// The streams of a process that runs.
    pub(crate) fn of(stdio: Stdio) -> Self {
        Self {
            output: stdio.output,
            input: Input::open(stdio.input),
        }
    }

    /// The streams of a process that has ended.
    pub(crate) fn ended() -> Self {
        Self {
            output: Box::pin(stream::empty()),
            input: Input {
                state: InputState::Closed,
            },
        }
    }

    /// The streams of a process that is to start, and what to hand them to when it has.
    pub(crate) fn promised() -> (Self, Promise) {
        let (output, output_later) = oneshot::channel::<OutputStream>();
        let (input, input_later) = oneshot::channel();
        let output_later = stream::once(output_later)
            .filter_map(async |output| output.ok())
            .flatten();
        let streams = Self {
            output: Box::pin(output_later),
            input: Input::waiting(input_later),
        };
        (streams, Promise { output, input })
    }
}

/// Where the streams of a process go once it runs; dropping it ends what was promised.
pub(crate) struct Promise {
    output: oneshot::Sender<OutputStream>,
    input: oneshot::Sender<Frames>,
}

impl fmt::Debug for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise").finish_non_exhaustive()
    }
}

impl Promise {
    /// Whether the client has left.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.output.is_closed() && self.input.is_closed()
    }

    /// Hands the streams over. A client that has left drops them.
    pub(crate) fn keep(self, stdio: Stdio) {
        let _ = self.output.send(stdio.output);
        let _ = self.input.send(stdio.input);
    }
}
