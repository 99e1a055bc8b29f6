//! `porthole-compute`: the Compute Service daemon.
//!
//! Serves `compute.sock` in the run-time root. Supervisors are not its children: it may be ended
//! and started again at any time, and finds every system where it was.

use std::fs::{self, File};
use std::future::Future;
use std::io::IsTerminal;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use porthole_compute_service::launch::{BUSY, SOCKET};
use porthole_compute_service::rpc;
use porthole_compute_service::service::Systems;
use porthole_compute_service::silo::{SiloBackend, SiloConfig};
use porthole_files::{Claim, GRACE, claim};
use porthole_sandbox::cgroup::Hierarchies;
use porthole_systemd::{Scope, Systemd};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Held, locked, by the running service; names its process.
const LOCK: &str = "compute.lock";

/// The supervisor, beside this program.
const SUPERVISOR: &str = "porthole-supervisor";

/// The Compute Service: makes, runs and watches compute systems.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Kernel packages, layers and containers.
    #[arg(long, default_value = "/var/lib/porthole")]
    data_root: PathBuf,
    /// Sockets and the state of running systems.
    #[arg(long, default_value = "/run/porthole")]
    exec_root: PathBuf,
    /// What is logged: error, warn, info, debug, trace, or a tracing filter.
    #[arg(long, default_value = "info")]
    log_level: String,
    /// The supervisor program, when it is not beside this one.
    #[arg(long)]
    supervisor: Option<PathBuf>,
    /// Become a session of its own, as when started by portholed.
    #[arg(long, hide = true)]
    detached: bool,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("porthole-compute: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let options = Options::parse();
    if options.detached {
        // Fails for the leader of a process group, which has no terminal to lose either.
        let _ = rustix::process::setsid();
    }
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&options.log_level).context("--log-level")?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    if let Err(error) = porthole_files::raise_limit() {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    let Some(_lock) = lock(&options.exec_root)? else {
        let exec_root = options.exec_root.display();
        eprintln!("porthole-compute: another compute service uses {exec_root}");
        return Ok(ExitCode::from(BUSY));
    };
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(async {
            if options.detached {
                leave_starter().await;
            }
            serve(&options).await
        })?;
    Ok(ExitCode::SUCCESS)
}

/// Lets one service at a time use a run-time root: the lock, or nothing when another holds it.
fn lock(exec_root: &Path) -> Result<Option<File>> {
    fs::create_dir_all(exec_root)
        .with_context(|| format!("cannot make {}", exec_root.display()))?;
    let path = exec_root.join(LOCK);
    let claimed =
        claim(&path, GRACE).with_context(|| format!("cannot claim {}", path.display()))?;
    Ok(match claimed {
        Claim::Ours(lock) => Some(lock),
        Claim::Theirs(_) => None,
    })
}

/// Leaves the cgroup of whoever started this service: on a host where the cgroups are systemd's,
/// that of a unit whose restart must not concern it.
async fn leave_starter() {
    let one_tree = matches!(Hierarchies::detect(), Ok(Hierarchies::V2(_)));
    if !(one_tree && porthole_systemd::is_running()) {
        return;
    }
    let process = std::process::id();
    // Named for the process: an earlier service's may not be gone yet.
    let scope = Scope::new(
        &format!("compute:{process}"),
        "system.slice",
        "Porthole's Compute Service",
    );
    if let Err(error) = Systemd::default().start(&scope, process).await {
        tracing::warn!(
            error = error.chain(),
            "staying in the cgroup of the starter"
        );
    }
}

async fn serve(options: &Options) -> Result<()> {
    let stop = terminated()?;
    let supervisor = match &options.supervisor {
        Some(path) => path.clone(),
        None => std::env::current_exe()
            .context("cannot find this program")?
            .with_file_name(SUPERVISOR),
    };
    let backend = SiloBackend::new(SiloConfig {
        data_root: options.data_root.clone(),
        exec_root: options.exec_root.clone(),
        supervisor,
    })?;
    let systems = Systems::open(backend).await?;
    let socket = options.exec_root.join(SOCKET);
    let listener = listen(&socket)?;
    tracing::info!(socket = %socket.display(), "serving");
    let outcome = rpc::server::serve(Arc::new(systems), listener, stop).await;
    // Gone already if somebody cleaned up.
    let _ = fs::remove_file(&socket);
    tracing::info!("ended; systems run on");
    outcome.context("the service failed")
}

/// Listens on `socket`; one that is there is a dead service's, for the lock is ours.
fn listen(socket: &Path) -> Result<UnixListener> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot replace {}", socket.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(socket)
        .with_context(|| format!("cannot listen on {}", socket.display()))?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600))
        .with_context(|| format!("cannot protect {}", socket.display()))?;
    Ok(listener)
}

/// Resolves when the service is told to end.
fn terminated() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
