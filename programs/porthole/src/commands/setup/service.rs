//! The systemd service.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

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
    let text = TEXT.replace("DAEMON", &word(daemon));
    let content = Content {
        bytes: text.as_bytes(),
        mode: 0o644,
    };
    let changed = install(&layout.unit(), content, manifest, report)? || programs_changed;
    let (is_up, is_enabled) = (is_up()?, is_enabled());
    if changed && is_up {
        // Also one that is still starting, which is the old program.
        report.change(format!("restart {UNIT}"), || {
            tool("systemctl", &["daemon-reload"])?;
            tool("systemctl", &["try-restart", UNIT])
        })?;
    }
    if is_enabled && is_up {
        if !changed {
            report.unchanged(format!("{UNIT} is enabled and runs"));
        }
        return Ok(());
    }
    report
        .change(format!("enable and start {UNIT}"), || {
            // Before: it may be cut short, for starting takes as long as containers do.
            manifest.service = true;
            manifest.save()?;
            tool("systemctl", &["daemon-reload"])?;
            tool("systemctl", &["enable", "--now", UNIT])
        })
        .map(drop)
}

/// A path as a word of a unit's command line (systemd.service, "Command lines").
fn word(path: &Path) -> String {
    let path = path.display().to_string().replace('%', "%%");
    let is_plain = |c: char| c.is_alphanumeric() || "/._-%+@:".contains(c);
    if path.chars().all(is_plain) {
        return path;
    }
    format!("\"{}\"", path.replace('\\', r"\\").replace('"', "\\\""))
}

/// Stops and disables it if setup enabled it, or was about to.
pub(super) fn stop(layout: &Layout, manifest: &mut Manifest, report: &mut Report) -> Result<()> {
    if !manifest.service || !porthole_systemd::is_running() {
        return Ok(());
    }
    report
        .change(format!("stop and disable {UNIT}"), || {
            if layout.unit().exists() {
                tool("systemctl", &["disable", "--now", UNIT])?;
            }
            manifest.service = false;
            manifest.save()
        })
        .map(drop)
}

/// What the unit runs, an administrator's changes to it included: the daemon and its arguments.
pub(super) fn arguments(layout: &Layout) -> Result<Vec<String>> {
    if !porthole_systemd::is_running() || !layout.unit().exists() {
        return Ok(Vec::new());
    }
    let output = Command::new("busctl")
        .args(["--json=short", "get-property", "org.freedesktop.systemd1"])
        .arg("/org/freedesktop/systemd1/unit/portholed_2eservice")
        .args(["org.freedesktop.systemd1.Service", "ExecStart"])
        .output()
        .context("cannot run busctl")?;
    ensure!(
        output.status.success(),
        "cannot ask systemd what {UNIT} runs: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    parse_arguments(&output.stdout)
}

/// `{"type":"a(sasbttttuii)","data":[["/path",["argument 0",…],…]]}`
fn parse_arguments(answer: &[u8]) -> Result<Vec<String>> {
    let answer: serde_json::Value =
        serde_json::from_slice(answer).context("cannot understand busctl's answer")?;
    let arguments = answer["data"][0][1].as_array();
    let arguments = arguments.map_or(&[][..], Vec::as_slice).iter();
    Ok(arguments
        .filter_map(|argument| argument.as_str().map(str::to_owned))
        .collect())
}

/// Lets systemd see that the unit is gone.
pub(super) fn forget(report: &Report) -> Result<()> {
    if report.is_dry() || !porthole_systemd::is_running() {
        return Ok(());
    }
    tool("systemctl", &["daemon-reload"])?;
    // One that has failed would be listed on without its file; any other is unknown by now.
    let _ = tool("systemctl", &["reset-failed", UNIT]);
    Ok(())
}

fn is_enabled() -> bool {
    Command::new("systemctl")
        .args(["is-enabled", "--quiet", UNIT])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether it runs or is about to.
fn is_up() -> Result<bool> {
    let output = Command::new("systemctl")
        .args(["show", "--property=ActiveState", "--value", UNIT])
        .output()
        .context("cannot run systemctl")?;
    let state = String::from_utf8_lossy(&output.stdout);
    Ok(["active", "activating", "reloading"].contains(&state.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_unit() {
        for (path, expected) in [
            ("/usr/local/bin/portholed", "/usr/local/bin/portholed"),
            ("/a b/portholed", r#""/a b/portholed""#),
            ("/100%/portholed", "/100%%/portholed"),
            (r#"/a"b\c/portholed"#, r#""/a\"b\\c/portholed""#),
        ] {
            assert_eq!(word(Path::new(path)), expected);
        }
    }

    #[test]
    fn a_units_arguments_are_read() {
        let answer = br#"{"type":"a(sasbttttuii)","data":[["/bin/portholed",["portholed","--exec-root","/a b"],false,1,1,0,0,7,0,0]]}"#;
        let arguments = parse_arguments(answer).unwrap();
        assert_eq!(arguments, ["portholed", "--exec-root", "/a b"]);
        let none = br#"{"type":"a(sasbttttuii)","data":[]}"#;
        assert!(parse_arguments(none).unwrap().is_empty());
    }
}
