//! What is kept of a further process in a container.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A request to create an exec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateExec {
    /// The command; its first element is the program.
    pub cmd: Vec<String>,
    /// Variables over the container's, `NAME=value`.
    pub env: Vec<String>,
    /// The working directory; empty means the container's.
    pub working_dir: String,
    /// The account; empty means the container's.
    pub user: String,
    /// Whether it gets a console.
    pub tty: bool,
    /// Whether the client sends input.
    pub attach_stdin: bool,
    /// Whether the client wants output.
    pub attach_stdout: bool,
    /// Whether the client wants errors.
    pub attach_stderr: bool,
    /// The client's detach keys as it gave them.
    pub detach_keys: String,
    /// Height and width of the console; none means the default.
    pub console_size: Option<[u16; 2]>,
}

/// How to start an exec.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StartExec {
    /// Whether no client follows it.
    pub detach: bool,
    /// Height and width of the console, over what creation asked for.
    pub console_size: Option<[u16; 2]>,
}

/// An exec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// 64 hexadecimal digits.
    pub id: String,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// When it ended, if it has. Absent in what an older engine wrote.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub ended: Option<OffsetDateTime>,
    /// What was asked for.
    pub request: CreateExec,
    /// Where it is in its life.
    pub phase: ExecPhase,
}

/// Where an exec is in its life.
///
/// ```text
///   Created ──start──▶ Starting ──▶ Running ──▶ Exited
///                         └──── failed ──────────▲
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecPhase {
    /// Made, not started.
    Created,
    /// Being started.
    Starting,
    /// Runs.
    Running {
        /// The compute service's ID of the process.
        process: u32,
        /// The Windows process ID.
        pid: u32,
    },
    /// Ended; it does not start again.
    Exited {
        /// All 32 bits; 126, 127 or 128 when the start failed.
        code: u32,
    },
}

impl Exec {
    /// Brings it to another phase.
    pub(crate) fn enter(&mut self, phase: ExecPhase) {
        if let ExecPhase::Exited { .. } = phase {
            self.ended = Some(OffsetDateTime::now_utc());
        }
        self.phase = phase;
    }

    /// The command as events show it.
    pub(crate) fn command(&self) -> String {
        self.request.cmd.join(" ")
    }

    /// Whether its process runs.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        matches!(self.phase, ExecPhase::Running { .. })
    }

    /// The exit code once it has ended.
    #[must_use]
    pub const fn exit_code(&self) -> Option<u32> {
        match self.phase {
            ExecPhase::Exited { code } => Some(code),
            _ => None,
        }
    }

    /// The Windows process ID; 0 unless it runs.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        match self.phase {
            ExecPhase::Running { pid, .. } => pid,
            _ => 0,
        }
    }
}
