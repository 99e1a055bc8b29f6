//! One door for developers: `cargo xtask demo|test|bench|check`.

use clap::{Parser, Subcommand};

mod bench;
mod builds;
mod clients;
mod command;
mod demo;
mod guest;
mod layers;
mod packages;
mod room;
mod suites;
mod tally;
mod vm;
mod workloads;

/// Sets up, tests and measures Porthole. Every verb works on a fresh Debian 12 with only Rust and
/// git; run them as root, because containers need namespaces, mounts and a bridge.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Set everything up, start the daemons and run a real Windows program in a container.
    Demo,
    /// Run every test suite; prints the time of each and one closing line.
    Test(suites::Options),
    /// Measure Porthole beside dockerd and print the tables of docs/benchmarks.md.
    Bench(bench::Options),
    /// Format, lints, documentation and the direction of imports; no root, no network.
    Check,
    /// Build the programs that run inside Windows containers into target/guest.
    Guest,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().verb {
        Verb::Demo => demo::run(),
        Verb::Test(options) => suites::run_suites(&options),
        Verb::Bench(options) => bench::run(&options),
        Verb::Check => suites::check(),
        Verb::Guest => builds::guest().map(|directory| println!("{}", directory.display())),
    }
}
