//! The files of version 2.

use std::path::Path;

use super::files::{keyed, number, read, write};
use super::limits::{PERIOD_US, quota_us};
use super::{Limits, Usage};
use crate::error::Result;

/// Controllers that a silo's cgroup needs of its ancestors.
pub(super) const CONTROLLERS: [&str; 4] = ["cpu", "memory", "pids", "io"];

/// Lets children of `directory` be controlled, by each controller that is there.
pub(super) fn enable_controllers(directory: &Path) {
    let enabled = read(directory, "cgroup.subtree_control").unwrap_or_default();
    let is_missing = |controller| !enabled.split_whitespace().any(|one| one == controller);
    // What systemd has made is as it is to be, and not ours to write to.
    for controller in CONTROLLERS.into_iter().filter(|one| is_missing(*one)) {
        // One that is missing shows when a limit needs it.
        let _ = write(
            directory,
            "cgroup.subtree_control",
            &format!("+{controller}"),
        );
    }
}

pub(super) fn apply(cgroup: &Path, limits: &Limits, before: &Limits) -> Result<()> {
    if limits.memory != before.memory {
        let value = limits
            .memory
            .map_or_else(|| "max".to_owned(), |bytes| bytes.to_string());
        write(cgroup, "memory.max", &value)?;
        // Here swap is counted apart: with a limit of memory there is none.
        if read(cgroup, "memory.swap.max").is_some() {
            let swap = if limits.memory.is_some() { "0" } else { "max" };
            write(cgroup, "memory.swap.max", swap)?;
        }
    }
    if limits.processors != before.processors {
        let quota = limits.processors.map_or_else(|| "max".to_owned(), quota_us);
        write(cgroup, "cpu.max", &format!("{quota} {PERIOD_US}"))?;
    }
    if limits.processor_weight != before.processor_weight {
        write(
            cgroup,
            "cpu.weight",
            &limits.processor_weight.unwrap_or(100).to_string(),
        )?;
    }
    if limits.pids != before.pids {
        let most = limits
            .pids
            .map_or_else(|| "max".to_owned(), |most| most.to_string());
        write(cgroup, "pids.max", &most)?;
    }
    Ok(())
}

pub(super) fn usage(cgroup: &Path) -> Usage {
    let time = read(cgroup, "cpu.stat").unwrap_or_default();
    let memory = read(cgroup, "memory.stat").unwrap_or_default();
    let io = read(cgroup, "io.stat").unwrap_or_default();
    Usage {
        cpu_total_ns: keyed(&time, "usage_usec") * 1000,
        cpu_user_ns: keyed(&time, "user_usec") * 1000,
        cpu_kernel_ns: keyed(&time, "system_usec") * 1000,
        memory_usage: number(cgroup, "memory.current"),
        memory_peak: number(cgroup, "memory.peak"),
        memory_private: keyed(&memory, "anon"),
        read_count: over_devices(&io, "rios"),
        read_bytes: over_devices(&io, "rbytes"),
        write_count: over_devices(&io, "wios"),
        write_bytes: over_devices(&io, "wbytes"),
        pids: number(cgroup, "pids.current"),
    }
}

/// The sum over devices of `8:0 rbytes=1 wbytes=2 rios=3 wios=4`.
fn over_devices(text: &str, key: &str) -> u64 {
    text.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .filter(|(name, _)| *name == key)
        .filter_map(|(_, value)| value.parse::<u64>().ok())
        .sum()
}

pub(super) fn is_frozen(cgroup: &Path) -> bool {
    keyed(&read(cgroup, "cgroup.events").unwrap_or_default(), "frozen") == 1
}

pub(super) fn out_of_memory_kills(cgroup: &Path) -> u64 {
    keyed(
        &read(cgroup, "memory.events").unwrap_or_default(),
        "oom_kill",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn fixture(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(root.path().join(name), content).unwrap();
        }
        root
    }

    #[test]
    fn usage_is_read_from_the_unified_files() {
        let root = fixture(&[
            ("cpu.stat", "usage_usec 9\nuser_usec 5\nsystem_usec 4\n"),
            ("memory.current", "4096\n"),
            ("memory.peak", "8192\n"),
            ("memory.stat", "anon 3000\nfile 1\n"),
            ("pids.current", "7\n"),
            (
                "io.stat",
                "8:0 rbytes=8192 wbytes=512 rios=2 wios=1\n8:16 rbytes=1 rios=3\n",
            ),
            ("cgroup.events", "populated 1\nfrozen 1\n"),
            ("memory.events", "low 0\noom 2\noom_kill 1\n"),
        ]);
        let usage = usage(root.path());
        assert_eq!(
            (usage.cpu_total_ns, usage.cpu_user_ns, usage.cpu_kernel_ns),
            (9000, 5000, 4000)
        );
        assert_eq!(
            (usage.memory_usage, usage.memory_peak, usage.memory_private),
            (4096, 8192, 3000)
        );
        assert_eq!((usage.read_count, usage.read_bytes), (5, 8193));
        assert_eq!(
            (usage.write_count, usage.write_bytes, usage.pids),
            (1, 512, 7)
        );
        assert!(is_frozen(root.path()));
        assert_eq!(out_of_memory_kills(root.path()), 1);
    }

    #[test]
    fn limits_become_files() {
        let root = fixture(&[
            ("memory.max", ""),
            ("memory.swap.max", ""),
            ("cpu.max", ""),
            ("cpu.weight", ""),
            ("pids.max", ""),
        ]);
        let limits = Limits {
            memory: Some(1 << 20),
            processors: Some(0.5),
            processor_weight: Some(300),
            pids: Some(50),
        };
        apply(root.path(), &limits, &Limits::default()).unwrap();
        let content = |name: &str| fs::read_to_string(root.path().join(name)).unwrap();
        assert_eq!(content("memory.max"), "1048576");
        assert_eq!(content("memory.swap.max"), "0");
        assert_eq!(content("cpu.max"), "50000 100000");
        assert_eq!(content("cpu.weight"), "300");
        assert_eq!(content("pids.max"), "50");
    }
}
