//! Execs.

use porthole_engine::container::record::Container;
use porthole_engine::exec::record::Exec;
use serde_json::{Value, json};

/// The answer to `GET /exec/{id}/json`. As from dockerd on Windows, `ProcessConfig` has no
/// `privileged`.
pub(crate) fn details(exec: &Exec, container: &Container) -> Value {
    let request = &exec.request;
    json!({
        "ID": exec.id,
        "Running": exec.is_running(),
        "ExitCode": exec.exit_code(),
        "ProcessConfig": {
            "tty": request.tty,
            "entrypoint": request.cmd.first(),
            "arguments": request.cmd.get(1..).unwrap_or_default(),
            "user": request.user,
        },
        "OpenStdin": request.attach_stdin,
        "OpenStderr": request.attach_stderr,
        "OpenStdout": request.attach_stdout,
        "CanRemove": exec.exit_code().is_some(),
        "ContainerID": container.id,
        "DetachKeys": request.detach_keys,
        "Pid": exec.pid(),
    })
}
