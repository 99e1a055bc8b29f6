//! The registry as it is now, which only wineserver knows: it writes its files now and then.
//!
//! The guest agent has it write each root to a file that the supervisor made for that in the
//! registry's directory, and holds open. What is in the files is the container's to say, and its
//! programs could write there too; so they are read through the descriptors, never by their names,
//! and up to a limit. Of a paused silo nobody could write anything: its registry is taken down
//! just before it is frozen.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use porthole_protocol::agent::{Command, RegistryFiles};
use porthole_protocol::supervisor::{
    Failure, REGISTRY_LIMIT, REGISTRY_PIECE, RegistryRoot, Response,
};
use porthole_sandbox::layout;
use rustix::fs::{AtFlags, Mode, OFlags};

use crate::agent::Pending;
use crate::clock::Deadline;
use crate::journal::note;
use crate::lifecycle::{Change, State};
use crate::supervisor::Supervisor;

/// How long a silo that is to be paused is given to write its registry.
const PAUSE_PATIENCE: Duration = Duration::from_secs(2);

/// How long those who want to read it wait: less than they would.
const READ_PATIENCE: Duration = Duration::from_secs(15);

/// A registry that was taken down.
#[derive(Debug)]
pub(crate) struct SavedRegistry {
    /// The text of each root, in the order of [`RegistryRoot::ALL`].
    files: [File; 3],
    sizes: [u64; 3],
}

impl SavedRegistry {
    fn of(files: [File; 3]) -> io::Result<Self> {
        let mut sizes = [0; 3];
        for (size, file) in sizes.iter_mut().zip(&files) {
            *size = file.metadata()?.len();
            if *size > REGISTRY_LIMIT {
                let reason = format!("it is larger than {REGISTRY_LIMIT} bytes");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
            }
        }
        Ok(Self { files, sizes })
    }

    /// What is told of it first.
    fn response(&self) -> Response {
        let sizes = self.sizes;
        Response::RegistrySaved { sizes }
    }

    /// A piece of a root's text; empty at its end.
    fn read(&self, root: RegistryRoot, offset: u64) -> io::Result<Vec<u8>> {
        let index = RegistryRoot::ALL.iter().position(|one| *one == root);
        let index = index.unwrap_or_default();
        let left = self.sizes[index].saturating_sub(offset);
        let length = usize::try_from(left).unwrap_or(REGISTRY_PIECE);
        let mut piece = vec![0; length.min(REGISTRY_PIECE)];
        if piece.is_empty() {
            return Ok(piece);
        }
        // Less than that is there only if a program has cut the file short meanwhile.
        let count = self.files[index].read_at(&mut piece, offset)?;
        piece.truncate(count);
        Ok(piece)
    }
}

/// Whom a registry is being taken down for.
#[derive(Debug, PartialEq, Eq)]
enum Purpose {
    /// Clients that want to read it.
    Reading(Vec<u32>),
    /// A client that wants the silo to be paused.
    Pausing(u32),
}

/// A registry that is being written.
#[derive(Debug)]
struct Save {
    number: u32,
    purpose: Purpose,
    files: [File; 3],
    /// When it is waited for no longer.
    due: Deadline,
}

/// All that concerns the registry as it is now.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// One for readers and one for a pause, at most.
    saves: Vec<Save>,
    next_number: u32,
    /// Clients that want to read what is after their request, while others are being served.
    waiting: Vec<u32>,
    /// That of a paused silo, or why there is none.
    paused: Option<Result<Rc<SavedRegistry>, String>>,
}

impl Registry {
    /// When the next save is waited for no longer.
    pub(crate) fn due(&self) -> Deadline {
        let due = self.saves.iter().map(|save| save.due);
        due.fold(Deadline::NEVER, Deadline::or_earlier)
    }

    fn take(&mut self, wanted: impl Fn(&Save) -> bool) -> Option<Save> {
        let index = self.saves.iter().position(wanted)?;
        Some(self.saves.swap_remove(index))
    }

    fn pausing(&self) -> bool {
        let is_pause = |save: &Save| matches!(save.purpose, Purpose::Pausing(_));
        self.saves.iter().any(is_pause)
    }

    fn reading(&self) -> bool {
        let is_read = |save: &Save| matches!(save.purpose, Purpose::Reading(_));
        self.saves.iter().any(is_read)
    }
}

impl Supervisor {
    /// Takes the registry down for a client to read.
    pub(crate) fn save_registry(&mut self, client: u32) -> Result<Option<Response>, Failure> {
        match (self.state, &self.registry.paused) {
            (State::Paused, Some(Ok(saved))) => {
                let saved = saved.clone();
                let response = saved.response();
                self.give_registry(client, saved);
                Ok(Some(response))
            }
            (State::Paused, why) => {
                let why = why.as_ref().and_then(|why| why.as_ref().err());
                let why = why.map_or("", String::as_str);
                Err(Failure::Host(format!(
                    "the registry could not be taken down when the silo was paused: {why}; resume \
                     it, and look again"
                )))
            }
            (State::Running, _) if self.registry.reading() => {
                self.registry.waiting.push(client);
                Ok(None)
            }
            (State::Running, _) => self
                .begin_save(Purpose::Reading(vec![client]))
                .map(|()| None),
            _ => Err(self.wrong_state()),
        }
    }

    /// Serves those who have waited while others were served.
    fn serve_waiting(&mut self) {
        let clients = std::mem::take(&mut self.registry.waiting);
        if clients.is_empty() {
            return;
        }
        if self.state != State::Running {
            return self.answer_readers(clients);
        }
        if let Err(failure) = self.begin_save(Purpose::Reading(clients.clone())) {
            for client in clients {
                self.respond_and_serve(client, &Response::Failed(failure.clone()));
            }
        }
    }

    /// Answers clients that want to read the registry of a silo that does not run.
    fn answer_readers(&mut self, clients: Vec<u32>) {
        for client in clients {
            match self.save_registry(client) {
                Ok(Some(response)) => self.respond_and_serve(client, &response),
                Ok(None) => {}
                Err(failure) => self.respond_and_serve(client, &Response::Failed(failure)),
            }
        }
    }

    /// Reads a piece of what was taken down for the client.
    pub(crate) fn read_registry(
        &self,
        client: u32,
        root: RegistryRoot,
        offset: u64,
    ) -> Result<Option<Response>, Failure> {
        let saved = self
            .clients
            .get(&client)
            .and_then(|client| client.registry.as_ref());
        let saved =
            saved.ok_or_else(|| Failure::Host("no registry was saved before".to_owned()))?;
        let piece = saved.read(root, offset);
        let piece = piece.map_err(|error| Failure::Host(format!("cannot read it: {error}")))?;
        Ok(Some(Response::Registry(piece)))
    }

    fn give_registry(&mut self, client: u32, saved: Rc<SavedRegistry>) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.registry = Some(saved);
        }
    }

    /// Pauses the silo once its registry is taken down, or cannot be.
    pub(crate) fn pause(&mut self, client: u32) -> Result<Option<Response>, Failure> {
        if self.state != State::Running {
            return Err(self.wrong_state());
        }
        if self.registry.pausing() {
            return Err(Failure::State("about to be paused".to_owned()));
        }
        match self.begin_save(Purpose::Pausing(client)) {
            Ok(()) => Ok(None),
            Err(failure) => {
                let paused = self.freeze(Change::Pause)?;
                self.keep_paused(Err(failure));
                Ok(paused)
            }
        }
    }

    /// Lets a paused silo run again.
    pub(crate) fn resume(&mut self) -> Result<Option<Response>, Failure> {
        let resumed = self.freeze(Change::Resume)?;
        self.registry.paused = None;
        Ok(resumed)
    }

    fn begin_save(&mut self, purpose: Purpose) -> Result<(), Failure> {
        let number = self.registry.next_number;
        self.registry.next_number = number.wrapping_add(1);
        let files = make_files(Path::new(&self.spec.registry), number).map_err(|error| {
            Failure::Host(format!("cannot make files for the registry: {error}"))
        })?;
        let patience = match purpose {
            Purpose::Reading(_) => READ_PATIENCE,
            Purpose::Pausing(_) => PAUSE_PATIENCE,
        };
        self.registry.saves.push(Save {
            number,
            purpose,
            files,
            due: Deadline::after(patience),
        });
        let [machine, user, default_user] =
            names(number).map(|name| format!("{}/{name}", layout::PREFIX));
        let files = RegistryFiles {
            machine,
            user,
            default_user,
        };
        self.ask_agent(Command::SaveRegistry(files), Pending::Save { number });
        Ok(())
    }

    /// The agent has answered; to a request that nobody waits for any more, perhaps.
    pub(crate) fn registry_written(&mut self, number: u32, outcome: Result<(), Failure>) {
        remove_files(Path::new(&self.spec.registry), number);
        if let Some(save) = self.registry.take(|save| save.number == number) {
            self.finish_save(save, outcome);
        }
    }

    /// Some have waited for long enough.
    pub(crate) fn saves_are_overdue(&mut self) {
        while let Some(save) = self.registry.take(|save| save.due.is_due()) {
            remove_files(Path::new(&self.spec.registry), save.number);
            let failure = match self.state {
                State::Running => Failure::Host("the guest agent does not answer".to_owned()),
                _ => self.wrong_state(),
            };
            self.finish_save(save, Err(failure));
        }
    }

    fn finish_save(&mut self, save: Save, outcome: Result<(), Failure>) {
        let saved = outcome.and_then(|()| {
            SavedRegistry::of(save.files)
                .map(Rc::new)
                .map_err(|error| Failure::Host(format!("cannot use the registry: {error}")))
        });
        match save.purpose {
            Purpose::Pausing(client) => self.pause_with(client, saved),
            Purpose::Reading(clients) => {
                let response = match &saved {
                    Ok(saved) => saved.response(),
                    Err(failure) => Response::Failed(failure.clone()),
                };
                for client in clients {
                    if let Ok(saved) = &saved {
                        self.give_registry(client, saved.clone());
                    }
                    self.respond_and_serve(client, &response);
                }
                self.serve_waiting();
            }
        }
    }

    fn pause_with(&mut self, client: u32, saved: Result<Rc<SavedRegistry>, Failure>) {
        let response = match self.freeze(Change::Pause) {
            Ok(response) => {
                self.keep_paused(saved);
                response.unwrap_or(Response::Done)
            }
            Err(failure) => Response::Failed(failure),
        };
        self.respond_and_serve(client, &response);
    }

    /// Keeps the registry of a silo that has been paused. Who waits for its agent reads the same.
    fn keep_paused(&mut self, saved: Result<Rc<SavedRegistry>, Failure>) {
        if let Err(failure) = &saved {
            note!("the silo is paused without its registry: {failure}");
        }
        self.registry.paused = Some(saved.map_err(|failure| failure.to_string()));
        let is_read = |save: &Save| matches!(save.purpose, Purpose::Reading(_));
        if let Some(save) = self.registry.take(is_read)
            && let Purpose::Reading(clients) = save.purpose
        {
            remove_files(Path::new(&self.spec.registry), save.number);
            self.answer_readers(clients);
        }
        self.serve_waiting();
    }

    /// The silo has ended: its registry is in its files.
    pub(crate) fn forget_registry(&mut self) {
        for save in &self.registry.saves {
            remove_files(Path::new(&self.spec.registry), save.number);
        }
        self.registry = Registry::default();
    }
}

/// The names of the files that are written at the `number`th time.
fn names(number: u32) -> [String; 3] {
    ["machine", "user", "default-user"].map(|root| format!("saved-{number}-{root}.reg"))
}

/// Makes the files, empty, and owned by the silo's user as everything in the directory is.
fn make_files(directory: &Path, number: u32) -> rustix::io::Result<[File; 3]> {
    let directory = open_directory(directory)?;
    let make = |name: &String| {
        // What a supervisor left that was killed. Whatever else stands there is in the way.
        let _ = rustix::fs::unlinkat(&directory, name, AtFlags::empty());
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&directory, name, flags, Mode::from_raw_mode(0o600));
        file.map(File::from)
    };
    let names = names(number);
    let made = || Ok([make(&names[0])?, make(&names[1])?, make(&names[2])?]);
    made().inspect_err(|_| remove(&directory, number))
}

fn remove_files(directory: &Path, number: u32) {
    if let Ok(directory) = open_directory(directory) {
        remove(&directory, number);
    }
}

fn remove(directory: impl AsFd, number: u32) {
    for name in names(number) {
        // Those that a program has removed are gone; a directory in the place of one is its own.
        let _ = rustix::fs::unlinkat(&directory, name, AtFlags::empty());
    }
}

fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn files_are_made_anew_and_read_in_pieces_up_to_their_end() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join(&names(7)[0]);
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        let mut files = make_files(directory.path(), 7).unwrap();
        assert!(!link.is_symlink());
        let text = vec![b'x'; REGISTRY_PIECE + 3];
        files[0].write_all(&text).unwrap();
        remove_files(directory.path(), 7);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);

        let saved = SavedRegistry::of(files).unwrap();
        let sizes = [text.len() as u64, 0, 0];
        assert_eq!(saved.response(), Response::RegistrySaved { sizes });
        let read = |offset| saved.read(RegistryRoot::Machine, offset).unwrap().len();
        assert_eq!(read(0), REGISTRY_PIECE);
        assert_eq!(read(REGISTRY_PIECE as u64), 3);
        assert_eq!((read(text.len() as u64), read(u64::MAX)), (0, 0));
    }

    #[test]
    fn what_stands_in_the_way_fails_it_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let in_the_way = directory.path().join(&names(0)[2]);
        std::fs::create_dir(&in_the_way).unwrap();
        assert!(make_files(directory.path(), 0).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_registry_without_end_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let files = make_files(directory.path(), 0).unwrap();
        files[1].set_len(REGISTRY_LIMIT + 1).unwrap();
        assert!(SavedRegistry::of(files).is_err());
    }
}
