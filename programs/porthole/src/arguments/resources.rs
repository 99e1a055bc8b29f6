//! Limits that `run`, `create` and `update` have in common.

use clap::Args;

use super::units;

/// Over the options that limit.
pub(super) const LIMITS: &str = "Limits";

/// What a container may use.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = LIMITS)]
pub(crate) struct Resources {
    /// Memory, for example 512m.
    #[arg(short, long, value_name = "BYTES", value_parser = units::bytes)]
    pub(crate) memory: Option<i64>,
    /// Processors, for example 1.5.
    #[arg(long, value_name = "NUMBER", value_parser = units::nano_cpus)]
    pub(crate) cpus: Option<i64>,
    /// Weight where processors are scarce.
    #[arg(short = 'c', long, value_name = "WEIGHT")]
    pub(crate) cpu_shares: Option<i64>,
    /// Whole processors.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) cpu_count: Option<i64>,
    /// Percent of all processors.
    #[arg(long, value_name = "PERCENT")]
    pub(crate) cpu_percent: Option<i64>,
    /// Bytes a second to and from the disk.
    #[arg(long, value_name = "BYTES", value_parser = units::bytes)]
    pub(crate) io_maxbandwidth: Option<i64>,
    /// Operations a second on the disk.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) io_maxiops: Option<i64>,
    /// Processes and threads; -1 for no limit.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(crate) pids_limit: Option<i64>,
    /// When to start it again: no, always, unless-stopped, `on-failure[:NUMBER]`.
    #[arg(long, value_name = "POLICY")]
    pub(crate) restart: Option<String>,
    /// Memory that is kept where it is scarce (Linux).
    #[arg(long, value_name = "BYTES", value_parser = units::bytes)]
    pub(crate) memory_reservation: Option<i64>,
    /// Memory and swap together; -1 for no limit (Linux).
    #[arg(long, value_name = "BYTES", value_parser = units::bytes_or_unlimited, allow_negative_numbers = true)]
    pub(crate) memory_swap: Option<i64>,
    /// Weight of a share of the disk, 10 to 1000 (Linux).
    #[arg(long, value_name = "WEIGHT")]
    pub(crate) blkio_weight: Option<u16>,
    /// Microseconds of a period (Linux).
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) cpu_period: Option<i64>,
    /// Microseconds of processor time in a period (Linux).
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    pub(crate) cpu_quota: Option<i64>,
    /// The processors to use, for example 0-1 (Linux).
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_cpus: Option<String>,
    /// The memory nodes to use (Linux).
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_mems: Option<String>,
}
