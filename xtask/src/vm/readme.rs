//! The README's section for one's own machine, as a new user would follow it.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::Test;
use super::machine::Machine;
use crate::command::root;

pub(super) const TESTS: &[Test] = &[
    ("debian_is_as_it_comes", debian_is_as_it_comes),
    ("a_dry_run_of_setup_changes_nothing", dry_run),
    ("readme_leads_to_a_served_page", follow),
];

const SECTION: &str = "## On a machine of your own";

/// Commands that are not typed here, by their beginning, and what stands for each: an emulated
/// machine without compilers and registries would take an hour for them.
const REPLACED: [(&str, &str); 4] = [
    ("git clone", ":"),
    ("cargo ", ": # programs come on a disk"),
    (
        "sudo porthole base build",
        "sudo porthole base ls # comes on a disk too",
    ),
    (
        "python3 -m",
        "mkdir -p caddy; cp target/caddy/caddy.exe caddy/",
    ),
];

fn debian_is_as_it_comes(machine: &mut Machine) -> Result<()> {
    let state = machine.ok(
        "systemctl is-system-running --wait; cat /proc/1/comm; stat -fc %T /sys/fs/cgroup
         cat /sys/module/apparmor/parameters/enabled; systemctl is-active systemd-journald
         . /etc/os-release; echo $VERSION_CODENAME",
    )?;
    ensure!(
        state
            .lines()
            .eq(["running", "systemd", "cgroup2fs", "Y", "active", "bookworm"]),
        "{state}"
    );
    Ok(())
}

fn dry_run(machine: &mut Machine) -> Result<()> {
    const STATE: &str = "find /usr/local /etc /run/porthole /root/.docker /home/ada/.docker -ls \
                         2>/dev/null | sort; systemctl list-unit-files 'porthole*'
                         journalctl _PID=1 --grep '^Reloading' --quiet | wc -l";
    let before = machine.ok(STATE)?;
    // The README's user is no root, and need not be to look.
    let said = machine
        .ok("cd /home/ada/porthole; runuser -u ada -- target/release/porthole setup --dry-run")?;
    ensure!(said.contains("would  /usr/local/bin/portholed"), "{said}");
    ensure!(
        said.contains("would  enable and start portholed.service"),
        "{said}"
    );
    machine.ok("cd /home/ada/porthole; target/release/porthole setup --dry-run --in-place")?;
    let refused =
        machine.run("cd /home/ada/porthole; runuser -u ada -- target/release/porthole setup")?;
    ensure!(
        refused.status == 1 && refused.output.contains("needs root"),
        "{refused:?}"
    );
    ensure!(machine.ok(STATE)? == before, "something changed: {said}");
    Ok(())
}

fn follow(machine: &mut Machine) -> Result<()> {
    let start = Instant::now();
    let mut last = String::new();
    for command in commands()? {
        let replaced = REPLACED
            .iter()
            .find(|(begin, _)| command.starts_with(begin));
        let typed = replaced.map_or(&*command, |(_, instead)| instead);
        let command_start = Instant::now();
        last = as_ada(machine, typed)?;
        let seconds = command_start.elapsed().as_secs_f64();
        let how = if replaced.is_some() {
            "replaced"
        } else {
            "typed"
        };
        println!("  {seconds:>5.1} s  {how:<8} {command}");
    }
    println!(
        "  README to a served page: {:.1} s",
        start.elapsed().as_secs_f64()
    );
    ensure!(last == "Hello from a Windows container", "{last}");
    Ok(())
}

/// As the user would in the checkout: the next command comes when this one has ended well.
fn as_ada(machine: &mut Machine, command: &str) -> Result<String> {
    let script = format!("cd ~/porthole && {command}");
    let quoted = script.replace('\'', r"'\''");
    machine.ok(&format!("runuser -l ada -c '{quoted}'"))
}

/// The commands of the section's console blocks: what stands behind a prompt, lines that end in a
/// backslash joined, comments cut off.
fn commands() -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join("README.md"))?;
    let section = text
        .split_once(SECTION)
        .with_context(|| format!("README.md has no {SECTION:?}"))?
        .1;
    let section = section.split("\n## ").next().unwrap_or_default();
    let found: Vec<String> = section
        .replace("\\\n", " ")
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .map(|line| line.split("  # ").next().unwrap_or(line).trim().to_owned())
        .collect();
    ensure!(found.len() > 4, "README.md's section has no commands");
    Ok(found)
}
