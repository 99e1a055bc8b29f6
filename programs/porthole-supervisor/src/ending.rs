//! The end of a silo: everything killed, everything recorded, nothing left.
//!
//! Wineserver is asked to end first, because only it can write the registry; that takes
//! milliseconds and ends the programs as well. Then init is killed, and the kernel kills with it
//! whatever is left in its PID namespace. Nothing here waits: the loop goes on meanwhile.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use porthole_files::replace_synced;
use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::{
    CONTROL_SOCKET, EXIT_RECORD, Event, ExitRecord, Failure, KILLED_EXIT_CODE, Response, StreamKind,
};

use rustix::process::Signal;

use crate::clock::{Deadline, nanoseconds_since_1970};
use crate::journal::note;
use crate::lifecycle::{Change, State};
use crate::silo::{AGENT, WINESERVER};
use crate::supervisor::Supervisor;

/// How long wineserver may take to write the registry.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(3);

/// How long killed processes may take to be gone: one that hangs in a driver or on a dead network
/// file system does not die before that lets go of it. Shorter, with [`REGISTRY_PATIENCE`], than
/// what the compute service waits for an end that it has asked for.
const DEATH_PATIENCE: Duration = Duration::from_secs(10);

/// How long init may take to say how the agent ended, once its channel is closed.
pub(crate) const AGENT_GRACE: Duration = Duration::from_millis(200);

/// How long clients may take to read what they have been sent.
const FAREWELL: Duration = Duration::from_secs(10);

/// Why a silo ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its main process has exited.
    MainExited,
    /// A client asked for it.
    Terminated,
    /// Something went wrong.
    Failed(String),
}

impl Supervisor {
    /// Ends the silo, if it is not about to end already.
    pub(crate) fn end_silo(&mut self, cause: Cause) {
        let Some(next) = self.state.after(Change::End) else {
            return;
        };
        if let Cause::Failed(reason) = &cause {
            note!("the silo ends: {reason}");
        }
        let was_paused = self.state == State::Paused;
        self.state = next;
        self.cause = Some(cause);
        if was_paused
            && let Some(running) = &self.running
            && let Err(error) = running.cgroup.freeze(false)
        {
            note!("{}", error.chain());
        }
        let asked = self.running.as_ref().is_some_and(|running| {
            let tell = |service, signal| running.silo.channel().signal_service(service, signal);
            // The agent's end takes as long as the writing: both at the same time.
            running.wineserver_lives
                && tell(WINESERVER, Signal::TERM).is_ok()
                && tell(AGENT, Signal::KILL).is_ok()
        });
        self.ending_due = Deadline::after(if asked {
            REGISTRY_PATIENCE
        } else {
            Duration::ZERO
        });
    }

    /// Wineserver is gone, or has been waited for long enough: everything is killed. The silo's
    /// end is then told by init's, without anybody else having to wait for it.
    pub(crate) fn kill_silo(&mut self) {
        let Some(next) = self.state.after(Change::Kill) else {
            return;
        };
        self.state = next;
        self.ending_due = Deadline::after(DEATH_PATIENCE);
        let killed = match &self.running {
            Some(running) => running.silo.kill(),
            None => return self.finish_silo(),
        };
        if let Err(error) = killed {
            note!("{}", error.chain());
        }
    }

    /// What was waited for has not come in time.
    pub(crate) fn end_is_overdue(&mut self) {
        if self.state == State::Dying {
            note!("a process of the silo does not die; it is left to the kernel");
            self.finish_silo();
        } else {
            self.kill_silo();
        }
    }

    /// All processes are gone, or have been waited for long enough.
    pub(crate) fn finish_silo(&mut self) {
        let Some(next) = self.state.after(Change::Gone) else {
            return;
        };
        self.state = next;
        self.ending_due = Deadline::NEVER;
        self.close_agent();
        self.forget_registry();
        self.check_out_of_memory();
        self.end_processes();
        let record = self.exit_record();
        // First of all: whoever kills this process from here on finds out how the silo ended, and
        // removes what is left of it.
        if let Err(error) = self.write_record(&record) {
            note!("{error:#}");
        }
        self.remove_silo();
        self.answer_everybody(&record);
        self.record = Some(record.clone());
        self.tell_watchers(&Event::SystemExited(record));
        self.say_farewell();
    }

    /// Records what is left in every process's streams and reports an end for all that had none.
    fn end_processes(&mut self) {
        let mut keys: Vec<ProcessKey> = self.processes.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            let Some(process) = self.processes.get_mut(&key) else {
                continue;
            };
            if !process.created {
                self.forget_process(key);
                continue;
            }
            process.hold = Deadline::NEVER;
            let exit_code = process.exit_code().unwrap_or(KILLED_EXIT_CODE);
            let reported = process.reported;
            self.drain_outputs(key);
            for kind in [StreamKind::Stdout, StreamKind::Stderr] {
                self.end_output(key, kind);
            }
            if !reported {
                self.report_exit(key, exit_code);
            }
        }
    }

    fn exit_record(&self) -> ExitRecord {
        ExitRecord {
            exit_code: self.main_exit_code,
            processes: self.exits.iter().collect(),
            terminated: self.cause == Some(Cause::Terminated),
            out_of_memory: self.out_of_memory_kills > 0,
            finished_at: nanoseconds_since_1970(),
            error: match &self.cause {
                Some(Cause::Failed(reason)) => Some(reason.clone()),
                _ => None,
            },
        }
    }

    fn remove_silo(&mut self) {
        self.proxy.close(&mut self.poller);
        let Some(running) = self.running.take() else {
            return;
        };
        self.forget_descriptors(&running);
        if let Err(error) = running.cgroup.remove() {
            note!("{}", error.chain());
        }
    }

    /// Writes the record so that it is there whole or not at all, whatever happens to the host.
    fn write_record(&self, record: &ExitRecord) -> Result<()> {
        let path = self.directory.join(EXIT_RECORD);
        serde_json::to_vec(record)
            .map_err(std::io::Error::from)
            .and_then(|text| replace_synced(&path, &text, 0o600))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Answers requests that waited for the end, or that it has overtaken.
    fn answer_everybody(&mut self, record: &ExitRecord) {
        let requester = self.start_requester.take();
        for client in self.busy_clients() {
            let response = match (&record.error, record.terminated) {
                (Some(reason), _) if requester == Some(client) => {
                    Response::Failed(Failure::Host(reason.clone()))
                }
                (_, true) if requester != Some(client) => Response::Done,
                _ => Response::Failed(Failure::State(State::Ended.describe().to_owned())),
            };
            self.respond(client, &response);
        }
    }

    /// Takes no more connections and gives the clients time to read what they have been sent.
    fn say_farewell(&mut self) {
        if let Err(error) = fs::remove_file(self.directory.join(CONTROL_SOCKET)) {
            note!("cannot remove the control socket: {error}");
        }
        self.farewell_due = Deadline::after(FAREWELL);
    }

    /// Whether the supervisor has nothing left to do.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Ended && (self.all_is_sent() || self.farewell_due.is_due())
    }
}
