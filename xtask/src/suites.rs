//! `cargo xtask test`: every suite, the time of each, and one closing line.

use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use porthole_e2e::server::{Place, Server};

use crate::builds::{self, Built};
use crate::command::{cargo, run, shown};
use crate::tally::Tally;
use crate::workloads::{self, Wanted};
use crate::{clients, guest, layers, packages, room, vm};

/// Options of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Run only these suites: check, unit, base, e2e, vm.
    #[arg(value_name = "SUITE")]
    suites: Vec<String>,
    /// Run only the end-to-end tests whose names contain this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

/// Runs the suites, all of them unless some are named.
pub(crate) fn run_suites(options: &Options) -> Result<()> {
    room::ensure()?;
    packages::ensure(&[
        packages::BUILD,
        packages::RUN,
        packages::FETCH,
        packages::TEST,
        packages::MACHINE,
    ])?;
    let mut report = Report::default();
    let wanted =
        |name: &str| options.suites.is_empty() || options.suites.iter().any(|one| one == name);
    if wanted("check") {
        report.suite("check", |tally| {
            check_all().map(|checks| tally.passed += checks)
        });
    }
    if ["base", "e2e", "unit", "vm"].into_iter().any(wanted) {
        let mut built = None;
        report.suite("build", |_| builds::all().map(|done| built = Some(done)));
        if let Some(built) = built {
            containers(&mut report, &built, options, &wanted);
        }
    }
    report.close()
}

fn containers(
    report: &mut Report,
    built: &Built,
    options: &Options,
    wanted: &dyn Fn(&str) -> bool,
) {
    let place = Place::test();
    report.suite("base", |tally| {
        bases(built, &place).map(|checks| tally.passed += checks)
    });
    if wanted("e2e") {
        report.suite("e2e", |tally| {
            end_to_end(tally, built, options.filter.as_deref())
        });
    }
    // After the bases: the supervisor's, the back end's and the agent's tests make silos of them.
    if wanted("unit") {
        report.suite("unit", |tally| unit(tally, built, &place));
    }
    if wanted("vm") {
        report.suite("vm", |tally| vm::run(tally, built, &place));
    }
}

fn unit(tally: &mut Tally, built: &Built, place: &Place) -> Result<()> {
    merge_registries(built, place)?;
    let environment = [
        ("PORTHOLE_TEST_DATA_ROOT", place.data_root.clone()),
        ("PORTHOLE_TEST_BASE_BUILD", built.guest.clone()),
        (
            "PORTHOLE_TEST_SUPERVISOR",
            built.programs.join("porthole-supervisor"),
        ),
        ("PORTHOLE_PROBES", built.guest.join("probes")),
    ];
    let workspace = ["--workspace", "--exclude", "porthole-e2e"];
    cargo_test(tally, &workspace, &SHOWING, &environment)?;
    // What the tools inside containers compute is free of Windows and tested here.
    let tools = [
        "--manifest-path",
        "guest/Cargo.toml",
        "--package",
        "porthole-tools",
    ];
    cargo_test(tally, &tools, &SHOWING, &[])
}

/// Runs a container of each base: the first of an image merges its registry, which the tests of
/// the parts below the engine then find.
fn merge_registries(built: &Built, place: &Place) -> Result<()> {
    let server = Server::start(&built.programs, place.clone())?;
    let docker = place.docker();
    let first = ["nanoserver", "servercore"]
        .into_iter()
        .try_for_each(|base| {
            let image = format!("porthole/{base}");
            docker
                .ok(["run", "--rm", &image, "cmd", "/c", "exit 0"])
                .map(drop)
        });
    server.stop()?;
    first
}

/// `cargo xtask check`.
pub(crate) fn check() -> Result<()> {
    check_all().map(|checks| println!("{checks} checks passed"))
}

fn check_all() -> Result<usize> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args([
        "fmt",
        "--all",
        "--check",
        "--manifest-path",
        "guest/Cargo.toml",
    ]))?;
    run(cargo().args([
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    guest::lint()?;
    run(cargo().env("RUSTDOCFLAGS", "-D warnings").args([
        "doc",
        "--quiet",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]))?;
    layers::check()?;
    println!("imports go down only");
    Ok(5)
}

/// Builds both bases; a second build has nothing to do; every byte verifies.
fn bases(built: &Built, place: &Place) -> Result<usize> {
    builds::bases(built, place)?;
    builds::bases(built, place)?;
    verify(built, place)?;
    Ok(3)
}

fn verify(built: &Built, place: &Place) -> Result<()> {
    run(Command::new(built.programs.join("porthole"))
        .args(["base", "verify", "--data-root"])
        .arg(&place.data_root))
}

fn end_to_end(tally: &mut Tally, built: &Built, filter: Option<&str>) -> Result<()> {
    let workloads = workloads::fetch(Wanted::All)?;
    let place = Place::test();
    let environment = [
        ("PORTHOLE_PROGRAMS", built.programs.clone()),
        ("PORTHOLE_PROBES", built.guest.join("probes")),
        ("PORTHOLE_WORKLOADS", workloads),
        ("PORTHOLE_CLIENTS", clients::fetch()?),
    ];
    let arguments = ["-p", "porthole-e2e", "--test", "e2e"];
    let filter: Vec<&str> = filter.into_iter().collect();
    cargo_test(tally, &arguments, &filter, &environment)?;
    // The promise of the base images: no container, however many there were, changed a byte.
    verify(built, &place)
}

/// For the test harness: what passing tests print holds the reasons of those that were skipped.
const SHOWING: [&str; 1] = ["--show-output"];

fn cargo_test(
    tally: &mut Tally,
    packages: &[&str],
    harness: &[&str],
    environment: &[(&str, PathBuf)],
) -> Result<()> {
    let mut command = cargo();
    command
        .args(["test", "--quiet", "--no-fail-fast"])
        .args(packages)
        .arg("--")
        .args(harness)
        .envs(environment.iter().map(|(name, value)| (name, value)));
    counted(tally, &mut command)
}

/// Runs a test command, passing its output on and counting what it says.
fn counted(tally: &mut Tally, command: &mut Command) -> Result<()> {
    let name = shown(command);
    println!("$ {name}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{name}`"))?;
    let output: Box<dyn Read> = Box::new(child.stdout.take().context("no output")?);
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        tally.read(&line);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{name}` failed: {status}");
    }
    Ok(())
}

/// What the suites gave.
#[derive(Debug, Default)]
struct Report {
    total: Tally,
    rows: Vec<(String, Duration, Tally, bool)>,
}

impl Report {
    fn suite(&mut self, name: &str, work: impl FnOnce(&mut Tally) -> Result<()>) {
        println!("\n== {name}");
        let start = Instant::now();
        let mut tally = Tally::default();
        let result = work(&mut tally);
        if let Err(error) = &result {
            eprintln!("{name}: {error:#}");
            // A suite that failed without a failed test (it did not build) must not go uncounted.
            tally.failed = tally.failed.max(1);
        }
        self.total.add(tally);
        self.rows
            .push((name.to_owned(), start.elapsed(), tally, result.is_ok()));
    }

    fn close(self) -> Result<()> {
        println!(
            "\n{:<8} {:>8} {:>8} {:>8} {:>8}",
            "suite", "seconds", "passed", "failed", "skipped"
        );
        for (name, time, tally, _) in &self.rows {
            println!(
                "{name:<8} {:>8.1} {:>8} {:>8} {:>8}",
                time.as_secs_f64(),
                tally.passed,
                tally.failed,
                tally.skipped
            );
        }
        let Tally {
            passed,
            failed,
            skipped,
        } = self.total;
        println!("\n{passed} passed, {failed} failed, {skipped} skipped");
        if self.rows.iter().all(|(.., ok)| *ok) {
            Ok(())
        } else {
            bail!("a suite failed")
        }
    }
}
