//! What is known of a system, published to everyone who waits for it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use porthole_hcs::{ExitType, OsType, Properties, SystemType};
use porthole_protocol::supervisor::{ExitRecord, SiloUser};
use tokio::sync::watch;

use crate::error::{Error, ErrorKind};
use crate::phase::Phase;
use crate::policy::Request;
use crate::service::backend::Supervised;

/// How many processes that have ended are remembered, so that who waits for one learns its exit
/// code. A supervisor remembers more.
pub(crate) const REMEMBERED: usize = 1024;

/// The state of a system; its phase is changed by its driver alone.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) phase: Phase,
    pub(crate) record: Option<Arc<ExitRecord>>,
    pub(crate) processes: BTreeMap<u32, ProcessState>,
    /// The key of the process that the system ends with.
    pub(crate) main: Option<u32>,
    /// Keys of processes by the tokens of the requests that made them, or are about to.
    pub(crate) tokens: HashMap<u64, u32>,
    /// Keys of processes that the supervisor was asked for and has not answered about.
    pub(crate) starting: BTreeSet<u32>,
    /// Keys of processes that have ended, the first to end first.
    ended: VecDeque<u32>,
    /// The first key that no process was ever given.
    pub(crate) next_key: u32,
}

/// The state of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProcessState {
    /// The Windows process ID; 0 while it is not known.
    pub(crate) pid: u32,
    pub(crate) console: bool,
    /// The token of the request that made it.
    pub(crate) token: u64,
    pub(crate) exit_code: Option<u32>,
}

impl Snapshot {
    pub(crate) fn new(phase: Phase) -> Self {
        Self {
            phase,
            record: None,
            processes: BTreeMap::new(),
            main: None,
            tokens: HashMap::new(),
            starting: BTreeSet::new(),
            ended: VecDeque::new(),
            next_key: 1,
        }
    }

    /// Notes that a process ended; whether that is news. It is none of a process that was
    /// forgotten: a supervisor says all that it remembers to whoever listens anew.
    pub(crate) fn exited(&mut self, key: u32, exit_code: u32) -> bool {
        if !self.processes.contains_key(&key) && !self.starting.contains(&key) {
            return false;
        }
        let process = self.processes.entry(key).or_default();
        let news = process.exit_code.replace(exit_code).is_none();
        if news {
            self.ended.push_back(key);
        }
        news
    }

    /// Forgets the processes that ended before the last [`REMEMBERED`], and says which: a
    /// container may see millions, one each time that its health is checked. The main process is
    /// never forgotten.
    pub(crate) fn forget_ended(&mut self) -> Vec<u32> {
        let mut forgotten = Vec::new();
        while self.ended.len() > REMEMBERED
            && let Some(&key) = self.ended.front()
            // Whoever asked for it has not been told yet that it was.
            && !self.starting.contains(&key)
        {
            self.ended.pop_front();
            if self.main == Some(key) {
                continue;
            }
            if let Some(process) = self.processes.remove(&key) {
                self.tokens.remove(&process.token);
            }
            forgotten.push(key);
        }
        forgotten
    }

    /// A record for a system whose supervisor left none.
    pub(crate) fn unsupervised_record(&self, terminated: bool, error: &str) -> ExitRecord {
        let exits = self.processes.iter().filter_map(|(key, process)| {
            process
                .exit_code
                .map(|code| (porthole_protocol::agent::ProcessKey(*key), code))
        });
        let main = self.main.and_then(|key| self.processes.get(&key));
        ExitRecord {
            exit_code: main.and_then(|process| process.exit_code),
            processes: exits.collect(),
            terminated,
            out_of_memory: false,
            finished_at: now(),
            error: Some(error.to_owned()),
        }
    }
}

fn now() -> i64 {
    let nanoseconds = time::OffsetDateTime::now_utc().unix_timestamp_nanos();
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}

/// What a system's driver and handles share.
pub(crate) struct Shared {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) user: SiloUser,
    pub(crate) processors: u32,
    pub(crate) supervised: Arc<dyn Supervised>,
    pub(crate) state: watch::Sender<Snapshot>,
    pub(crate) next_key: AtomicU32,
}

impl Shared {
    pub(crate) fn phase(&self) -> Phase {
        self.state.borrow().phase
    }

    /// An error of a request to this system.
    pub(crate) fn error(
        &self,
        kind: ErrorKind,
        request: Request,
        message: impl Into<String>,
    ) -> Error {
        Error::new(kind, format!("{} {}", request.verb(), self.id), message)
    }

    /// The properties that need no question to the supervisor.
    pub(crate) fn basic_properties(&self) -> Properties {
        let state = self.state.borrow();
        Properties {
            id: self.id.clone(),
            system_type: SystemType::Container,
            runtime_os_type: OsType::Windows,
            name: Some(self.id.clone()),
            owner: Some(self.owner.clone()),
            state: state.phase.hcs(),
            stopped: state.phase.is_over(),
            exit_type: state.record.as_deref().map(exit_type),
            statistics: None,
            process_list: None,
        }
    }
}

const fn exit_type(record: &ExitRecord) -> ExitType {
    if record.terminated {
        ExitType::ForcedExit
    } else if record.error.is_some() {
        ExitType::UnexpectedExit
    } else {
        ExitType::GracefulExit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_made_without_a_supervisor_holds_what_was_heard() {
        let mut snapshot = Snapshot::new(Phase::Running);
        snapshot.main = Some(1);
        snapshot.processes.insert(1, ProcessState::default());
        assert!(snapshot.exited(1, 7));
        assert!(!snapshot.exited(1, 7));
        snapshot.processes.insert(
            2,
            ProcessState {
                pid: 40,
                ..Default::default()
            },
        );
        let record = snapshot.unsupervised_record(false, "gone");
        assert_eq!(record.exit_code, Some(7));
        assert_eq!(record.processes.len(), 1);
        assert_eq!(exit_type(&record), ExitType::UnexpectedExit);
    }

    #[test]
    fn only_the_last_processes_to_end_are_remembered() {
        let mut snapshot = Snapshot::new(Phase::Running);
        snapshot.main = Some(1);
        let most = u32::try_from(REMEMBERED).unwrap();
        for key in 1..=most + 3 {
            let token = u64::from(key) + 7;
            let process = ProcessState {
                token,
                ..Default::default()
            };
            snapshot.processes.insert(key, process);
            snapshot.tokens.insert(token, key);
        }
        // The third still runs; the main process ends early.
        for key in (1..=most + 3).filter(|key| *key != 3) {
            assert!(snapshot.exited(key, 0));
        }
        assert_eq!(snapshot.forget_ended(), [2]);
        assert!(snapshot.processes.contains_key(&1) && snapshot.processes.contains_key(&3));
        assert!(!snapshot.processes.contains_key(&2) && !snapshot.tokens.contains_key(&9));
        // Said again, it is not news, and nothing comes back.
        assert!(!snapshot.exited(2, 0));
        assert!(!snapshot.processes.contains_key(&2));
    }
}
