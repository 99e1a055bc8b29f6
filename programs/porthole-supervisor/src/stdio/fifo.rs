//! FIFOs through which the guest agent reaches the supervisor.
//!
//! The supervisor's ends are open before the agent is told of them: Wine opens without waiting,
//! so a writer without a reader would fail and a reader without a writer would see the end.

use std::os::fd::{BorrowedFd, OwnedFd};

use porthole_protocol::agent::{ProcessKey, Stdio};
use porthole_protocol::supervisor::{StreamKind, Streams};
use porthole_sandbox::{Identity, layout};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};

/// The FIFOs of one process, by stream, with the supervisor's ends.
#[derive(Debug)]
pub(crate) struct Fifos {
    /// What the agent is told.
    pub(crate) stdio: Stdio,
    /// The end for input: open both ways, so that it counts as a writer without a reader.
    pub(crate) input: Option<OwnedFd>,
    /// The ends for output.
    pub(crate) outputs: Vec<(StreamKind, OwnedFd)>,
}

impl Fifos {
    /// Makes what `streams` asks for. When this fails, nothing of it is left.
    pub(crate) fn make(
        directory: BorrowedFd<'_>,
        process: ProcessKey,
        streams: Streams,
        identity: Identity,
    ) -> rustix::io::Result<Self> {
        let made = Self::make_all(directory, process, streams, identity);
        if made.is_err() {
            Self::unlink(directory, process);
        }
        made
    }

    fn make_all(
        directory: BorrowedFd<'_>,
        process: ProcessKey,
        streams: Streams,
        identity: Identity,
    ) -> rustix::io::Result<Self> {
        let make = |kind, access| {
            let name = name(process, kind);
            make_one(directory, &name, identity, access)
                .map(|end| (end, format!("{}/{name}", layout::RUN)))
        };
        let has_input = matches!(
            streams,
            Streams::Console(_) | Streams::Pipes { stdin: true, .. }
        );
        let (input, input_path) = has_input
            .then(|| make(StreamKind::Stdin, OFlags::RDWR))
            .transpose()?
            .unzip();
        let (stdout, stdout_path) = make(StreamKind::Stdout, OFlags::RDONLY)?;
        let mut outputs = vec![(StreamKind::Stdout, stdout)];
        let stdio = match streams {
            Streams::Console(size) => Stdio::Console {
                input: input_path.unwrap_or_default(),
                output: stdout_path,
                size,
            },
            Streams::Pipes { .. } => {
                let (stderr, stderr_path) = make(StreamKind::Stderr, OFlags::RDONLY)?;
                outputs.push((StreamKind::Stderr, stderr));
                Stdio::Pipes {
                    stdin: input_path,
                    stdout: Some(stdout_path),
                    stderr: Some(stderr_path),
                }
            }
        };
        Ok(Self {
            stdio,
            input,
            outputs,
        })
    }

    /// Opens the input's FIFO for writing only, so that the end of its reader is seen; nothing
    /// while it has no reader.
    pub(crate) fn open_writer(directory: BorrowedFd<'_>, process: ProcessKey) -> Option<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let name = name(process, StreamKind::Stdin);
        rustix::fs::openat(directory, name, flags, Mode::empty()).ok()
    }

    /// Removes the names of a process's FIFOs.
    pub(crate) fn unlink(directory: BorrowedFd<'_>, process: ProcessKey) {
        for kind in [StreamKind::Stdin, StreamKind::Stdout, StreamKind::Stderr] {
            // Which of them exist depends on the streams; those that stay go with the silo.
            let _ = rustix::fs::unlinkat(directory, name(process, kind), AtFlags::empty());
        }
    }
}

fn name(process: ProcessKey, kind: StreamKind) -> String {
    let suffix = match kind {
        StreamKind::Stdin => "in",
        StreamKind::Stdout => "out",
        StreamKind::Stderr => "err",
    };
    format!("{}.{suffix}", process.0)
}

fn make_one(
    directory: BorrowedFd<'_>,
    name: &str,
    identity: Identity,
    access: OFlags,
) -> rustix::io::Result<OwnedFd> {
    rustix::fs::mknodat(
        directory,
        name,
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )?;
    let (user, group) = (
        Uid::from_raw(identity.host_id()),
        Gid::from_raw(identity.host_id()),
    );
    rustix::fs::chownat(
        directory,
        name,
        Some(user),
        Some(group),
        AtFlags::SYMLINK_NOFOLLOW,
    )?;
    let flags = access | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}
