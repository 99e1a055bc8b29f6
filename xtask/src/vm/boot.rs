//! A reboot, and the end of it all.

use anyhow::{Result, ensure};

use super::Test;
use super::machine::Machine;

pub(super) const TESTS: &[Test] = &[
    ("after_a_reboot_policies_are_kept", reboot),
    ("after_a_reboot_nothing_is_stale", nothing_stale),
    ("removal_is_refused_while_containers_run", removal_refused),
    ("removal_leaves_nothing_but_data", removal),
    ("a_setup_that_is_cut_short_is_undone", cut_short),
    ("a_purge_leaves_no_data", purge),
];

fn reboot(machine: &mut Machine) -> Result<()> {
    machine.ok(
        "set -e
         run() { docker --context porthole run -d --name $1 $2 porthole/nanoserver ping -n 9000 127.0.0.1; }
         docker --context porthole rm -f $(docker --context porthole ps -aq) || :
         run always '--restart always'
         run unless '--restart unless-stopped -p 8081:80'
         run stopped '--restart unless-stopped'
         run plain ''
         run removed --rm
         docker --context porthole stop -t 0 stopped",
    )?;
    machine.reboot()?;
    machine.eventually(
        "test \"$(docker --context porthole ps -q | wc -l)\" = 2 && systemctl is-system-running | grep -qE 'running|degraded'",
    )?;
    let states = machine.ok(
        "docker --context porthole inspect -f '{{.Name}} {{.State.Status}}' always unless stopped plain
         docker --context porthole ps -aq --filter name=removed | wc -l
         systemctl --failed --quiet | wc -l",
    )?;
    ensure!(
        states.lines().eq([
            "/always running",
            "/unless running",
            "/stopped exited",
            "/plain exited",
            "0",
            "0",
        ]),
        "{states}"
    );
    let works = machine.ok("docker --context porthole exec unless cmd /c echo works")?;
    ensure!(works == "works", "{works}");
    Ok(())
}

/// The two that run have each one of everything, and nobody else has anything.
fn nothing_stale(machine: &mut Machine) -> Result<()> {
    let found = machine.ok(
        "docker --context porthole ps -q --no-trunc | sort >/run/ids
         ls /run/porthole/compute | sort | cmp - /run/ids && echo systems
         grep -o '/run/porthole/netns/[0-9a-f]*' /proc/mounts | xargs -n1 basename | sort | cmp - /run/ids && echo namespaces
         ls -d /sys/fs/cgroup/porthole.slice/*.scope | sed 's/.*porthole-//; s/:.*//' | sort | cmp - /run/ids && echo cgroups
         ip -o link show master porthole0 | wc -l
         ls /var/lib/porthole/containers | wc -l; docker --context porthole ps -aq | wc -l",
    )?;
    ensure!(
        found
            .lines()
            .eq(["systems", "namespaces", "cgroups", "2", "4", "4"]),
        "{found}"
    );
    Ok(())
}

fn removal_refused(machine: &mut Machine) -> Result<()> {
    let refused = machine.run("porthole setup --remove --purge")?;
    ensure!(
        refused.status == 1 && refused.output.contains("2 containers run: stop them first"),
        "{refused:?}"
    );
    machine.ok("systemctl is-active portholed")?;
    Ok(())
}

const LEFT: &str = "ls -d /etc/porthole /run/porthole /usr/local/lib/porthole /usr/local/bin/port* \
    /etc/systemd/system/portholed* /etc/systemd/system/*/portholed* /usr/local/share/*/*/*porthole* \
    /root/.docker/contexts/meta/* /home/ada/.docker/contexts/meta/* 2>/dev/null
    getent group porthole; ip -o link | grep porthole; nft list ruleset | grep porthole
    pgrep -a porthole; systemctl list-units --all --plain --no-legend 'porthole*' | grep -v 'porthole.slice\\|.mount'
    ls /sys/fs/cgroup/porthole.slice/*/cgroup.procs 2>/dev/null; mount | grep porthole | grep -v '/dev/vd'";

fn removal(machine: &mut Machine) -> Result<()> {
    machine.ok("docker --context porthole rm -f $(docker --context porthole ps -aq)")?;
    // docker removes no context that is in use, and that is not forgotten.
    let said = machine.ok(
        "runuser -l ada -c 'docker context use porthole'; porthole setup --remove
         test -s /etc/porthole/setup.json",
    )?;
    ensure!(
        said.contains("kept   remove docker context porthole of ada"),
        "{said}"
    );
    ensure!(said.contains("are left in /var/lib/porthole"), "{said}");
    machine.ok("runuser -l ada -c 'docker context use default'
         /home/ada/porthole/target/release/porthole setup --remove")?;
    let left = machine.run(LEFT)?.output;
    ensure!(left.is_empty(), "left:\n{left}");
    machine.ok("test -s /var/lib/porthole/porthole.db")?;
    let again = machine.ok("/home/ada/porthole/target/release/porthole setup --remove")?;
    ensure!(again.contains("Nothing to undo"), "{again}");
    Ok(())
}

/// While the service starts, which may take long.
fn cut_short(machine: &mut Machine) -> Result<()> {
    machine.ok(
        "set -e; changes=/etc/systemd/system/portholed.service.d; mkdir $changes
         printf '[Service]\\nExecStartPre=/bin/sleep infinity\\n' >$changes/slow.conf
         /home/ada/porthole/target/release/porthole setup >/dev/null & setup=$!
         state() { systemctl show --property=ActiveState --value portholed; }
         until test $(state) = activating; do sleep 0.2; done
         kill -KILL $setup; rm -r $changes
         /home/ada/porthole/target/release/porthole setup --remove
         ! systemctl is-active --quiet portholed
         test $(state) = inactive",
    )?;
    let left = machine.run(LEFT)?.output;
    ensure!(left.is_empty(), "left:\n{left}");
    Ok(())
}

/// The data root is a file system of its own: what is in it goes, and the mount point stays.
fn purge(machine: &mut Machine) -> Result<()> {
    let said = machine.ok("set -e; cd /home/ada/porthole
         target/release/porthole setup >/dev/null; test -s /var/lib/porthole/porthole.db
         echo '# mine' >>/etc/porthole/porthole.toml
         target/release/porthole setup --remove --purge
         mountpoint -q /var/lib/porthole; ls -A /var/lib/porthole | wc -l")?;
    ensure!(
        said.contains("kept   /etc/porthole/porthole.toml")
            && said.contains("kept   /var/lib/porthole: empty")
            && said.ends_with("\n0"),
        "{said}"
    );
    Ok(())
}
