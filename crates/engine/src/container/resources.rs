//! What a container may use at most: Docker's settings, checked, and in the terms of HCS.

use porthole_hcs as hcs;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The least memory in bytes. moby's, and what the sandbox asks for: a silo's own processes need it.
const LEAST_MEMORY: i64 = 6 << 20;

/// Bytes of the unit in which HCS takes memory.
const MEBIBYTE: i64 = 1 << 20;

/// Docker's unit of `NanoCpus`: so many are one processor.
const NANO: i64 = 1_000_000_000;

/// The least processor time: the kernel's accounting knows no less.
const LEAST_NANO_CPUS: i64 = NANO / 100;

/// The highest of `CpuShares`.
const MOST_SHARES: i64 = 10_000;

/// HCS's unit of a share of all processors: so many are all of them.
const WHOLE: i64 = 10_000;

/// What a container may use at most, as clients give it; zeros are no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Bytes of memory.
    pub memory: i64,
    /// Processor time, in billionths of a processor.
    pub nano_cpus: i64,
    /// Processors.
    pub cpu_count: i64,
    /// Percents of the time of all processors.
    pub cpu_percent: i64,
    /// Weight under contention, 1 to 10000.
    pub cpu_shares: i64,
}

impl Resources {
    /// Refuses what cannot be, on a host with so many processors. Of several limits of processor
    /// time one wins, as in dockerd on Windows: what is discarded is in the warnings.
    pub(crate) fn check(&mut self, processors: u32) -> Result<Vec<String>> {
        let warnings = self.discard();
        if self.memory != 0 && self.memory < LEAST_MEMORY {
            return Err(Error::invalid("Minimum memory limit allowed is 6MB"));
        }
        if !(0..=MOST_SHARES).contains(&self.cpu_shares) {
            return Err(Error::invalid("range of CPUShares is from 1 to 10000"));
        }
        if !(0..=100).contains(&self.cpu_percent) {
            return Err(Error::invalid("range of CPUPercent is from 1 to 100"));
        }
        if self.cpu_count < 0 {
            return Err(Error::invalid(
                "invalid CPUCount: CPUCount cannot be negative",
            ));
        }
        self.check_processors(processors).map(|()| warnings)
    }

    fn check_processors(&self, processors: u32) -> Result<()> {
        for (set, name) in [
            (self.cpu_percent, "Percent"),
            (self.cpu_shares, "Shares"),
            (self.cpu_count, "Count"),
        ] {
            if self.nano_cpus > 0 && set > 0 {
                return Err(Error::invalid(format!(
                    "conflicting options: Nano CPUs and CPU {name} cannot both be set"
                )));
            }
        }
        let most = i64::from(processors);
        let nano_cpus = self.nano_cpus == 0
            || (LEAST_NANO_CPUS..=most.saturating_mul(NANO)).contains(&self.nano_cpus);
        if !nano_cpus || self.cpu_count > most {
            return Err(Error::invalid(format!(
                "range of CPUs is from 0.01 to {most}.00, as there are only {most} CPUs available"
            )));
        }
        Ok(())
    }

    /// These limits with others over them; zeros leave what is there. A limit of processor time takes
    /// the place of any other, for there is one only.
    pub(crate) fn changed_by(&self, other: &Self) -> Self {
        let limits_time = Self {
            memory: 0,
            ..*other
        } != Self::default();
        let mut changed = if limits_time { *other } else { *self };
        changed.memory = if other.memory == 0 {
            self.memory
        } else {
            other.memory
        };
        changed
    }

    fn discard(&mut self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut discard = |winner: i64, name: &str, loser: &mut i64, what: &str| {
            if winner > 0 && *loser > 0 {
                *loser = 0;
                warnings.push(format!(
                    "Conflicting options: CPU {name} takes priority over CPU {what} on Windows Server Containers. CPU {what} discarded"
                ));
            }
        };
        discard(self.cpu_count, "count", &mut self.cpu_shares, "shares");
        discard(self.cpu_count, "count", &mut self.cpu_percent, "percent");
        discard(self.cpu_shares, "shares", &mut self.cpu_percent, "percent");
        warnings
    }

    /// The limit of memory in HCS's terms.
    pub(crate) fn memory(&self) -> Option<hcs::Memory> {
        let size_in_mb = u64::try_from(self.memory / MEBIBYTE).ok()?;
        (size_in_mb > 0).then_some(hcs::Memory { size_in_mb })
    }

    /// The limit of processor time in HCS's terms, on a host with so many processors.
    pub(crate) fn processor(&self, processors: u32) -> Option<hcs::Processor> {
        let set = |value: i64| (value > 0).then_some(value);
        let processors = i64::from(processors.max(1));
        // Rounded down, so that what is asked for as whole processors is no more than they are; but
        // not below what the kernel can account for.
        let least = (LEAST_NANO_CPUS * WHOLE / NANO + processors - 1) / processors;
        let share = |nano: i64| (nano / processors / (NANO / WHOLE)).max(least);
        let processor = hcs::Processor {
            count: set(self.cpu_count).and_then(|count| u32::try_from(count).ok()),
            weight: set(self.cpu_shares),
            maximum: set(self.nano_cpus)
                .map(share)
                .or(set(self.cpu_percent).map(|percent| percent * WHOLE / 100)),
        };
        (processor != hcs::Processor::default()).then_some(processor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(mut resources: Resources) -> String {
        resources.check(2).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_is_refused_in_dockers_words() {
        let none = Resources::default();
        let cpus = "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available";
        for (resources, sentence) in [
            (
                Resources {
                    memory: LEAST_MEMORY - 1,
                    ..none
                },
                "Minimum memory limit allowed is 6MB",
            ),
            (
                Resources {
                    cpu_shares: 10_001,
                    ..none
                },
                "range of CPUShares is from 1 to 10000",
            ),
            (
                Resources {
                    cpu_percent: 101,
                    ..none
                },
                "range of CPUPercent is from 1 to 100",
            ),
            (
                Resources {
                    cpu_count: -1,
                    ..none
                },
                "invalid CPUCount: CPUCount cannot be negative",
            ),
            (
                Resources {
                    nano_cpus: 2 * NANO + 1,
                    ..none
                },
                cpus,
            ),
            (
                Resources {
                    nano_cpus: 1,
                    ..none
                },
                cpus,
            ),
            (
                Resources {
                    cpu_count: 3,
                    ..none
                },
                cpus,
            ),
            (
                Resources {
                    nano_cpus: NANO,
                    cpu_count: 1,
                    ..none
                },
                "conflicting options: Nano CPUs and CPU Count cannot both be set",
            ),
        ] {
            assert_eq!(refusal(resources), sentence);
        }
    }

    #[test]
    fn of_several_limits_of_processor_time_one_wins() {
        let mut resources = Resources {
            cpu_count: 2,
            cpu_shares: 5,
            cpu_percent: 50,
            ..Resources::default()
        };
        let warnings = resources.check(2).unwrap();
        assert_eq!(
            warnings[0],
            "Conflicting options: CPU count takes priority over CPU shares on Windows Server Containers. CPU shares discarded"
        );
        assert_eq!(warnings.len(), 2);
        let processor = resources.processor(2).unwrap();
        assert_eq!(
            (processor.count, processor.weight, processor.maximum),
            (Some(2), None, None)
        );
    }

    #[test]
    fn whole_processors_are_not_exceeded_and_small_shares_do_not_vanish() {
        let maximum = |nano_cpus| {
            let resources = Resources {
                nano_cpus,
                ..Resources::default()
            };
            resources.processor(3).unwrap().maximum.unwrap()
        };
        assert_eq!(maximum(NANO), 3333);
        assert_eq!(maximum(3 * NANO), 10_000);
        assert_eq!(maximum(LEAST_NANO_CPUS), 34);
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let before = Resources {
            memory: LEAST_MEMORY,
            cpu_shares: 7,
            ..Resources::default()
        };
        let memory = Resources {
            memory: 2 * LEAST_MEMORY,
            ..Resources::default()
        };
        let time = Resources {
            nano_cpus: NANO,
            ..Resources::default()
        };
        let changed = before.changed_by(&memory);
        assert_eq!((changed.memory, changed.cpu_shares), (2 * LEAST_MEMORY, 7));
        let changed = before.changed_by(&time);
        assert_eq!(
            (changed.memory, changed.cpu_shares, changed.nano_cpus),
            (LEAST_MEMORY, 0, NANO)
        );
    }

    #[test]
    fn no_limit_is_none() {
        let none = Resources::default();
        assert_eq!((none.memory(), none.processor(2)), (None, None));
        let some = Resources {
            memory: LEAST_MEMORY + MEBIBYTE / 2,
            ..none
        };
        assert_eq!(some.memory(), Some(hcs::Memory { size_in_mb: 6 }));
    }
}
