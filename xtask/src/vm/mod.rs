//! The suite `vm`: Porthole on a Debian of its own, from the installation to a reboot.
//!
//! What no container or checkout can show: systemd as the first process, the one cgroup tree,
//! AppArmor, the journal, the service, a reboot. Debian 12 comes from its packages, runs in an
//! emulated machine where KVM starts no guest, and is thrown away afterwards.

mod boot;
mod image;
mod machine;
mod readme;
mod service;
mod silos;

use std::time::Instant;

use anyhow::{Result, bail};
use porthole_e2e::server::Place;

use crate::builds::Built;
use crate::tally::Tally;
use machine::Machine;

/// A test: each goes on where the one before stopped.
type Test = (&'static str, fn(&mut Machine) -> Result<()>);

/// Runs all tests in one machine.
pub(crate) fn run(tally: &mut Tally, built: &Built, place: &Place) -> Result<()> {
    let start = Instant::now();
    let disks = image::make(built, place)?;
    println!(
        "disks are ready after {:.1} s",
        start.elapsed().as_secs_f64()
    );
    let start = Instant::now();
    let mut machine = Machine::start(&disks)?;
    println!(
        "the machine is up after {:.1} s",
        start.elapsed().as_secs_f64()
    );
    let mut failed = 0;
    for (name, test) in all() {
        let start = Instant::now();
        let outcome = test(&mut machine);
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => {
                println!("test vm::{name} ... ok ({seconds:.1} s)");
                tally.passed += 1;
            }
            Err(error) => {
                println!("test vm::{name} ... FAILED ({seconds:.1} s)\n{error:?}");
                tally.failed += 1;
                failed += 1;
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of the virtual machine's tests failed");
    }
    Ok(())
}

fn all() -> impl Iterator<Item = &'static Test> {
    [readme::TESTS, service::TESTS, silos::TESTS, boot::TESTS]
        .into_iter()
        .flatten()
}
