//! Reaching the service, and starting it when it does not run: what containerd is to dockerd.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::rpc::Client;
use crate::socket;
use crate::timeout;

/// The service's socket, in the run-time root.
pub const SOCKET: &str = "compute.sock";

/// The log of a service that was started by [`client`], in the run-time root.
pub const LOG: &str = "compute.log";

/// The exit code of a service that found another at work on the same run-time root.
pub const BUSY: u8 = 75;

/// A log of more bytes is begun anew by the next service.
const LONG_LOG: u64 = 1 << 20;

/// How often the service may fail to come up before its starter gives up.
const MOST_FAILURES: u32 = 4;

/// The first pause between two attempts to start the service; the next ones are multiples.
const RETRY: Duration = Duration::from_millis(20);

/// How the service is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The service's program, `porthole-compute`.
    pub program: PathBuf,
    /// `--data-root`.
    pub data_root: PathBuf,
    /// `--exec-root`.
    pub exec_root: PathBuf,
    /// `--log-level`, if not the program's own.
    pub log_level: Option<String>,
}

/// A client of the service, which starts the service whenever it is needed and does not run.
#[must_use]
pub fn client(launch: Launch) -> Client {
    let launch = Arc::new(launch);
    Client::with_connector(Arc::new(move || {
        let launch = launch.clone();
        Box::pin(async move { ensure_running(&launch).await })
    }))
}

/// A connection to the service, which is started if it does not run. It detaches into a session of
/// its own, so that it outlives its starter.
///
/// # Errors
/// It cannot be started, or ends before it answers; its log says why.
pub async fn ensure_running(launch: &Launch) -> io::Result<UnixStream> {
    let path = launch.exec_root.join(SOCKET);
    if let Ok(stream) = socket::connect(&path).await {
        return Ok(stream);
    }
    let deadline = Instant::now() + timeout::SERVICE_APPEARS;
    let mut failures = 0;
    loop {
        let child = spawn(launch)?;
        let status = match answer_or_end(&path, child, deadline).await? {
            Ok(stream) => return Ok(stream),
            Err(status) => status,
        };
        // One that found another at its work says nothing about why that does not answer yet.
        failures += u32::from(status.code() != Some(i32::from(BUSY)));
        if failures > MOST_FAILURES || Instant::now() > deadline {
            return Err(io::Error::other(format!(
                "{} ended ({status}); see {}",
                launch.program.display(),
                launch.exec_root.join(LOG).display()
            )));
        }
        tokio::time::sleep(RETRY * failures.max(1)).await;
    }
}

/// Waits until the socket answers, or `child` has ended and it does not.
async fn answer_or_end(
    path: &Path,
    child: Child,
    deadline: Instant,
) -> io::Result<Result<UnixStream, ExitStatus>> {
    let mut ended = std::pin::pin!(reap(child));
    loop {
        match socket::connect(path).await {
            Ok(stream) => return Ok(Ok(stream)),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => {}
        }
        tokio::select! {
            status = &mut ended => return Ok(Err(status?)),
            () = tokio::time::sleep(timeout::POLL) => {}
        }
    }
}

fn spawn(launch: &Launch) -> io::Result<Child> {
    std::fs::create_dir_all(&launch.exec_root)?;
    let mut command = Command::new(&launch.program);
    command
        .arg("--data-root")
        .arg(&launch.data_root)
        .arg("--exec-root")
        .arg(&launch.exec_root)
        .arg("--detached")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log(&launch.exec_root)?);
    if let Some(level) = &launch.log_level {
        command.arg("--log-level").arg(level);
    }
    command.spawn().map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("{}: {error}", launch.program.display()),
        )
    })
}

/// The log goes on where an earlier service ended, unless it has grown long.
fn log(exec_root: &Path) -> io::Result<File> {
    let path = exec_root.join(LOG);
    let long = std::fs::metadata(&path).is_ok_and(|log| log.len() > LONG_LOG);
    if long {
        std::fs::remove_file(&path)?;
    }
    File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Waits for the child in a task of its own, so that it is reaped whenever it ends.
async fn reap(mut child: Child) -> io::Result<ExitStatus> {
    let waiting = tokio::spawn(async move { child.wait().await });
    waiting
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}
