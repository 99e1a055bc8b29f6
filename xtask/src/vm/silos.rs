//! Containers on a host whose cgroups are systemd's.

use anyhow::{Context, Result, ensure};

use super::Test;
use super::machine::Machine;

pub(super) const TESTS: &[Test] = &[
    ("containers_are_in_porthole_slice", in_slice),
    ("a_memory_limit_holds", memory_limit),
    ("systemd_reloads_and_leaves_limits_alone", reloads),
    (
        "a_container_restarts_while_systemd_is_busy",
        restarts_beside_reloads,
    ),
    ("restarts_under_load_stop_no_container", restarts_under_load),
    ("apparmor_works_and_hinders_nothing_of_ours", apparmor),
];

/// Starts an idle container with more options.
fn idle(machine: &mut Machine, name: &str, options: &str) -> Result<String> {
    machine.ok(&format!(
        "docker --context porthole run -d --name {name} {options} porthole/nanoserver ping -n 9000 127.0.0.1"
    ))
}

/// The directory of the one scope that a container has, whose name is of this run.
fn scope_of(machine: &mut Machine, id: &str) -> Result<String> {
    let found = machine.ok(&format!(
        "ls -d /sys/fs/cgroup/porthole.slice/porthole-{id}:*.scope"
    ))?;
    ensure!(found.lines().count() == 1, "more than one scope:\n{found}");
    Ok(found)
}

fn in_slice(machine: &mut Machine) -> Result<()> {
    let id = idle(machine, "in-slice", "")?;
    let scope = scope_of(machine, &id)?;
    // Of the scope's own cgroup nobody, of the daemon's nobody but it, and nowhere else anybody.
    let found = machine.ok(&format!(
        "unit=$(basename {scope}); systemctl is-active $unit; systemctl show -p Delegate $unit
         cd {scope}; wc -l <cgroup.procs; wc -l <supervisor/cgroup.procs; grep -q . silo/cgroup.procs && echo full
         wc -l </sys/fs/cgroup/system.slice/portholed.service/cgroup.procs
         for pid in $(pgrep 'porthole-superv|wineserver|cexecsvc|ping.exe'); do cat /proc/$pid/cgroup; done |
             grep -vE '^0::/porthole.slice/porthole-[0-9a-f:]+.scope/(silo|supervisor)$' | wc -l",
    ))?;
    ensure!(
        found
            .lines()
            .eq(["active", "Delegate=yes", "0", "1", "full", "1", "0"]),
        "{found}"
    );
    machine.ok("docker --context porthole rm -f in-slice")?;
    machine.eventually(&format!("! systemctl is-active $(basename {scope})"))?;
    let left = machine.run(&format!("test -e {scope}"))?;
    ensure!(left.status != 0, "the cgroup is left");
    Ok(())
}

fn memory_limit(machine: &mut Machine) -> Result<()> {
    let id = idle(machine, "limited", "--memory 100m --cpus 0.5")?;
    let scope = scope_of(machine, &id)?;
    let files = format!("cd {scope}/silo; cat memory.max cpu.max");
    let found = machine.ok(&files)?;
    ensure!(found.lines().eq(["104857600", "50000 100000"]), "{found}");
    machine.ok("docker --context porthole update --memory 120m limited")?;
    ensure!(
        machine.ok(&files)?.starts_with("125829120\n"),
        "not updated"
    );
    machine.ok("docker --context porthole rm -f limited")?;
    let ended = machine.run(
        "docker --context porthole run --name eater --memory 64m -v /home/ada/porthole/target/guest/probes:C:/probes:ro \\
             porthole/nanoserver 'C:\\probes\\eat.exe' 200; docker --context porthole inspect -f '{{.State.OOMKilled}}' eater
         docker --context porthole rm eater >/dev/null",
    )?;
    ensure!(ended.output.contains("true"), "{ended:?}");
    Ok(())
}

fn reloads(machine: &mut Machine) -> Result<()> {
    let id = idle(machine, "reloaded", "--memory 100m")?;
    let scope = scope_of(machine, &id)?;
    let found = machine.ok(&format!(
        "systemctl daemon-reload; systemctl daemon-reexec
         cat {scope}/silo/memory.max
         docker --context porthole run --rm porthole/nanoserver cmd /c echo after"
    ))?;
    ensure!(found.starts_with("104857600\nafter"), "{found}");
    machine.ok("docker --context porthole rm -f reloaded")?;
    Ok(())
}

/// A scope is forgotten when systemd comes to it, and the next run does not wait for that.
fn restarts_beside_reloads(machine: &mut Machine) -> Result<()> {
    let id = idle(machine, "again", "")?;
    machine.ok(
        "touch /run/reload; (while test -e /run/reload; do systemctl daemon-reload; done) >/run/reload.log 2>&1 &",
    )?;
    let restarted = machine.run(
        "set -e; for run in 1 2 3 4 5 6 7 8 9 10; do docker --context porthole restart -t 0 again; done",
    );
    machine.ok("rm /run/reload; wait; cat /run/reload.log")?;
    let restarted = restarted?;
    ensure!(restarted.status == 0, "{restarted:?}");
    machine.eventually(&format!(
        "test $(ls -d /sys/fs/cgroup/porthole.slice/porthole-{id}:*.scope | wc -l) = 1"
    ))?;
    machine.ok("docker --context porthole rm -f again")?;
    Ok(())
}

/// A container that counts, one that is asked all the time, one whose log is followed.
fn restarts_under_load(machine: &mut Machine) -> Result<()> {
    machine.ok(
        "docker --context porthole run -d --name counter -v /home/ada/porthole/target/guest/probes:C:/probes:ro \\
             porthole/nanoserver 'C:\\probes\\lines.exe' 100000 50",
    )?;
    idle(machine, "bystander", "")?;
    let state = "docker --context porthole inspect -f '{{.State.Pid}} {{.State.StartedAt}} {{.State.Running}} {{.RestartCount}}' counter bystander";
    let before = machine.ok(state)?;
    machine.ok(
        "touch /run/load; (while test -e /run/load; do docker --context porthole exec bystander cmd /c echo yes; done) >/run/load.log 2>&1 &
         (while test -e /run/load; do docker --context porthole logs -f --tail 1 counter; echo over; done) >/run/follow.log 2>&1 &",
    )?;
    for _ in 0..4 {
        machine.ok("systemctl restart portholed && docker --context porthole version >/dev/null && sleep 1")?;
    }
    machine.ok("systemctl kill -s KILL portholed")?;
    machine.eventually("docker --context porthole version")?;
    machine.ok("rm /run/load")?;
    let after = machine.ok(state)?;
    ensure!(before == after, "before:\n{before}\nafter:\n{after}");
    let asked = machine.ok(
        "grep -c yes /run/load.log; docker --context porthole exec bystander cmd /c echo yes",
    )?;
    ensure!(
        asked.ends_with("yes") && !asked.starts_with("0\n"),
        "{asked}"
    );
    let log = machine.ok("docker --context porthole logs counter")?;
    let numbers: Vec<usize> = log
        .lines()
        .map(|line| line.trim().parse())
        .collect::<Result<_, _>>()
        .context("a line is no number")?;
    ensure!(numbers.len() > 20, "only {} lines", numbers.len());
    ensure!(
        numbers
            .iter()
            .enumerate()
            .all(|(index, number)| index + 1 == *number),
        "a line is lost or doubled"
    );
    check_followed(&machine.ok("cat /run/follow.log")?)?;
    println!(
        "  {} lines, none lost, over 4 restarts and a kill",
        numbers.len()
    );
    machine.ok("docker --context porthole rm -f counter bystander")?;
    Ok(())
}

/// Followers were cut off by each restart; what each saw in between has no gap.
fn check_followed(log: &str) -> Result<()> {
    let numbers = |session: &str| -> Vec<usize> {
        let lines = session.lines();
        lines.filter_map(|line| line.trim().parse().ok()).collect()
    };
    let sessions: Vec<_> = log.split("over\n").map(numbers).collect();
    let whole = |session: &Vec<usize>| session.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    let useful = sessions.iter().filter(|session| session.len() > 1).count();
    ensure!(
        useful > 1 && sessions.iter().all(whole),
        "a follower missed lines, or none followed: {log}"
    );
    Ok(())
}

/// That Debian's rules, enforced, deny nothing to our programs and containers, for which there is
/// no profile. That a denial would be found shows a copy of our client, for which there is one.
fn apparmor(machine: &mut Machine) -> Result<()> {
    machine.ok(
        "set -e; cp /usr/local/bin/porthole /root/confined
         echo 'profile confined /root/confined { /root/confined mr, /etc/ld.so.cache r, /{,usr/}lib/** mr, }' |
             apparmor_parser --replace
         ! /root/confined version; rm /root/confined",
    )?;
    let find = "journalctl _TRANSPORT=kernel + _TRANSPORT=audit --grep 'apparmor=.DENIED' --quiet --no-pager";
    machine.eventually(&format!("{find} | grep -q confined"))?;
    let denied = machine.run(&format!("{find} | grep -v 'profile=.confined'"))?;
    ensure!(denied.output.is_empty(), "{}", denied.output);
    Ok(())
}
