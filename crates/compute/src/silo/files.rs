//! Starts the program that copies files: a process for each request, which enters the container's
//! view of its files and ends with its connection.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use porthole_protocol::archive::{Materials, View};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::image::LAYER_FILES;
use crate::document::SystemPlan;

/// The directory of sockets, in the run-time root.
const SOCKETS: &str = "files";

/// The directory that sockets are made in, without those that an earlier service process left.
pub(super) fn make_directory(exec_root: &Path) -> io::Result<()> {
    let directory = exec_root.join(SOCKETS);
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(&directory)
}

/// The view of a system's files: that of its programs if its supervisor's socket is given.
pub(super) fn view(plan: &SystemPlan, supervisor: Option<&Path>) -> View {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    if let Some(supervisor) = supervisor {
        return View::Running {
            supervisor: text(supervisor),
            user: plan.user,
        };
    }
    let layers = plan.layers.iter();
    View::Stopped(Materials {
        layers: layers.map(|layer| text(&layer.join(LAYER_FILES))).collect(),
        sandbox: text(&plan.sandbox),
        mapped_directories: plan.mapped_directories.clone(),
        temporary_directories: plan.temporary_directories.clone(),
        user: plan.user,
    })
}

/// Starts `program`; the socket that it takes one connection from.
pub(super) async fn start(program: &Path, exec_root: &Path, view: &View) -> io::Result<PathBuf> {
    let name = format!("{:016x}", rand::random::<u64>());
    let socket = exec_root.join(SOCKETS).join(name);
    let listener = UnixListener::bind(&socket)?;
    let started = spawn(program, listener.into(), view).await;
    let mut child = started.map_err(|error| {
        let _ = fs::remove_file(&socket);
        io::Error::new(error.kind(), format!("{}: {error}", program.display()))
    })?;
    let left = socket.clone();
    tokio::spawn(async move {
        match child.wait().await {
            Ok(status) if status.success() => {}
            outcome => tracing::debug!(?outcome, "a program that copies files failed"),
        }
        let _ = fs::remove_file(left);
    });
    Ok(socket)
}

/// Not killed with this process: whoever copies need not notice that the service is replaced.
async fn spawn(
    program: &Path,
    listener: OwnedFd,
    view: &View,
) -> io::Result<tokio::process::Child> {
    let mut child = Command::new(program)
        .arg("--copy-files")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(listener)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&serde_json::to_vec(view)?).await?;
    }
    Ok(child)
}
