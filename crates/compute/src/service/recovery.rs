//! What state a system is in that an earlier service process made: from its exit record, its
//! notes, and questions to its supervisor.

use std::sync::Arc;

use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::{ExitRecord, Failure, OpenStdio, Request};

use tokio::time::{Instant, timeout_at};

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
    /// The first key that was given to no process.
    next_key: u32,
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
    let mut told = Told {
        next_key: 1,
        ..Told::default()
    };
    for note in notes {
        let key = note.process().unwrap_or_default();
        told.next_key = told.next_key.max(key + 1);
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
            Note::KeysGiven { below } => told.next_key = told.next_key.max(below),
        }
    }
    told
}

/// The state to take a system over in. Exits that happened meanwhile follow as events.
///
/// The service listens only when this is known of every system, so nothing here is asked for
/// longer than [`timeout::UNCLEAR_START`] and [`timeout::UNCLEAR_CREATION`] say; and nothing is
/// ended that does not answer in time. It may only be slow, and its supervisor lives.
pub(crate) async fn snapshot(supervised: &dyn Supervised, notes: &[Note]) -> Snapshot {
    let told = told(notes);
    let record = supervised.exit_record().await.unwrap_or_else(|error| {
        // Looked for once more when nobody answers.
        tracing::warn!(%error, "cannot read how a system ended");
        None
    });
    let phase = match &record {
        Some(_) => Phase::Stopped,
        None => phase(supervised, &told).await,
    };
    let mut snapshot = Snapshot::new(phase);
    snapshot.main = told.main;
    snapshot.next_key = told.next_key;
    let deadline = Instant::now() + timeout::UNCLEAR_CREATION;
    for process in told.processes {
        let known = match (process.pid, &record) {
            (Some(_), _) => true,
            (None, Some(record)) => lists(record, process.key),
            (None, None) => came_to_be(supervised, process.key, deadline).await,
        };
        if known {
            remember(&mut snapshot, &process);
        }
    }
    for (key, exit_code) in record.iter().flat_map(|record| &record.processes) {
        snapshot.exited(key.0, *exit_code);
    }
    snapshot.record = record.map(Arc::new);
    snapshot
}

fn remember(snapshot: &mut Snapshot, process: &ToldProcess) {
    let state = ProcessState {
        pid: process.pid.unwrap_or(0),
        console: process.console,
        token: process.token,
        exit_code: None,
    };
    snapshot.processes.insert(process.key, state);
    if process.token != NO_TOKEN {
        snapshot.tokens.insert(process.token, process.key);
    }
}

/// The phase of a system that left no record. One without a supervisor counts as it was last
/// known; its driver then finds that nobody answers.
async fn phase(supervised: &dyn Supervised, told: &Told) -> Phase {
    if !told.begun {
        return Phase::Created;
    }
    let deadline = Instant::now() + timeout::UNCLEAR_START;
    match told.frozen {
        Frozen::No => {}
        Frozen::Yes => return Phase::Paused,
        // Nobody was told that it froze. Without a supervisor there is nothing to thaw.
        Frozen::Unclear => {
            let thawed = timeout_at(deadline, call(supervised, &Request::Resume)).await;
            if thawed.is_err() {
                // Stays unclear.
                return Phase::Paused;
            }
            let _ = supervised.note(&Note::Thawed);
        }
    }
    await_start(supervised, deadline).await;
    Phase::Running
}

/// Brings a start to its end that an earlier service process asked for, or was about to, if it
/// comes to one before `deadline`. If not, the system counts as running: its supervisor ends it
/// when its agent never answers, and tells.
async fn await_start(supervised: &dyn Supervised, deadline: Instant) {
    let mut asked = false;
    // Refused in every state but the running one.
    while let Ok(Err(WireError::Refused(Failure::State(_)))) =
        timeout_at(deadline, call(supervised, &Request::ListProcesses)).await
    {
        if !asked {
            // Refused unless nobody has asked yet. Whether it was heard matters, not how it ends.
            let start = timeout_at(deadline, call(supervised, &Request::Start)).await;
            asked = !matches!(start, Ok(Err(WireError::Connection(_))));
        }
        if timeout_at(deadline, tokio::time::sleep(timeout::POLL * 10))
            .await
            .is_err()
        {
            break;
        }
    }
}

/// Whether a process came to be whose creation was under way. The supervisor cannot tell one that
/// it is still creating from one that it never heard of, so it is asked until `deadline`.
async fn came_to_be(supervised: &dyn Supervised, key: u32, deadline: Instant) -> bool {
    loop {
        match timeout_at(deadline, probe(supervised, key)).await {
            Ok(Ok(())) => return true,
            Ok(Err(WireError::Refused(_))) if Instant::now() < deadline => {
                tokio::time::sleep(timeout::POLL * 10).await;
            }
            Ok(Err(WireError::Refused(_))) => return false,
            // The system may have ended meanwhile, and its record tells.
            Ok(Err(_)) | Err(_) => {
                let record = supervised.exit_record().await.ok().flatten();
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
    let connection = Connection::open(supervised.connect().await?).await?;
    connection.stdio(nothing).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::stub::Stub;

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
        assert_eq!(told.next_key, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_system_that_does_not_answer_is_taken_over_and_not_ended() {
        let supervised = Stub::default();
        let intended = |key| Note::ProcessIntended {
            key,
            main: key == 1,
            console: false,
            token: 0,
        };
        let mut notes = vec![
            Note::Begin,
            intended(1),
            Note::ProcessCreated { key: 1, pid: 32 },
        ];
        notes.extend((2..20).map(intended));
        let started = Instant::now();
        let snapshot = snapshot(&supervised, &notes).await;
        assert!(started.elapsed() <= timeout::UNCLEAR_START + timeout::UNCLEAR_CREATION);
        assert_eq!((snapshot.phase, snapshot.next_key), (Phase::Running, 20));
        assert!(snapshot.processes.keys().eq(&[1]));
        let asked = supervised.asked.lock().unwrap();
        assert!(!asked.contains(&Request::Terminate), "{asked:?}");
    }
}
