//! Usage figures and process lists: from the supervisor's form to HCS's.

use porthole_hcs::{MemoryStats, ProcessDetails, ProcessorStats, Statistics, StorageStats};
use porthole_protocol::{ProcessEntry, supervisor};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// Nanoseconds in HCS's unit of time.
const TICK_NS: u64 = 100;

/// HCS counts reads and writes in units of this many bytes.
const NORMALIZED: u64 = 8 * 1024;

/// From 1601-01-01, where Windows' time begins, to 1970-01-01, in seconds.
const EPOCH_SECONDS: i64 = 11_644_473_600;

/// Usage, as of now.
pub(crate) fn statistics(usage: &supervisor::Statistics) -> Statistics {
    let now = OffsetDateTime::now_utc();
    let uptime = Duration::nanoseconds(i64::try_from(usage.uptime_ns).unwrap_or(i64::MAX));
    Statistics {
        timestamp: rfc3339(now),
        container_start_time: rfc3339(now.checked_sub(uptime).unwrap_or(now)),
        uptime_100ns: usage.uptime_ns / TICK_NS,
        processor: ProcessorStats {
            total_runtime_100ns: usage.cpu_total_ns / TICK_NS,
            runtime_user_100ns: usage.cpu_user_ns / TICK_NS,
            runtime_kernel_100ns: usage.cpu_kernel_ns / TICK_NS,
        },
        memory: MemoryStats {
            memory_usage_commit_bytes: usage.memory_usage,
            memory_usage_commit_peak_bytes: usage.memory_peak,
            memory_usage_private_working_set_bytes: usage.memory_private,
        },
        storage: StorageStats {
            read_count_normalized: usage.read_bytes.div_ceil(NORMALIZED),
            read_size_bytes: usage.read_bytes,
            write_count_normalized: usage.write_bytes.div_ceil(NORMALIZED),
            write_size_bytes: usage.write_bytes,
        },
    }
}

/// The processes of a silo.
pub(crate) fn processes(entries: &[ProcessEntry]) -> Vec<ProcessDetails> {
    entries.iter().map(details).collect()
}

fn details(entry: &ProcessEntry) -> ProcessDetails {
    ProcessDetails {
        process_id: entry.pid,
        image_name: entry.image_name.clone(),
        create_timestamp: rfc3339(from_file_time(entry.create_time)),
        user_time_100ns: entry.user_time_100ns,
        kernel_time_100ns: entry.kernel_time_100ns,
        memory_commit_bytes: entry.commit,
        memory_working_set_private_bytes: entry.private_working_set,
        // Wine does not tell which pages of the working set are shared.
        memory_working_set_shared_bytes: 0,
    }
}

/// The inside tells this time, so any value may come.
fn from_file_time(ticks: u64) -> OffsetDateTime {
    let since_1601 = i128::from(ticks) * i128::from(TICK_NS);
    let since_1970 = since_1601 - i128::from(EPOCH_SECONDS) * 1_000_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(since_1970).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn rfc3339(time: OffsetDateTime) -> String {
    // Fails only for years beyond 9999, which neither caller makes.
    time.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_time_begins_in_1601() {
        let entry = ProcessEntry {
            pid: 8,
            image_name: "cmd.exe".into(),
            user_time_100ns: 1,
            kernel_time_100ns: 2,
            create_time: 116_444_736_000_000_000,
            private_working_set: 3,
            commit: 4,
        };
        assert_eq!(details(&entry).create_timestamp, "1970-01-01T00:00:00Z");
        let wild = ProcessEntry {
            create_time: u64::MAX,
            ..entry
        };
        assert_eq!(details(&wild).create_timestamp, "1970-01-01T00:00:00Z");
    }

    #[test]
    fn usage_is_told_in_hcs_units() {
        let usage = supervisor::Statistics {
            uptime_ns: 1_000,
            cpu_total_ns: 500,
            read_bytes: 8193,
            ..Default::default()
        };
        let statistics = statistics(&usage);
        assert_eq!(statistics.uptime_100ns, 10);
        assert_eq!(statistics.processor.total_runtime_100ns, 5);
        assert_eq!(statistics.storage.read_count_normalized, 2);
    }
}
