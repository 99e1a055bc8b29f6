//! End-to-end tests: the docker CLI, real Windows programs, probes inside.
//!
//! `cargo xtask test e2e` prepares what they need and names it in the environment. Tests that
//! share one server run side by side; those that kill daemons or look at the whole host run
//! afterwards, one at a time.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use libtest_mimic::{Arguments, Trial};
use porthole_e2e::docker::Docker;
use porthole_e2e::host::HostState;
use porthole_e2e::server::{Place, Server};

mod archive;
mod bad_input;
mod binds;
mod certificates;
mod changes;
mod clients;
mod console;
mod control_events;
mod create_table;
mod daemons;
mod desktop;
mod exec;
mod exit_codes;
mod health;
mod images;
mod isolation;
mod lifecycle;
mod limits;
mod log_drivers;
mod logs;
mod memory;
mod microsoft;
mod names;
mod options;
mod own_cli;
mod ports;
mod reboot;
mod registries;
mod restarts;
mod run;
mod streams;
mod tls;
mod tools;
mod usage;
mod web_sockets;
mod workloads;

/// What a test works with.
struct Fixture {
    docker: Docker,
    place: Place,
    programs: PathBuf,
    probes: PathBuf,
    workloads: PathBuf,
}

impl Fixture {
    fn from_environment() -> Result<Self> {
        let directory = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .with_context(|| format!("{name} is not set; run `cargo xtask test e2e`"))
        };
        let place = Place::test();
        Ok(Self {
            docker: place.docker(),
            place,
            programs: directory("PORTHOLE_PROGRAMS")?,
            probes: directory("PORTHOLE_PROBES")?,
            workloads: directory("PORTHOLE_WORKLOADS")?,
        })
    }

    /// The `-v` value that shows the probes as `C:\probes`.
    fn probes_bind(&self) -> String {
        format!(r"{}:C:\probes:ro", self.probes.display())
    }

    /// The `-v` value that shows a workload's directory as `C:\NAME`.
    fn workload_bind(&self, name: &str) -> String {
        let directory = self.workloads.join(name);
        let directory = directory.canonicalize().unwrap_or(directory);
        format!(r"{}:C:\{name}:ro", directory.display())
    }
}

/// Arguments of docker that run a line of `cmd` in a container with this bind.
fn run_with_bind<'a>(image: &'a str, bind: &'a str, line: &'a str) -> [&'a str; 8] {
    ["run", "--rm", "-v", bind, image, "cmd", "/c", line]
}

type Test = fn(&Fixture) -> Result<()>;

fn trials(fixture: &Arc<Fixture>, tests: &[(&str, Test)]) -> Vec<Trial> {
    tests
        .iter()
        .map(|&(name, test)| {
            let fixture = Arc::clone(fixture);
            Trial::test(name, move || {
                test(&fixture).map_err(|error| format!("{error:#}").into())
            })
        })
        .collect()
}

/// Tests that share one server.
const SHARED: &[&[(&str, Test)]] = &[
    run::TESTS,
    streams::TESTS,
    exit_codes::TESTS,
    console::TESTS,
    control_events::TESTS,
    lifecycle::TESTS,
    limits::TESTS,
    memory::TESTS,
    health::TESTS,
    logs::TESTS,
    log_drivers::TESTS,
    exec::TESTS,
    isolation::TESTS,
    binds::TESTS,
    names::TESTS,
    create_table::TESTS,
    options::TESTS,
    restarts::TESTS,
    ports::TESTS,
    images::TESTS,
    bad_input::TESTS,
    own_cli::TESTS,
    archive::TESTS,
    changes::TESTS,
    microsoft::TESTS,
    clients::TESTS,
    tools::TESTS,
    usage::TESTS,
    desktop::TESTS,
    web_sockets::TESTS,
    workloads::TESTS,
];

/// What is there and was not before. Processes that have just been told to end take a moment; what
/// stays longer than ten seconds is left over.
fn left_over(before: &HostState) -> Result<Vec<String>> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let added = HostState::take()?.added_since(before);
        if added.is_empty() || Instant::now() > deadline {
            return Ok(added);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    let Ok(fixture) = Fixture::from_environment().map(Arc::new) else {
        println!("skipped: the end-to-end tests run through `cargo xtask test e2e`");
        return Ok(ExitCode::SUCCESS);
    };
    arguments.test_threads.get_or_insert(2);
    let before = HostState::take()?;
    let server = Server::start(&fixture.programs, fixture.place.clone())?;
    let shared = SHARED
        .iter()
        .flat_map(|tests| trials(&fixture, tests))
        .collect();
    let first = libtest_mimic::run(&arguments, shared);
    server.stop()?;
    let mut alone = trials(&fixture, daemons::TESTS);
    alone.extend(trials(&fixture, tls::TESTS));
    alone.extend(trials(&fixture, certificates::TESTS));
    alone.extend(trials(&fixture, registries::TESTS));
    alone.extend(trials(&fixture, log_drivers::ALONE));
    alone.extend(trials(&fixture, reboot::TESTS));
    alone.push(Trial::test("nothing_is_left_on_the_host", move || {
        let added = left_over(&before).map_err(|error| error.to_string())?;
        if added.is_empty() {
            Ok(())
        } else {
            Err(added.join("\n").into())
        }
    }));
    arguments.test_threads = Some(1);
    let second = libtest_mimic::run(&arguments, alone);
    Ok(if first.has_failed() || second.has_failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
