//! The files of version 1.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files::{keyed, number, read, write};
use super::hierarchies::Controller;
use super::limits::{PERIOD_US, quota_us};
use super::{Limits, Usage};
use crate::error::{ErrorKind, Result, SandboxError};

/// `memory.limit_in_bytes` takes this for "none".
const UNLIMITED: &str = "-1";

/// The directory of one cgroup in each hierarchy.
pub(super) type Directories = BTreeMap<Controller, PathBuf>;

fn directory(all: &Directories, controller: Controller) -> Result<&Path> {
    all.get(&controller).map(PathBuf::as_path).ok_or_else(|| {
        let reason = std::io::Error::other("the host has not mounted this cgroup controller");
        SandboxError::new(
            ErrorKind::Unsupported,
            "use",
            format!("{controller:?}"),
            reason,
        )
    })
}

pub(super) fn apply(all: &Directories, limits: &Limits, before: &Limits) -> Result<()> {
    if limits.memory != before.memory {
        apply_memory(directory(all, Controller::Memory)?, limits.memory)?;
    }
    if limits.processors != before.processors {
        let quota = limits.processors.map_or_else(|| "-1".to_owned(), quota_us);
        let cpu = directory(all, Controller::Cpu)?;
        write(cpu, "cpu.cfs_period_us", &PERIOD_US.to_string())?;
        write(cpu, "cpu.cfs_quota_us", &quota)?;
    }
    if limits.processor_weight != before.processor_weight {
        // Both versions call their default "normal": 1024 shares are a weight of 100.
        let shares = limits
            .processor_weight
            .map_or(1024, |weight| u64::from(weight) * 1024 / 100);
        write(
            directory(all, Controller::Cpu)?,
            "cpu.shares",
            &shares.max(2).to_string(),
        )?;
    }
    if limits.pids != before.pids {
        let most = limits
            .pids
            .map_or_else(|| "max".to_owned(), |most| most.to_string());
        write(directory(all, Controller::Pids)?, "pids.max", &most)?;
    }
    Ok(())
}

/// Memory and memory plus swap alike, so that the limit is one of memory and not of patience.
/// The kernel keeps the second at or above the first, hence the order.
fn apply_memory(memory: &Path, limit: Option<u64>) -> Result<()> {
    const MEMORY: &str = "memory.limit_in_bytes";
    const WITH_SWAP: &str = "memory.memsw.limit_in_bytes";
    let value = limit.map_or_else(|| UNLIMITED.to_owned(), |bytes| bytes.to_string());
    let swap_is_limited = read(memory, WITH_SWAP).is_some();
    let raises = limit.is_none_or(|bytes| bytes >= number(memory, MEMORY));
    let mut files = vec![MEMORY];
    if swap_is_limited {
        files.insert(usize::from(!raises), WITH_SWAP);
    }
    files
        .into_iter()
        .try_for_each(|file| write(memory, file, &value))
}

pub(super) fn usage(all: &Directories) -> Usage {
    let mut usage = Usage::default();
    if let Some(time) = all.get(&Controller::CpuAccounting) {
        usage.cpu_total_ns = number(time, "cpuacct.usage");
        usage.cpu_user_ns = number(time, "cpuacct.usage_user");
        usage.cpu_kernel_ns = number(time, "cpuacct.usage_sys");
    }
    if let Some(memory) = all.get(&Controller::Memory) {
        usage.memory_usage = number(memory, "memory.usage_in_bytes");
        usage.memory_peak = number(memory, "memory.max_usage_in_bytes");
        let detail = read(memory, "memory.stat").unwrap_or_default();
        usage.memory_private = keyed(&detail, "total_rss");
    }
    if let Some(pids) = all.get(&Controller::Pids) {
        usage.pids = number(pids, "pids.current");
    }
    if let Some(blocks) = all.get(&Controller::BlockIo) {
        let operations = read(blocks, "blkio.throttle.io_serviced").unwrap_or_default();
        let bytes = read(blocks, "blkio.throttle.io_service_bytes").unwrap_or_default();
        usage.read_count = by_direction(&operations, "Read");
        usage.write_count = by_direction(&operations, "Write");
        usage.read_bytes = by_direction(&bytes, "Read");
        usage.write_bytes = by_direction(&bytes, "Write");
    }
    usage
}

/// The sum over devices of lines `8:0 Read 4096`.
fn by_direction(text: &str, direction: &str) -> u64 {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            (words.next()? == direction).then(|| words.next()?.parse::<u64>().ok())?
        })
        .sum()
}

pub(super) fn freezer(all: &Directories) -> Result<&Path> {
    directory(all, Controller::Freezer)
}

pub(super) fn out_of_memory_kills(all: &Directories) -> u64 {
    let Some(memory) = all.get(&Controller::Memory) else {
        return 0;
    };
    keyed(
        &read(memory, "memory.oom_control").unwrap_or_default(),
        "oom_kill",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn fixture(files: &[(&str, &str)]) -> (tempfile::TempDir, Directories) {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(root.path().join(name), content).unwrap();
        }
        let all = [
            Controller::Cpu,
            Controller::CpuAccounting,
            Controller::Memory,
            Controller::Pids,
            Controller::BlockIo,
        ];
        let directories = all
            .map(|controller| (controller, root.path().to_owned()))
            .into();
        (root, directories)
    }

    #[test]
    fn usage_is_read_from_every_controller() {
        let (_root, all) = fixture(&[
            ("cpuacct.usage", "900\n"),
            ("cpuacct.usage_user", "500\n"),
            ("cpuacct.usage_sys", "400\n"),
            ("memory.usage_in_bytes", "4096\n"),
            ("memory.max_usage_in_bytes", "8192\n"),
            ("memory.stat", "cache 1\nrss 2\ntotal_rss 3000\n"),
            ("pids.current", "7\n"),
            (
                "blkio.throttle.io_serviced",
                "8:0 Read 2\n8:0 Write 1\n8:16 Read 3\nTotal 6\n",
            ),
            (
                "blkio.throttle.io_service_bytes",
                "8:0 Read 8192\n8:0 Write 512\nTotal 8704\n",
            ),
        ]);
        let usage = usage(&all);
        assert_eq!(
            (usage.cpu_total_ns, usage.cpu_user_ns, usage.cpu_kernel_ns),
            (900, 500, 400)
        );
        assert_eq!(
            (usage.memory_usage, usage.memory_peak, usage.memory_private),
            (4096, 8192, 3000)
        );
        assert_eq!((usage.read_count, usage.read_bytes), (5, 8192));
        assert_eq!(
            (usage.write_count, usage.write_bytes, usage.pids),
            (1, 512, 7)
        );
    }

    #[test]
    fn limits_become_files_and_only_changed_ones() {
        let (root, all) = fixture(&[
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("cpu.cfs_period_us", ""),
            ("cpu.cfs_quota_us", ""),
            ("cpu.shares", ""),
        ]);
        let limits = Limits {
            memory: Some(64 << 20),
            processors: Some(1.5),
            processor_weight: Some(200),
            pids: None,
        };
        apply(&all, &limits, &Limits::default()).unwrap();
        let content = |name: &str| fs::read_to_string(root.path().join(name)).unwrap();
        assert!(content("memory.limit_in_bytes").starts_with("67108864"));
        assert_eq!(content("cpu.cfs_quota_us"), "150000");
        assert_eq!(content("cpu.shares"), "2048");
        apply(&all, &limits, &limits).unwrap();
    }
}
