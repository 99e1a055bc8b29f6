//! The standard streams of a process and the threads that pump them.
//!
//! ```text
//! supervisor ─FIFO─▶ feed thread ─named pipe─▶ program        (stdin)
//! supervisor ◀─FIFO─ drain thread ◀─named pipe─ program       (stdout, stderr: one each)
//! ```

use std::os::windows::io::{AsHandle, OwnedHandle};
use std::sync::Arc;
use std::thread;

use crate::error::{Failure, Outcome};
use crate::sys::console;
use crate::sys::event::{self, Event};
use crate::sys::file::{self, Direction};
use crate::sys::overlapped::OverlappedRead;
use crate::sys::pipe::{self, Mode};
use crate::sys::stack;

/// Bytes moved at once.
const PIECE: usize = 64 * 1024;

/// Stack of a pumping thread: it holds no buffers, but Wine needs room for signals on it.
const STACK: usize = 64 * 1024;

/// Starts a thread with a small stack.
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) -> Outcome<()> {
    let started = thread::Builder::new().stack_size(STACK).spawn(move || {
        stack::release_unused();
        work();
    });
    started.map(drop).map_err(|error| {
        let code = error.raw_os_error().map_or(8, i32::cast_unsigned);
        Failure::new("CreateThread", code)
    })
}

/// One stream before the process exists: the program's end, and what will pump it.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The handle that the program gets.
    pub(crate) theirs: OwnedHandle,
    pump: Option<Pump>,
}

#[derive(Debug)]
enum Pump {
    Feed {
        fifo: OwnedHandle,
        pipe: OwnedHandle,
        pace: Pace,
    },
    Drain {
        fifo: OwnedHandle,
        read: OverlappedRead,
    },
}

/// How a program is given its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As it comes.
    Stream,
    /// A line, and the next once that is taken.
    Lines,
}

impl Pace {
    /// Wine's `cmd`, which also runs batch files, takes a line of what it reads and seeks back for
    /// the rest, which is lost in a pipe; Windows' reads a character at a time. All others get what
    /// there is.
    pub(crate) fn of(command_line: &str) -> Self {
        let command = command_line.trim_start();
        let word = match command.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => command.split([' ', '\t']).next(),
        };
        let word = word.unwrap_or_default().to_ascii_lowercase();
        let is_batch = word.ends_with(".bat") || word.ends_with(".cmd");
        // An option may follow without a space.
        let program = if command.starts_with('"') {
            word.as_str()
        } else {
            word.split('/').next().unwrap_or_default()
        };
        let name = program.rsplit(['\\', '/']).next();
        if is_batch || matches!(name, Some("cmd" | "cmd.exe")) {
            Self::Lines
        } else {
            Self::Stream
        }
    }
}

/// A stream towards the program; `NUL` without a FIFO.
pub(crate) fn prepare_input(fifo: Option<&str>, pace: Pace) -> Outcome<Prepared> {
    let Some(path) = fifo else { return null() };
    let fifo = file::open_unix(path, Direction::Read, false)?;
    let pipe = pipe::create(Mode::Synchronous)?;
    Ok(Prepared {
        theirs: pipe.theirs,
        pump: Some(Pump::Feed {
            fifo,
            pipe: pipe.ours,
            pace,
        }),
    })
}

/// A stream from the program; `NUL` without a FIFO.
pub(crate) fn prepare_output(fifo: Option<&str>) -> Outcome<Prepared> {
    let Some(path) = fifo else { return null() };
    let fifo = file::open_unix(path, Direction::Write, false)?;
    let pipe = pipe::create(Mode::Overlapped)?;
    let read = OverlappedRead::new(pipe.ours, PIECE)?;
    Ok(Prepared {
        theirs: pipe.theirs,
        pump: Some(Pump::Drain { fifo, read }),
    })
}

fn null() -> Outcome<Prepared> {
    Ok(Prepared {
        theirs: file::open_null()?,
        pump: None,
    })
}

/// The three standard handles of a program whose console is its stream.
pub(crate) fn of_console() -> Outcome<[Prepared; 3]> {
    let (input, output) = console::standard_handles()?;
    let error = output
        .try_clone()
        .map_err(|_| Failure::last("DuplicateHandle"))?;
    Ok([input, output, error].map(|theirs| Prepared { theirs, pump: None }))
}

impl Prepared {
    /// Closes the agent's copy of the program's end and starts to pump. `exited` is signaled once
    /// the process has ended; the event returned for an output stream is signaled once all that
    /// the process has written is handed over.
    pub(crate) fn run(self, exited: &Arc<Event>) -> Outcome<Option<Arc<Event>>> {
        drop(self.theirs);
        match self.pump {
            None => Ok(None),
            Some(Pump::Feed { fifo, pipe, pace }) => {
                spawn(move || feed(&fifo, &pipe, pace))?;
                Ok(None)
            }
            Some(Pump::Drain { fifo, mut read }) => {
                let drained = Arc::new(Event::new()?);
                let (exited, told) = (Arc::clone(exited), Arc::clone(&drained));
                spawn(move || {
                    // An error is the end of the stream on one of its sides: both are closed.
                    let _ = drain(&mut read, &fifo, &exited, &told);
                    drop((read, fifo));
                    told.set();
                })?;
                Ok(Some(drained))
            }
        }
    }
}

/// Copies the FIFO into the pipe until either end is closed; then closes both.
fn feed(fifo: &OwnedHandle, pipe: &OwnedHandle, pace: Pace) {
    let mut piece = vec![0; PIECE];
    while let Ok(count @ 1..) = file::read(fifo, &mut piece) {
        let given = match pace {
            Pace::Stream => file::write_all(pipe, &piece[..count]),
            Pace::Lines => feed_lines(pipe, &piece[..count]),
        };
        if given.is_err() {
            break;
        }
    }
}

fn feed_lines(pipe: &OwnedHandle, bytes: &[u8]) -> std::io::Result<()> {
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    lines.try_for_each(|line| {
        file::write_all(pipe, line)?;
        file::await_reader(pipe)
    })
}

/// How much of what the process has written may still be in its pipe.
#[derive(Debug, Clone, Copy)]
enum Rest {
    /// The process runs: more may come.
    Unknown,
    /// It has ended: at most so many bytes.
    AtMost(usize),
    /// Nothing, and those who wait for that know it.
    Nothing,
}

/// Copies the pipe into the FIFO until either end is closed.
///
/// Once the process has ended and a read finds nothing, everything that it wrote has been copied:
/// its writes happened before its end, and the kernel answers reads in order. A descendant that
/// writes on and on may leave no read without a find; then everything has been copied when that is
/// more than the pipe holds. What descendants write is copied after that too.
fn drain(
    read: &mut OverlappedRead,
    fifo: &OwnedHandle,
    exited: &Event,
    drained: &Event,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut rest = Rest::Unknown;
    loop {
        read.start().map_err(code)?;
        if matches!(rest, Rest::Unknown) {
            let first = [exited.handle().as_handle(), read.done().as_handle()];
            if event::wait_any(&first, None).map_err(code)? == Some(0) {
                // What this read finds may be older, and the pipe be full again.
                rest = Rest::AtMost(pipe::QUOTA + PIECE);
            }
        }
        if let Rest::AtMost(bytes) = rest {
            let found = event::wait_any(&[read.done().as_handle()], Some(0)).map_err(code)?;
            if bytes == 0 || found.is_none() {
                drained.set();
                rest = Rest::Nothing;
            }
        }
        let bytes = read.finish().map_err(code)?;
        file::write_all(fifo, bytes)?;
        if let Rest::AtMost(most) = &mut rest {
            *most = most.saturating_sub(bytes.len());
        }
    }
}

fn code(failure: Failure) -> std::io::Error {
    std::io::Error::from_raw_os_error(failure.code().cast_signed())
}
