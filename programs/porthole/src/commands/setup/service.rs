//! The systemd service.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::accounts::tool;
use super::files::{Content, install};
use super::layout::Layout;
use super::manifest::Manifest;
use super::report::Report;

/// The unit's name.
pub(super) const UNIT: &str = "portholed.service";

/// The unit, but for the daemon's path.
const TEXT: &str = "\
# Written by 'porthole setup'; 'systemctl edit portholed' changes it in a way that upgrades keep.
[Unit]
Description=Porthole, a container engine for Windows containers
# nftables.service replaces all rules when it starts: ours come after.
After=local-fs.target network-online.target nftables.service
Wants=network-online.target

[Service]
Type=notify
ExecStart=DAEMON
Restart=always
RestartSec=1
# Containers that always run are started before the daemon says that it is ready.
TimeoutStartSec=infinity
# Containers are not in this unit's cgroup (each has a scope in porthole.slice, where systemd has
# one cgroup tree); what is in it otherwise must outlive the daemon all the same.
Delegate=yes
KillMode=process
TasksMax=infinity
# A million, not 'infinity': programs exist that touch every descriptor they might have.
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
# Losing the daemon frees little; containers are the better choice.
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
";

/// Writes the unit, enables and starts it. A service that runs is restarted if the unit or, as
/// `programs_changed` tells, its programs are new; no container notices.
pub(super) fn set_up(
    daemon: &Path,
    programs_changed: bool,
    layout: &Layout,
    manifest: &mut Manifest,
    report: &mut Report,
) -> Result<()> {
    if !porthole_systemd::is_running() {
        let by_hand = format!("no systemd here; start it by hand: {}", daemon.display());
        report.no_service(UNIT, by_hand);
        return Ok(());
    }
    let text = TEXT.replace("DAEMON", &daemon.display().to_string());
    let content = Content {
        bytes: text.as_bytes(),
        mode: 0o644,
    };
    if install(&layout.unit(), content, manifest, report)? || programs_changed {
        tool("systemctl", &["daemon-reload"])?;
        if is("is-active") {
            return report
                .change(format!("restart {UNIT}"), || {
                    tool("systemctl", &["restart", UNIT])
                })
                .map(drop);
        }
    }
    if is("is-enabled") && is("is-active") {
        report.unchanged(format!("{UNIT} is enabled and runs"));
        return Ok(());
    }
    let enable = || tool("systemctl", &["enable", "--now", UNIT]);
    if report.change(format!("enable and start {UNIT}"), enable)? {
        manifest.service = true;
        manifest.save()?;
    }
    Ok(())
}

/// Stops and disables it if setup enabled it.
pub(super) fn stop(manifest: &mut Manifest, report: &mut Report) -> Result<()> {
    if !manifest.service || !porthole_systemd::is_running() {
        return Ok(());
    }
    let disable = || tool("systemctl", &["disable", "--now", UNIT]);
    if report.change(format!("stop and disable {UNIT}"), disable)? {
        manifest.service = false;
        manifest.save()?;
    }
    Ok(())
}

/// Lets systemd see that the unit is gone.
pub(super) fn forget(report: &Report) -> Result<()> {
    if report.is_dry() || !porthole_systemd::is_running() {
        return Ok(());
    }
    tool("systemctl", &["daemon-reload"])
}

fn is(question: &str) -> bool {
    Command::new("systemctl")
        .args([question, "--quiet", UNIT])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
