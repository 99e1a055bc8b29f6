//! What setup has made, and that it may be run again.

use anyhow::{Result, ensure};

use super::Test;
use super::machine::Machine;

pub(super) const TESTS: &[Test] = &[
    ("setup_made_what_it_says", made),
    ("setup_again_changes_nothing", again),
    ("the_journal_holds_the_daemons_log", journal),
    ("doctor_finds_nothing_missing", doctor),
];

fn made(machine: &mut Machine) -> Result<()> {
    machine.ok(
        "set -ex; systemctl is-enabled portholed; systemctl is-active portholed
         getent group porthole
         test \"$(stat -c '%a %G' /run/porthole/docker.sock)\" = '660 porthole'
         portholed --print-config | cmp - /etc/porthole/porthole.toml
         bash -n /usr/local/share/bash-completion/completions/porthole
         test -s /usr/local/share/zsh/site-functions/_porthole
         test -s /usr/local/share/fish/vendor_completions.d/porthole.fish
         test ! -e /var/run/docker.sock
         for user in root ada; do
             runuser -l $user -c 'docker context ls' | grep -q '^default \\*'
             runuser -l $user -c 'docker context inspect porthole' | grep -q /run/porthole/docker.sock
         done",
    )?;
    Ok(())
}

fn again(machine: &mut Machine) -> Result<()> {
    let pid = "systemctl show -p MainPID portholed";
    let before = machine.ok(pid)?;
    let said = machine.ok("cd /home/ada/porthole; SUDO_USER=ada target/release/porthole setup")?;
    ensure!(!said.contains("done ") && said.contains("ok "), "{said}");
    ensure!(machine.ok(pid)? == before, "the daemon was restarted");
    // From where it was installed, too.
    let json = machine.ok("porthole setup --json")?;
    let steps: Vec<serde_json::Value> = serde_json::from_str(&json)?;
    ensure!(
        !steps.is_empty() && steps.iter().all(|step| step["state"] == "unchanged"),
        "{json}"
    );
    Ok(())
}

fn journal(machine: &mut Machine) -> Result<()> {
    machine.ok("journalctl -u portholed --grep 'serving the API' --quiet | grep -q .")?;
    Ok(())
}

fn doctor(machine: &mut Machine) -> Result<()> {
    let said = machine.ok("porthole doctor")?;
    ensure!(said.contains("This host can run containers"), "{said}");
    Ok(())
}
