//! A daemon with many containers, most of which have ended: how long a list takes and a start of the
//! daemon, and how much memory it holds.

use anyhow::Result;
use porthole_e2e::docker::Docker;
use porthole_e2e::server::{COMPUTE_PID, ENGINE_PID, Server};

use super::peer::{self, Peer};
use super::timing::{self, Times};
use super::{EXIT, Options, memory, timed};

/// Lists, and starts, that are measured.
const TIMES: usize = 10;

/// Clients that start containers side by side.
const CLIENTS: usize = 4;

/// A daemon that can be killed and started again.
trait Daemon {
    fn docker(&self) -> Docker;
    fn kill_and_restart(&mut self) -> Result<()>;
    /// Its processes, without those that each container has.
    fn processes(&self) -> Vec<u32>;
}

impl Daemon for Server {
    fn docker(&self) -> Docker {
        self.place.docker()
    }

    fn kill_and_restart(&mut self) -> Result<()> {
        self.kill_and_restart()
    }

    fn processes(&self) -> Vec<u32> {
        [ENGINE_PID, COMPUTE_PID]
            .into_iter()
            .filter_map(|file| self.place.daemon_pid(file)?.try_into().ok())
            .collect()
    }
}

impl Daemon for Peer {
    fn docker(&self) -> Docker {
        self.docker.clone()
    }

    fn kill_and_restart(&mut self) -> Result<()> {
        self.kill_and_restart()
    }

    fn processes(&self) -> Vec<u32> {
        self.daemons().into()
    }
}

/// What one daemon took.
struct Measured {
    all: Times,
    running: Times,
    start: Times,
    /// Private memory, in KiB.
    memory: u64,
}

/// A table with a row for each daemon.
pub(super) fn table(options: &Options, server: &mut Server, peer: &mut Peer) -> Result<String> {
    let exit = [&["porthole/nanoserver"], EXIT].concat();
    let idle = ["porthole/nanoserver", "ping", "-t", "127.0.0.1"];
    let porthole = measure(options, server, &exit, &idle)?;
    let (exit, idle) = ([peer::IMAGE, "true"], [peer::IMAGE, "sleep", "1d"]);
    let dockerd = measure(options, peer, &exit, &idle)?;
    let mut table = format!(
        "{} containers that have ended and {} that run.\n\n\
         | daemon | `ps -a` median | p90 | `ps` median | p90 | killed and answering again, median | p90 | private memory |\n\
         |---|---|---|---|---|---|---|---|\n",
        options.ended, options.running
    );
    for (name, measured) in [("Porthole", &porthole), ("dockerd", &dockerd)] {
        table += &format!(
            "| {name} | {} | {} | {} | {:.0} MiB |\n",
            measured.all.cells(),
            measured.running.cells(),
            measured.start.cells(),
            measured.memory as f64 / 1024.0
        );
    }
    Ok(table)
}

fn measure(
    options: &Options,
    daemon: &mut impl Daemon,
    exit: &[&str],
    idle: &[&str],
) -> Result<Measured> {
    let docker = daemon.docker();
    run_many(&docker, options.ended, &[], exit)?;
    run_many(&docker, options.running, &["-d"], idle)?;
    let mut start = Times::default();
    for _ in 0..TIMES {
        start.push(timed(|| daemon.kill_and_restart())?);
    }
    let list = |options: &[&str]| {
        let words = [&["ps", "-q"], options].concat();
        timing::repeat(TIMES, || docker.ok(&words).map(drop))
    };
    let measured = Measured {
        all: list(&["-a"])?,
        running: list(&[])?,
        start,
        memory: daemon
            .processes()
            .into_iter()
            .filter_map(memory::private)
            .sum(),
    };
    docker.remove_all()?;
    Ok(measured)
}

/// `docker run`, this many times, by several clients.
fn run_many(docker: &Docker, count: usize, options: &[&str], program: &[&str]) -> Result<()> {
    let words = [&["run"], options, program].concat();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let words = &words;
                scope.spawn(move || {
                    (client..count)
                        .step_by(CLIENTS)
                        .try_for_each(|_| docker.ok(words).map(drop))
                })
            })
            .collect();
        clients.into_iter().try_for_each(|client| {
            client
                .join()
                .unwrap_or_else(|_| anyhow::bail!("a client panicked"))
        })
    })
}
