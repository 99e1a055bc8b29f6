//! What a container uses, in the form of Docker on Windows.

use porthole_engine::container::stats::{MemoryStats, Sample, Statistics, Stats, StorageStats};
use porthole_engine::network::Counters;
use serde_json::{Map, Value, json};

use crate::timestamp;

/// A sample and the one before it. One without figures is of a container that does not run.
pub(crate) fn stats(stats: &Stats) -> Value {
    let time =
        |sample: Option<&Sample>| timestamp::rfc3339_or_never(sample.map(|sample| sample.time));
    let sample = stats.sample.as_ref();
    let figures = sample.map(|sample| &sample.statistics);
    let mut answer = json!({
        "name": format!("/{}", stats.name),
        "id": stats.id,
        "read": time(sample),
        "preread": time(stats.previous.as_ref()),
        "pids_stats": {},
        "blkio_stats": blkio(),
        "num_procs": sample.map_or(0, |_| stats.processors),
        "storage_stats": figures.map_or_else(|| json!({}), |figures| storage(figures.storage)),
        "cpu_stats": processor(figures),
        "precpu_stats": processor(stats.previous.as_ref().map(|sample| &sample.statistics)),
        "memory_stats": figures.map_or_else(|| json!({}), |figures| memory(figures.memory)),
    });
    if let Some((endpoint, traffic)) = sample.and_then(|sample| sample.traffic.as_ref()) {
        let mut counters = Map::new();
        direction(&mut counters, "rx", traffic.received);
        direction(&mut counters, "tx", traffic.sent);
        counters.insert("endpoint_id".to_owned(), json!(endpoint));
        answer["networks"] = json!({ "nat": counters });
    }
    answer
}

/// Processor time; on Windows the unit is 100 ns.
fn processor(figures: Option<&Statistics>) -> Value {
    let times = figures.map(|figures| figures.processor).unwrap_or_default();
    json!({
        "cpu_usage": {
            "total_usage": times.total_runtime_100ns,
            "usage_in_kernelmode": times.runtime_kernel_100ns,
            "usage_in_usermode": times.runtime_user_100ns,
        },
        "throttling_data": { "periods": 0, "throttled_periods": 0, "throttled_time": 0 },
    })
}

fn memory(figures: MemoryStats) -> Value {
    json!({
        "commitbytes": figures.memory_usage_commit_bytes,
        "commitpeakbytes": figures.memory_usage_commit_peak_bytes,
        "privateworkingset": figures.memory_usage_private_working_set_bytes,
    })
}

fn storage(figures: StorageStats) -> Value {
    json!({
        "read_count_normalized": figures.read_count_normalized,
        "read_size_bytes": figures.read_size_bytes,
        "write_count_normalized": figures.write_count_normalized,
        "write_size_bytes": figures.write_size_bytes,
    })
}

/// Linux' figures, which Windows does not have.
fn blkio() -> Value {
    let names = [
        "io_service_bytes_recursive",
        "io_serviced_recursive",
        "io_queue_recursive",
        "io_service_time_recursive",
        "io_wait_time_recursive",
        "io_merged_recursive",
        "io_time_recursive",
        "sectors_recursive",
    ];
    names
        .map(|name| (name.to_owned(), Value::Null))
        .into_iter()
        .collect::<Map<_, _>>()
        .into()
}

fn direction(counters: &mut Map<String, Value>, prefix: &str, counted: Counters) {
    for (name, count) in [
        ("bytes", counted.bytes),
        ("packets", counted.packets),
        ("errors", counted.errors),
        ("dropped", counted.dropped),
    ] {
        counters.insert(format!("{prefix}_{name}"), json!(count));
    }
}
