//! The host's kernel and its cgroups.

use std::fs;
use std::path::Path;

use porthole_sandbox::cgroup::Hierarchies;

use super::finding::{Finding, chain};

/// The first kernel whose overlay takes ID-mapped layers.
const OLDEST: (u32, u32) = (5, 19);

/// Who runs this.
pub(super) fn user() -> Finding {
    const NAME: &str = "root";
    if rustix::process::geteuid().is_root() {
        Finding::good(NAME, "running as root")
    } else {
        Finding::missing(
            NAME,
            "not running as root",
            "the daemon runs as root; run 'porthole doctor' as root too, to see everything",
        )
    }
}

/// The processor.
pub(super) fn processor() -> Finding {
    const NAME: &str = "processor";
    match std::env::consts::ARCH {
        "x86_64" => Finding::good(NAME, "x86_64"),
        other => Finding::missing(
            NAME,
            other,
            "Windows programs for amd64 need an x86_64 host",
        ),
    }
}

/// The kernel's version.
pub(super) fn version() -> Finding {
    const NAME: &str = "kernel";
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    match parse_release(&release) {
        Some(version) if version >= OLDEST => Finding::good(NAME, format!("Linux {release}")),
        Some(_) => Finding::missing(
            NAME,
            format!("Linux {release}"),
            format!(
                "layers are mounted with ID maps, which overlay takes from Linux {}.{} on: install a newer kernel",
                OLDEST.0, OLDEST.1
            ),
        ),
        None => Finding::note(
            NAME,
            format!("release {release:?}"),
            "the version cannot be read; Linux 5.19 or newer is needed",
        ),
    }
}

fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The cgroup hierarchies.
pub(super) fn cgroups() -> Finding {
    const NAME: &str = "cgroups";
    const REMEDY: &str =
        "mount the hierarchies, as systemd does, or 'mount -t cgroup2 none /sys/fs/cgroup'";
    match Hierarchies::detect() {
        Ok(hierarchies) => Finding::good(NAME, describe(&hierarchies)),
        Err(error) => Finding::missing(NAME, chain(&error), REMEDY),
    }
}

/// The way to systemd, where the cgroups are its own.
pub(super) fn system_bus() -> Option<Finding> {
    const NAME: &str = "system bus";
    const SOCKET: &str = "/run/dbus/system_bus_socket";
    let one_tree = matches!(Hierarchies::detect(), Ok(Hierarchies::V2(_)));
    if !(one_tree && porthole_systemd::is_running()) {
        return None;
    }
    Some(if Path::new(SOCKET).exists() {
        Finding::good(NAME, "systemd can be asked for cgroups")
    } else {
        Finding::missing(
            NAME,
            format!("{SOCKET} is not there"),
            "systemd hands out cgroups over D-Bus: 'apt install dbus'",
        )
    })
}

fn describe(hierarchies: &Hierarchies) -> String {
    match hierarchies {
        Hierarchies::V2(_) => "version 2".to_owned(),
        Hierarchies::V1(controllers) => {
            let hybrid = fs::read_to_string("/proc/self/mountinfo")
                .is_ok_and(|table| table.contains(" - cgroup2 "));
            let kind = if hybrid {
                "hybrid, with controllers of version 1"
            } else {
                "version 1"
            };
            let names: Vec<_> = controllers
                .keys()
                .map(|controller| format!("{controller:?}").to_lowercase())
                .collect();
            format!("{kind}: {}", names.join(", "))
        }
    }
}

/// System call filters.
pub(super) fn seccomp() -> Finding {
    const NAME: &str = "seccomp";
    match fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(actions) if actions.contains("errno") => Finding::good(NAME, "filters are available"),
        Ok(_) | Err(_) => Finding::missing(
            NAME,
            "no system call filters",
            "use a kernel with CONFIG_SECCOMP_FILTER",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_release;

    #[test]
    fn releases_of_distributions_are_read() {
        assert_eq!(parse_release("6.1.0-25-amd64"), Some((6, 1)));
        assert_eq!(parse_release("5.19-rc1"), Some((5, 19)));
        assert_eq!(parse_release("weird"), None);
    }
}
