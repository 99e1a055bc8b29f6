//! What a back end brings: supervisors, and what must be remembered across a crash of the service.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use porthole_hcs as hcs;
use porthole_protocol::supervisor::{ExitRecord, Limits};
use serde::{Deserialize, Serialize};

use crate::document::SystemPlan;
use crate::error::Result;
use crate::registry::RegistryChanges;
use crate::settings::SystemSettings;
use crate::wire::Duplex;

/// A kind of isolation: makes systems and finds again those that were made.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Processors of the host, which limits are shares of.
    fn processors(&self) -> u32;

    /// Makes everything that a system needs before it is started, its supervisor included. Nothing
    /// is left behind when it fails.
    ///
    /// # Errors
    /// `InvalidLayer`, `ImageMismatch`, `InvalidDocument` for a path that is not there, `Host`.
    async fn prepare(
        &self,
        plan: &SystemPlan,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<Arc<dyn Supervised>>;

    /// Makes the drive C: of a system reachable, as its programs see it when it `runs`; the Unix
    /// socket takes one connection, for one request ([`crate::files`]).
    ///
    /// # Errors
    /// `InvalidLayer`, `InvalidDocument` for a path that is not there, `Host`.
    async fn open_files(&self, plan: &SystemPlan, runs: bool) -> Result<PathBuf>;

    /// What a system changed in its registry; as it is now when it `runs` or is paused.
    ///
    /// # Errors
    /// As [`ComputeService::registry_changes`](crate::system::ComputeService::registry_changes).
    async fn registry_changes(&self, plan: &SystemPlan, runs: bool) -> Result<RegistryChanges>;

    /// The systems that an earlier service process left. Called once, before anything else; what
    /// was only half made is removed. One that cannot be read is left as it is, and reported: it
    /// may well run.
    ///
    /// # Errors
    /// `Host`.
    async fn recover(&self) -> Result<Vec<Recovered>>;
}

/// A system that was made before this service process started.
pub struct Recovered {
    /// What it was made from.
    pub plan: SystemPlan,
    /// Its supervisor, perhaps gone.
    pub supervised: Arc<dyn Supervised>,
    /// What was noted, in order.
    pub notes: Vec<Note>,
}

impl std::fmt::Debug for Recovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recovered")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

/// One system as its back end sees it.
#[async_trait]
pub trait Supervised: Send + Sync + 'static {
    /// Connects to the supervisor; waits for one that was just started.
    ///
    /// # Errors
    /// There is no supervisor.
    async fn connect(&self) -> io::Result<Box<dyn Duplex>>;

    /// The Unix socket where another process connects to the supervisor.
    ///
    /// # Errors
    /// It cannot be made.
    async fn socket(&self) -> io::Result<PathBuf>;

    /// Whether a supervisor lives, be it to be reached or not. Without one, nobody but this
    /// service knows of the silo any more.
    ///
    /// # Errors
    /// It cannot be found out.
    async fn is_supervised(&self) -> io::Result<bool>;

    /// Remembers `note` beyond a crash of the service.
    ///
    /// # Errors
    /// It cannot be written; then what it announces must not be done.
    fn note(&self, note: &Note) -> io::Result<()>;

    /// Forgets what was noted of processes that have ended.
    ///
    /// # Errors
    /// It cannot be written; then all notes are as they were.
    async fn forget(&self, keys: BTreeSet<u32>) -> io::Result<()>;

    /// Remembers changed limits.
    ///
    /// # Errors
    /// They cannot be written.
    async fn keep_limits(&self, limits: &Limits) -> io::Result<()>;

    /// How the system ended, if its supervisor left a record.
    ///
    /// # Errors
    /// It cannot be found out; `InvalidData` for a record that is none.
    async fn exit_record(&self) -> io::Result<Option<ExitRecord>>;

    /// Kills what a supervisor left that is gone or does not answer, and keeps `record` in its
    /// stead.
    async fn abandon(&self, record: &ExitRecord);

    /// Frees everything that the system holds, its record included. The system has ended.
    ///
    /// # Errors
    /// Something could not be freed; may be called again.
    async fn discard(&self) -> io::Result<()>;
}

/// Something that a later service process must know and cannot ask the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// The supervisor is about to be asked to build the silo.
    Begin,
    /// The supervisor is about to be asked to freeze or thaw it.
    Freezing,
    /// The silo is frozen.
    Frozen,
    /// It runs again.
    Thawed,
    /// A process is about to be asked for under this key.
    ProcessIntended {
        /// The key.
        key: u32,
        /// Whether the silo ends with it.
        main: bool,
        /// Whether it has a console.
        console: bool,
        /// What the client calls its request; 0 is nothing.
        token: u64,
    },
    /// The process of this key runs.
    ProcessCreated {
        /// The key.
        key: u32,
        /// The Windows process ID.
        pid: u32,
    },
    /// The process of this key could not be started.
    ProcessFailed {
        /// The key.
        key: u32,
    },
    /// Keys below this one were given to processes, of which some are forgotten.
    KeysGiven {
        /// The first key that was not.
        below: u32,
    },
}

impl Note {
    /// The process that it is about.
    pub(crate) const fn process(&self) -> Option<u32> {
        match self {
            Self::ProcessIntended { key, .. }
            | Self::ProcessCreated { key, .. }
            | Self::ProcessFailed { key } => Some(*key),
            Self::Begin | Self::Freezing | Self::Frozen | Self::Thawed | Self::KeysGiven { .. } => {
                None
            }
        }
    }
}

/// The notes without those of processes that are forgotten: what they still have to say is which
/// keys were given away.
pub(crate) fn without(notes: Vec<Note>, forgotten: &BTreeSet<u32>) -> Vec<Note> {
    let below = notes.iter().fold(0, |below, note| match note {
        Note::KeysGiven { below: given } => below.max(*given),
        note => below.max(note.process().map_or(0, |key| key + 1)),
    });
    let is_change = |note: &Note| matches!(note, Note::Freezing | Note::Frozen | Note::Thawed);
    let last_change = notes.iter().rposition(is_change);
    let mut kept = vec![Note::KeysGiven { below }];
    kept.extend(notes.into_iter().enumerate().filter_map(|(index, note)| {
        let stays = match note {
            Note::KeysGiven { .. } => false,
            Note::Freezing | Note::Frozen | Note::Thawed => Some(index) == last_change,
            note => note.process().is_none_or(|key| !forgotten.contains(&key)),
        };
        stays.then_some(note)
    }));
    kept
}
