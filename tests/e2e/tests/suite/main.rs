//! End-to-end tests: the docker CLI, real Windows programs, probes inside.
//!
//! `cargo xtask test e2e` prepares what they need and names it in the environment. Tests that
//! share one server run side by side; those that kill daemons or look at the whole host run
//! afterwards, one at a time.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::{Arguments, Trial};
use porthole_e2e::docker::Docker;
use porthole_e2e::host::HostState;
use porthole_e2e::server::{Place, Server};

mod another_host;
mod archive;
mod bad_input;
mod binds;
mod certificates;
mod changes;
mod clients;
mod commit;
mod committed;
mod console;
mod control_events;
mod create_table;
mod daemons;
mod desktop;
mod exec;
mod exit_codes;
mod health;
mod hostile_layers;
mod image_kills;
mod image_verbs;
mod images;
mod isolation;
mod layer_checker;
mod lifecycle;
mod limits;
mod log_drivers;
mod logs;
mod made_images;
mod memory;
mod microsoft_bases;
mod names;
mod options;
mod own_cli;
mod own_cli_images;
mod ports;
mod postgres_story;
mod reboot;
mod registries;
mod restarts;
mod run;
mod saved;
mod stalling;
mod streams;
mod tls;
mod tools;
mod transfer_files;
mod usage;
mod web_sockets;
mod workloads;

/// What a test works with.
#[derive(Clone)]
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

    /// Has the store looked over: records and files must agree.
    fn check_store(&self) -> Result<()> {
        self.store_check(&[])
    }

    /// The same, with every byte read.
    fn check_store_whole(&self) -> Result<()> {
        self.store_check(&["--content"])
    }

    fn store_check(&self, options: &[&str]) -> Result<()> {
        let output = Command::new(self.programs.join("porthole"))
            .args(["store", "check", "--data-root"])
            .arg(&self.place.data_root)
            .args(options)
            .output()?;
        ensure!(output.status.success(), "porthole store check: {output:?}");
        Ok(())
    }

    /// The names of what is in these directories of the data root.
    fn entries(&self, directories: &[&str]) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for directory in directories {
            for entry in std::fs::read_dir(self.place.data_root.join(directory))? {
                let name = entry?.file_name();
                names.push(format!("{directory}/{}", name.to_string_lossy()));
            }
        }
        names.sort();
        Ok(names)
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
    image_verbs::TESTS,
    registries::TESTS,
    changes::TESTS,
    commit::TESTS,
    transfer_files::TESTS,
    microsoft_bases::TESTS,
    bad_input::TESTS,
    own_cli::TESTS,
    own_cli_images::TESTS,
    archive::TESTS,
    clients::TESTS,
    tools::TESTS,
    usage::TESTS,
    desktop::TESTS,
    web_sockets::TESTS,
    workloads::TESTS,
];

/// Tests that want the servers of their own, of images and registries.
const ALONE: &[&[(&str, Test)]] = &[
    image_verbs::ALONE,
    registries::ALONE,
    hostile_layers::ALONE,
    changes::ALONE,
    postgres_story::ALONE,
    image_kills::ALONE,
];

/// Waits ten seconds for something to come about.
fn eventually(what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done()? {
        ensure!(Instant::now() < deadline, "{what}: not within ten seconds");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

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
    alone.extend(trials(&fixture, log_drivers::ALONE));
    alone.extend(trials(&fixture, reboot::TESTS));
    for tests in ALONE {
        alone.extend(trials(&fixture, tests));
    }
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
