//! The figures, and the forms in which Wine reads them.

use std::io;

use rustix::system::Sysinfo;

use crate::cgroup::MemoryUse;

/// Bytes that Wine leaves out of what `sysinfo` tells: it takes the number of the machine's last
/// page for that of all, and counts from 0. With them a limit of 512 MiB shows as 512 MiB.
const LEFT_OUT: u64 = 4096;

/// Bytes of `struct sysinfo`.
const SYSINFO_SIZE: usize = size_of::<Sysinfo>();

/// How much memory there is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Figures {
    /// In all.
    pub(super) total: u64,
    /// For new programs, without moving anything to swap.
    pub(super) available: u64,
}

impl Figures {
    /// The host's.
    pub(super) fn of_host() -> io::Result<Self> {
        Self::parse(&std::fs::read_to_string("/proc/meminfo")?)
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn parse(meminfo: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let value = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
            let kibibytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kibibytes * 1024)
        };
        Some(Self {
            total: bytes("MemTotal:")?,
            available: bytes("MemAvailable:")?,
        })
    }

    /// A silo's, on a host with these. A limit promises no more than the host has.
    pub(super) fn of_silo(self, silo: MemoryUse) -> Self {
        let total = silo.limit.map_or(self.total, |limit| limit.min(self.total));
        Self {
            total,
            available: total.saturating_sub(silo.used).min(self.available),
        }
    }

    /// As in `/proc/meminfo`, always of the same length: a shorter text written over a longer one
    /// would leave its end.
    pub(super) fn meminfo(self) -> String {
        let lines = [
            ("MemTotal:", self.total),
            ("MemFree:", self.available),
            ("MemAvailable:", self.available),
            // With a limit of memory there is no swap.
            ("SwapTotal:", 0),
            ("SwapFree:", 0),
        ];
        lines
            .map(|(name, bytes)| format!("{name:<15}{:>17} kB\n", bytes / 1024))
            .concat()
    }

    /// As `sysinfo` tells them, beside what it tells of the host.
    pub(super) fn sysinfo(self, host: &Sysinfo) -> [u8; SYSINFO_SIZE] {
        let mut bytes = [0; SYSINFO_SIZE];
        let mut at = 0;
        let mut put = |value: &[u8], width: usize| {
            bytes[at..at + value.len()].copy_from_slice(value);
            at += width;
        };
        put(&host.uptime.to_ne_bytes(), 8);
        for load in host.loads {
            put(&load.to_ne_bytes(), 8);
        }
        // Total, free, shared, buffers, swap, free swap.
        let total = self.total + LEFT_OUT;
        for memory in [total, self.available, 0, 0, 0, 0] {
            put(&memory.to_ne_bytes(), 8);
        }
        put(&host.procs.to_ne_bytes(), 8);
        // High memory, in all and free.
        put(&[0; 16], 16);
        // All of these are in bytes.
        put(&1_u32.to_ne_bytes(), 4);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    const HOST: Figures = Figures {
        total: 4000 * MIB,
        available: 1000 * MIB,
    };

    fn with(limit: Option<u64>, used: u64) -> Figures {
        HOST.of_silo(MemoryUse { limit, used })
    }

    #[test]
    fn a_limit_shows_as_all_there_is() {
        let expected = Figures {
            total: 512 * MIB,
            available: 412 * MIB,
        };
        assert_eq!(with(Some(512 * MIB), 100 * MIB), expected);
        assert_eq!(with(Some(512 * MIB), 600 * MIB).available, 0);
    }

    #[test]
    fn no_silo_has_more_than_the_host() {
        assert_eq!(with(None, MIB), HOST);
        assert_eq!(with(Some(u64::MAX), MIB), HOST);
        let wide = with(Some(3000 * MIB), MIB);
        assert_eq!((wide.total, wide.available), (3000 * MIB, 1000 * MIB));
    }

    #[test]
    fn meminfo_is_read_back_and_never_changes_its_length() {
        let figures = with(Some(512 * MIB), 100 * MIB);
        let text = figures.meminfo();
        assert_eq!(Figures::parse(&text), Some(figures));
        let most = Figures {
            total: u64::MAX,
            available: 0,
        };
        assert_eq!(text.len(), most.meminfo().len());
        assert!(
            text.contains("SwapTotal:                     0 kB\n"),
            "{text}"
        );
    }

    #[test]
    fn the_hosts_figures_are_found() {
        let host = Figures::of_host().unwrap();
        assert!(host.total >= host.available && host.available > 0);
        assert_eq!(Figures::parse("MemTotal: 12 kB\n"), None);
    }

    #[test]
    fn sysinfo_is_laid_out_as_the_kernel_does() {
        let host = rustix::system::sysinfo();
        let bytes = with(Some(512 * MIB), 100 * MIB).sysinfo(&host);
        let word = |offset: usize| {
            let word = bytes[offset..offset + 8].try_into().unwrap();
            u64::from_ne_bytes(word)
        };
        let offset = |field: *const u64| field.addr() - (&raw const host).addr();
        let total = word(offset(&raw const host.totalram));
        assert_eq!(total, 512 * MIB + LEFT_OUT);
        assert_eq!(word(offset(&raw const host.freeram)), 412 * MIB);
        assert_eq!(word(offset(&raw const host.freeswap)), 0);
        let at = (&raw const host.mem_unit).addr() - (&raw const host).addr();
        assert_eq!(bytes[at..at + 4], 1_u32.to_ne_bytes());
        let at = (&raw const host.procs).addr() - (&raw const host).addr();
        assert_eq!(bytes[at..at + 2], host.procs.to_ne_bytes());
    }
}
