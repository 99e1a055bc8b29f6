//! `--copy-files`: serves one connection that copies files into or out of a container.
//!
//! A process of its own, because it enters the container's view of its files for good, may hang in
//! a file system of the container's, and waits for a client that may never read: a stalled copy
//! stalls nothing but itself. Standard input tells the [`View`] as JSON, standard output is a
//! socket that listens; one connection is taken and served.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use porthole_archive::{Drive, Error, Ownership};
use porthole_protocol::Hello;
use porthole_protocol::archive::{FailureKind, Materials, View};
use porthole_protocol::frame;
use porthole_protocol::supervisor::{Request, Response, SiloUser, VERSION};
use porthole_sandbox::filesystem::{enter_running_drive, enter_stopped_drive};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::silo;

/// How long the client that asked for this program may take to connect.
const CONNECTS_WITHIN: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// How long a supervisor may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// The most that is read of the view, in bytes.
const MOST_VIEW: u64 = 16 << 20;

/// Takes a connection and serves it.
pub(crate) fn serve() -> Result<()> {
    let mut text = Vec::new();
    let read = io::stdin().lock().take(MOST_VIEW).read_to_end(&mut text);
    read.context("cannot read what is to be copied from")?;
    let view: View =
        serde_json::from_slice(&text).context("cannot use what is to be copied from")?;
    porthole_files::raise_limit().context("cannot raise the limit of open files")?;
    let listener = io::stdout().as_fd().try_clone_to_owned();
    let listener = UnixListener::from(listener.context("cannot use the listening socket")?);
    let mut waited_for = [PollFd::new(&listener, PollFlags::IN)];
    let count = poll(&mut waited_for, Some(&CONNECTS_WITHIN));
    if count.context("cannot wait for a client")? == 0 {
        bail!("no client connected in time");
    }
    let (mut stream, _) = listener.accept().context("cannot accept a client")?;
    drop(listener);
    let served = porthole_archive::serve(&mut stream, |_| open(&view));
    served.context("the connection broke off")
}

/// The container's drive, in which this process then is for good.
fn open(view: &View) -> Result<Drive, Error> {
    let (root, user, kind) = match view {
        View::Running { supervisor, user } => {
            let root = running(Path::new(supervisor));
            (root, *user, FailureKind::NotRunning)
        }
        View::Stopped(materials) => (stopped(materials), materials.user, FailureKind::Host),
    };
    let root = root.map_err(|error| {
        Error::new(
            kind,
            format!("cannot reach the container's files: {error:#}"),
        )
    })?;
    Ok(Drive::new(root, ownership(user)))
}

fn stopped(materials: &Materials) -> Result<OwnedFd> {
    let plan = silo::drive(materials)?;
    enter_stopped_drive(&plan).map_err(|error| anyhow::anyhow!(error.chain()))
}

fn ownership(user: SiloUser) -> Ownership {
    let user = silo::identity(user).host_id();
    Ownership::Silo { user }
}

/// Enters the view of the silo that a supervisor has.
fn running(supervisor: &Path) -> Result<OwnedFd> {
    let mut stream = connect(supervisor)
        .with_context(|| format!("cannot connect to {}", supervisor.display()))?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
    stream.set_write_timeout(Some(ANSWERS_WITHIN))?;
    frame::write(&mut stream, &Hello::new(VERSION))?;
    let hello: Hello = frame::read(&mut stream)?;
    if !hello.agrees_with(VERSION) {
        bail!("the supervisor speaks protocol version {}", hello.version);
    }
    let pid = init_pid(&mut stream)?;
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.context("the supervisor names no process")?;
    let init = pidfd_open(process, PidfdFlags::empty()).context("the silo has ended")?;
    // The supervisor has not reaped it even now, so the descriptor is that of no later process.
    if init_pid(&mut stream)? != pid {
        bail!("the silo has ended");
    }
    enter_running_drive(init.as_fd()).map_err(|error| anyhow::anyhow!(error.chain()))
}

/// From the directory that the socket is in: its path may be longer than an address can be.
fn connect(socket: &Path) -> io::Result<UnixStream> {
    let parent = socket.parent().unwrap_or(Path::new("/"));
    std::env::set_current_dir(parent)?;
    UnixStream::connect(socket.file_name().unwrap_or_default())
}

fn init_pid(supervisor: &mut UnixStream) -> Result<u32> {
    frame::write(supervisor, &Request::Init)?;
    match frame::read(supervisor)? {
        Response::Started { init_pid } => Ok(init_pid),
        Response::Failed(failure) => Err(failure.into()),
        _ => bail!("the supervisor answered out of turn"),
    }
}
