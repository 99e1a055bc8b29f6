//! A fake silo: processes, the events they make, and how it ended.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use porthole_protocol::ProcessEntry;
use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::{
    Event, ExitRecord, Failure, KILLED_EXIT_CODE, Limits, ProcessSpec, Statistics,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::process::{FakeProcess, Home};
use super::script::Script;

/// The Windows process ID of the first process; the next ones follow in steps of 4.
const FIRST_PID: u32 = 32;

/// A silo.
#[derive(Debug)]
pub(super) struct FakeSilo {
    id: String,
    script: Script,
    state: Mutex<State>,
    limits: Mutex<Limits>,
    frozen: watch::Sender<bool>,
    /// All events so far; the silo's last is `SystemExited`.
    pub(super) events: watch::Sender<Vec<Event>>,
    /// Whether the supervisor was killed: it answers nobody.
    pub(super) dead: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    started: Option<Instant>,
    record: Option<ExitRecord>,
    terminated: bool,
    out_of_memory: bool,
    main: Option<u32>,
    processes: BTreeMap<u32, Arc<FakeProcess>>,
}

impl FakeSilo {
    pub(super) fn new(id: &str, script: Script, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            id: id.to_owned(),
            script,
            state: Mutex::default(),
            limits: Mutex::new(limits),
            frozen: watch::Sender::new(false),
            events: watch::Sender::new(Vec::new()),
            dead: watch::Sender::new(false),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self) -> Option<ExitRecord> {
        self.state().record.clone()
    }

    pub(super) fn start(&self) -> Result<(), Failure> {
        if let Some(message) = self.script.take_start_failure() {
            return Err(Failure::Host(message));
        }
        let mut state = self.state();
        if state.started.is_some() || state.record.is_some() {
            return Err(Failure::State("not new".into()));
        }
        state.started = Some(Instant::now());
        Ok(())
    }

    fn running(&self) -> Result<MutexGuard<'_, State>, Failure> {
        let state = self.state();
        if state.record.is_some() {
            Err(Failure::State("stopped".into()))
        } else if state.started.is_none() {
            Err(Failure::State("not started".into()))
        } else {
            Ok(state)
        }
    }

    pub(super) fn create(self: &Arc<Self>, spec: ProcessSpec) -> Result<u32, Failure> {
        let program = self
            .script
            .look_up(&spec.command_line)
            .map_err(Failure::Windows)?;
        let mut state = self.running()?;
        let key = spec.process.0;
        let pid = FIRST_PID + 4 * u32::try_from(state.processes.len()).unwrap_or(u32::MAX / 8);
        if spec.main {
            state.main = Some(key);
        }
        let home = Home {
            script: self.script.clone(),
            system: self.id.clone(),
        };
        let process = FakeProcess::start(spec, pid, program, home, self.frozen.subscribe());
        state.processes.insert(key, process.clone());
        drop(state);
        tokio::spawn(reap(self.clone(), key, process));
        Ok(pid)
    }

    pub(super) fn process(&self, key: ProcessKey) -> Result<Arc<FakeProcess>, Failure> {
        self.state()
            .processes
            .get(&key.0)
            .cloned()
            .ok_or(Failure::NoSuchProcess)
    }

    pub(super) fn live(&self, key: ProcessKey) -> Result<Arc<FakeProcess>, Failure> {
        drop(self.running()?);
        let process = self.process(key)?;
        match process.exit_code() {
            None => Ok(process),
            Some(_) => Err(Failure::NoSuchProcess),
        }
    }

    pub(super) fn shut_down(&self) -> Result<(), Failure> {
        for process in self.running()?.processes.values() {
            process.deliver();
        }
        Ok(())
    }

    pub(super) fn freeze(&self, frozen: bool) -> Result<(), Failure> {
        drop(self.running()?);
        self.frozen.send_replace(frozen);
        Ok(())
    }

    pub(super) fn limits(&self) -> Limits {
        let limits = self.limits.lock();
        limits.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn limit(&self, new: Limits) -> Result<(), Failure> {
        drop(self.running()?);
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        if limits.memory != new.memory && self.script.refuses_memory_changes() {
            return Err(Failure::Host("the kernel refuses".into()));
        }
        *limits = new;
        Ok(())
    }

    /// Usage figures: none but the time, which is all that is simulated.
    pub(super) fn statistics(&self) -> Result<Statistics, Failure> {
        let state = self.running()?;
        let uptime = state
            .started
            .map(|started| started.elapsed())
            .unwrap_or_default();
        let pids = state
            .processes
            .values()
            .filter(|process| process.exit_code().is_none())
            .count();
        Ok(Statistics {
            uptime_ns: u64::try_from(uptime.as_nanos()).unwrap_or(u64::MAX),
            pids: u64::try_from(pids).unwrap_or(u64::MAX),
            ..Statistics::default()
        })
    }

    pub(super) fn list(&self) -> Result<Vec<ProcessEntry>, Failure> {
        let state = self.running()?;
        let alive = state
            .processes
            .values()
            .filter(|process| process.exit_code().is_none());
        Ok(alive.map(|process| entry(process)).collect())
    }

    /// Ends the silo; returns when its exit is recorded.
    pub(super) async fn terminate(&self) {
        let processes: Vec<_> = {
            let mut state = self.state();
            state.terminated = true;
            state.processes.values().cloned().collect()
        };
        self.end(processes).await;
    }

    async fn end(&self, processes: Vec<Arc<FakeProcess>>) {
        for process in &processes {
            process.terminate(KILLED_EXIT_CODE);
        }
        let mut exits = Vec::new();
        for process in &processes {
            let exit_code = process.ended().await;
            self.exited(process.spec.process, exit_code);
            exits.push((process.spec.process, exit_code));
        }
        let mut state = self.state();
        if state.record.is_none() {
            let main = exits.iter().find(|(key, _)| Some(key.0) == state.main);
            let now = time::OffsetDateTime::now_utc().unix_timestamp_nanos();
            let record = ExitRecord {
                exit_code: main.map(|(_, code)| *code),
                processes: exits,
                terminated: state.terminated,
                out_of_memory: state.out_of_memory,
                finished_at: i64::try_from(now).unwrap_or(i64::MAX),
                error: None,
            };
            state.record = Some(record.clone());
            self.events
                .send_modify(|events| events.push(Event::SystemExited(record)));
        }
    }

    fn exited(&self, process: ProcessKey, exit_code: u32) {
        self.events.send_if_modified(|events| {
            let event = Event::ProcessExited { process, exit_code };
            let news = !events.contains(&event);
            if news {
                events.push(event);
            }
            news
        });
    }

    pub(super) fn out_of_memory(&self) {
        self.state().out_of_memory = true;
        self.events
            .send_modify(|events| events.push(Event::OutOfMemory));
    }

    pub(super) fn kill(&self) {
        self.dead.send_replace(true);
        for process in self.state().processes.values() {
            process.terminate(KILLED_EXIT_CODE);
        }
    }
}

/// Notes the end of a process, and ends the silo with its main process.
async fn reap(silo: Arc<FakeSilo>, key: u32, process: Arc<FakeProcess>) {
    let exit_code = process.ended().await;
    if *silo.dead.borrow() {
        return;
    }
    silo.exited(process.spec.process, exit_code);
    let rest: Option<Vec<_>> = {
        let state = silo.state();
        (state.main == Some(key)).then(|| state.processes.values().cloned().collect())
    };
    if let Some(processes) = rest {
        silo.end(processes).await;
    }
}

fn entry(process: &FakeProcess) -> ProcessEntry {
    let command = process.spec.command_line.trim_start_matches('"');
    let program = command.split(['"', ' ']).next().unwrap_or_default();
    let path = Path::new(program.rsplit('\\').next().unwrap_or_default());
    ProcessEntry {
        pid: process.pid,
        image_name: path.with_extension("exe").to_string_lossy().into_owned(),
        user_time_100ns: 0,
        kernel_time_100ns: 0,
        create_time: 0,
        private_working_set: 0,
        commit: 0,
    }
}
