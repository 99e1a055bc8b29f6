//! What programs do, and what fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use porthole_protocol::WindowsError;
use porthole_protocol::supervisor::{Limits, StreamKind};
use porthole_registry::Key;
use porthole_registry::hive::MountedHive;

use super::drive::FakeDrive;
use super::reg::Edit;
use super::registry::FakeRegistry;
use super::silo::FakeSilo;
use super::windows;
use crate::error::Error;

/// What a program does, step by step. One whose steps are done exits with 0.
#[derive(Debug, Clone, Default)]
pub struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) deaf: bool,
    pub(super) undying: bool,
}

/// One step of a program.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Print(StreamKind, Vec<u8>),
    Echo,
    Sleep(Duration),
    EditRegistry(Edit),
    AwaitSignal,
    Exit(u32),
}

impl Program {
    /// A program that does nothing and exits with 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Then it prints `text`.
    #[must_use]
    pub fn print(self, text: impl Into<Vec<u8>>) -> Self {
        self.then(Step::Print(StreamKind::Stdout, text.into()))
    }

    /// Then it prints `text` as an error.
    #[must_use]
    pub fn print_error(self, text: impl Into<Vec<u8>>) -> Self {
        self.then(Step::Print(StreamKind::Stderr, text.into()))
    }

    /// Then it copies its input to its output, until the input ends.
    #[must_use]
    pub fn echo(self) -> Self {
        self.then(Step::Echo)
    }

    /// Then it changes the registry, as `reg` does.
    #[must_use]
    pub(super) fn edit_registry(self, edit: Edit) -> Self {
        self.then(Step::EditRegistry(edit))
    }

    /// Then it waits.
    #[must_use]
    pub fn sleep(self, time: Duration) -> Self {
        self.then(Step::Sleep(time))
    }

    /// Then it waits for a control event, which its handler takes: the next step runs. In every
    /// other step a control event ends a program with 0xC000013A.
    #[must_use]
    pub fn await_signal(self) -> Self {
        self.then(Step::AwaitSignal)
    }

    /// Then it exits.
    #[must_use]
    pub fn exit(self, code: u32) -> Self {
        self.then(Step::Exit(code))
    }

    /// It ignores control events.
    #[must_use]
    pub fn deaf(mut self) -> Self {
        self.deaf = true;
        self
    }

    /// Nothing ends it but its last step, as a process that hangs in the kernel.
    #[must_use]
    pub fn undying(mut self) -> Self {
        self.undying = true;
        self
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// What the fake does beyond its defaults. Clones share one script.
#[derive(Debug, Clone, Default)]
pub struct Script {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    programs: BTreeMap<String, Result<Program, WindowsError>>,
    create_failure: Option<Error>,
    start_failure: Option<String>,
    refuses_memory_changes: bool,
    silos: BTreeMap<String, Arc<FakeSilo>>,
    drives: BTreeMap<String, Arc<FakeDrive>>,
    registries: BTreeMap<String, Arc<FakeRegistry>>,
}

impl Script {
    /// From now on `command_line` (the whole of it) starts `program`.
    pub fn program(&self, command_line: &str, program: Program) {
        self.lock()
            .programs
            .insert(command_line.to_owned(), Ok(program));
    }

    /// From now on `command_line` cannot be started.
    pub fn refuse(&self, command_line: &str, error: WindowsError) {
        self.lock()
            .programs
            .insert(command_line.to_owned(), Err(error));
    }

    /// The next system cannot be created.
    pub fn fail_create(&self, error: Error) {
        self.lock().create_failure = Some(error);
    }

    /// The next system that is started fails, as if the host had refused something.
    pub fn fail_start(&self, message: &str) {
        self.lock().start_failure = Some(message.to_owned());
    }

    /// The supervisor of a system is killed, and its silo with it.
    pub fn kill_supervisor(&self, system: &str) {
        let silo = self.lock().silos.get(system).cloned();
        if let Some(silo) = silo {
            silo.kill();
        }
    }

    /// The kernel kills a process of a system for want of memory; the rest goes on.
    pub fn out_of_memory(&self, system: &str) {
        let silo = self.lock().silos.get(system).cloned();
        if let Some(silo) = silo {
            silo.out_of_memory();
        }
    }

    /// The limits that a system has now, also live.
    #[must_use]
    pub fn limits(&self, system: &str) -> Option<Limits> {
        self.lock().silos.get(system).map(|silo| silo.limits())
    }

    /// From now on, limits of memory cannot be changed.
    pub fn refuse_memory_changes(&self) {
        self.lock().refuses_memory_changes = true;
    }

    /// The host's directory that is the drive C: of a system, also of one that does not exist; empty
    /// at first.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn drive(&self, system: &str) -> std::io::Result<PathBuf> {
        Ok(self.drive_of(system)?.root())
    }

    /// Changes a hive of a system's registry, also of one that does not exist.
    ///
    /// # Errors
    /// The registry cannot be made.
    pub fn edit_registry(
        &self,
        system: &str,
        hive: MountedHive,
        edit: impl FnOnce(&mut Key),
    ) -> std::io::Result<()> {
        self.registry_of(system)?.edit(hive, edit);
        Ok(())
    }

    pub(super) fn registry_of(&self, system: &str) -> std::io::Result<Arc<FakeRegistry>> {
        let mut inner = self.lock();
        if let Some(registry) = inner.registries.get(system) {
            return Ok(Arc::clone(registry));
        }
        let registry = Arc::new(FakeRegistry::make()?);
        let known = Arc::clone(&registry);
        inner.registries.insert(system.to_owned(), known);
        Ok(registry)
    }

    pub(super) fn drive_of(&self, system: &str) -> std::io::Result<Arc<FakeDrive>> {
        let mut inner = self.lock();
        if let Some(drive) = inner.drives.get(system) {
            return Ok(Arc::clone(drive));
        }
        let drive = Arc::new(FakeDrive::make()?);
        inner.drives.insert(system.to_owned(), Arc::clone(&drive));
        Ok(drive)
    }

    pub(super) fn refuses_memory_changes(&self) -> bool {
        self.lock().refuses_memory_changes
    }

    pub(super) fn look_up(&self, command_line: &str) -> Result<Program, WindowsError> {
        match self.lock().programs.get(command_line) {
            Some(scripted) => scripted.clone(),
            None => windows::program(command_line),
        }
    }

    pub(super) fn take_create_failure(&self) -> Option<Error> {
        self.lock().create_failure.take()
    }

    pub(super) fn take_start_failure(&self) -> Option<String> {
        self.lock().start_failure.take()
    }

    pub(super) fn add(&self, system: &str, silo: Arc<FakeSilo>) {
        self.lock().silos.insert(system.to_owned(), silo);
    }

    pub(super) fn remove(&self, system: &str) {
        self.lock().silos.remove(system);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
