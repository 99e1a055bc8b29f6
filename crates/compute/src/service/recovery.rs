//! What state a system is in that an earlier service process made: from its exit record, its
//! notes, and questions to its supervisor.

use std::sync::Arc;

use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::{ExitRecord, Failure, OpenStdio, Request};

use tokio::time::Instant;

use crate::phase::Phase;
use crate::service::backend::{Note, Supervised};
use crate::service::call::call;
use crate::service::creation::NO_TOKEN;
use crate::service::snapshot::{ProcessState, Snapshot};
use crate::timeout;
use crate::wire::{Connection, WireError};

/// What the notes say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    begun: bool,
    frozen: Frozen,
    processes: Vec<ToldProcess>,
    main: Option<u32>,
}

#[derive(Debug, PartialEq, Eq)]
struct ToldProcess {
    key: u32,
    console: bool,
    token: u64,
    /// The Windows process ID, once the supervisor answered.
    pid: Option<u32>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Frozen {
    #[default]
    No,
    Yes,
    Unclear,
}

fn told(notes: &[Note]) -> Told {
    let mut told = Told::default();
    for note in notes {
        match *note {
            Note::Begin => told.begun = true,
            Note::Freezing => told.frozen = Frozen::Unclear,
            Note::Frozen => told.frozen = Frozen::Yes,
            Note::Thawed => told.frozen = Frozen::No,
            Note::ProcessIntended {
                key,
                main,
                console,
                token,
            } => {
                told.processes.push(ToldProcess {
                    key,
                    console,
                    token,
                    pid: None,
                });
                if main {
                    told.main = Some(key);
                }
            }
            Note::ProcessCreated { key, pid } => {
                for process in told
                    .processes
                    .iter_mut()
                    .filter(|process| process.key == key)
                {
                    process.pid = Some(pid);
                }
            }
            Note::ProcessFailed { key } => told.processes.retain(|process| process.key != key),
        }
    }
    told
}

/// The state to take a system over in. Exits that happened meanwhile follow as events.
pub(crate) async fn snapshot(supervised: &dyn Supervised, notes: &[Note]) -> Snapshot {
    let told = told(notes);
    let record = supervised.exit_record().await;
    let phase = match &record {
        Some(_) => Phase::Stopped,
        None => phase(supervised, &told).await,
    };
    let mut snapshot = Snapshot::new(phase);
    snapshot.main = told.main;
    for ToldProcess {
        key,
        console,
        token,
        pid,
    } in told.processes
    {
        let known = match (pid, &record) {
            (Some(_), _) => true,
            (None, Some(record)) => lists(record, key),
            (None, None) => came_to_be(supervised, key).await,
        };
        if known {
            let process = ProcessState {
                pid: pid.unwrap_or(0),
                console,
                exit_code: None,
            };
            snapshot.processes.insert(key, process);
            if token != NO_TOKEN {
                snapshot.tokens.insert(token, key);
            }
        }
    }
    for (key, exit_code) in record.iter().flat_map(|record| &record.processes) {
        snapshot.exited(key.0, *exit_code);
    }
    snapshot.record = record.map(Arc::new);
    snapshot
}

/// The phase of a system that left no record. One without a supervisor counts as it was last
/// known; its driver then finds that nobody answers.
async fn phase(supervised: &dyn Supervised, told: &Told) -> Phase {
    if !told.begun {
        return Phase::Created;
    }
    match told.frozen {
        Frozen::No => {}
        Frozen::Yes => return Phase::Paused,
        Frozen::Unclear => {
            // Nobody was told that it froze. Without a supervisor there is nothing to thaw.
            let _ = call(supervised, &Request::Resume).await;
            let _ = supervised.note(&Note::Thawed);
        }
    }
    await_start(supervised).await;
    Phase::Running
}

/// Brings a start to its end that an earlier service process asked for, or was about to. One that
/// does not come to an end is ended.
async fn await_start(supervised: &dyn Supervised) {
    let deadline = Instant::now() + timeout::UNCLEAR_START;
    let mut asked = false;
    loop {
        // Refused in every state but the running one.
        match call(supervised, &Request::ListProcesses).await {
            Err(WireError::Refused(Failure::State(_))) if Instant::now() < deadline => {}
            Err(WireError::Refused(Failure::State(_)) | WireError::Timeout(_)) => {
                let _ = call(supervised, &Request::Terminate).await;
                return;
            }
            _ => return,
        }
        if !asked {
            // Refused unless nobody has asked yet.
            asked = true;
            let _ = tokio::time::timeout_at(deadline, call(supervised, &Request::Start)).await;
        }
        tokio::time::sleep(timeout::POLL * 10).await;
    }
}

/// Whether a process came to be whose creation was under way. The supervisor cannot tell one that
/// it is still creating from one that it never heard of, so it is asked for a while.
async fn came_to_be(supervised: &dyn Supervised, key: u32) -> bool {
    let deadline = Instant::now() + timeout::UNCLEAR_CREATION;
    loop {
        match probe(supervised, key).await {
            Ok(()) => return true,
            Err(WireError::Refused(_)) if Instant::now() < deadline => {
                tokio::time::sleep(timeout::POLL * 10).await;
            }
            Err(WireError::Refused(_)) => return false,
            // The system has ended meanwhile, and its record tells.
            Err(_) => {
                let record = supervised.exit_record().await;
                return record.is_some_and(|record| lists(&record, key));
            }
        }
    }
}

fn lists(record: &ExitRecord, key: u32) -> bool {
    record.processes.iter().any(|process| process.0.0 == key)
}

/// A look at the streams of a process that takes nothing from them.
async fn probe(supervised: &dyn Supervised, key: u32) -> Result<(), WireError> {
    let nothing = OpenStdio {
        process: ProcessKey(key),
        stdin: false,
        stdout: false,
        stderr: false,
    };
    let open = async {
        let connection = Connection::open(supervised.connect().await?).await?;
        connection.stdio(nothing).await.map(drop)
    };
    let limit = timeout::REQUEST;
    tokio::time::timeout(limit, open)
        .await
        .unwrap_or(Err(WireError::Timeout(limit.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_note_counts() {
        let told = told(&[
            Note::Begin,
            Note::ProcessIntended {
                key: 1,
                main: true,
                console: true,
                token: 7,
            },
            Note::ProcessCreated { key: 1, pid: 32 },
            Note::Freezing,
            Note::Frozen,
            Note::Freezing,
            Note::ProcessIntended {
                key: 2,
                main: false,
                console: false,
                token: 7,
            },
            Note::ProcessFailed { key: 2 },
            Note::ProcessIntended {
                key: 3,
                main: false,
                console: false,
                token: 7,
            },
        ]);
        assert!(told.begun);
        assert_eq!(told.frozen, Frozen::Unclear);
        let first = ToldProcess {
            key: 1,
            console: true,
            token: 7,
            pid: Some(32),
        };
        assert_eq!(
            told.processes,
            [
                first,
                ToldProcess {
                    key: 3,
                    console: false,
                    token: 7,
                    pid: None
                }
            ]
        );
        assert_eq!(told.main, Some(1));
    }
}
