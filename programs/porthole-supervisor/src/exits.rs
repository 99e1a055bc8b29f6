//! How processes ended.

use std::collections::VecDeque;

use porthole_protocol::agent::ProcessKey;

/// How many ends are remembered. More than the compute service keeps notes of, so that one that
/// takes over learns the end of every process that it still knows; and few enough for a container
/// whose health is checked every second for years.
const REMEMBERED: usize = 8192;

/// Exit codes of the processes that have ended, the last to end last.
#[derive(Debug, Default)]
pub(crate) struct Exits(VecDeque<(ProcessKey, u32)>);

impl Exits {
    /// Remembers the end of a process.
    pub(crate) fn add(&mut self, process: ProcessKey, exit_code: u32) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((process, exit_code));
    }

    /// The exit code of a process, if it has ended and is remembered.
    pub(crate) fn of(&self, process: ProcessKey) -> Option<u32> {
        let mut all = self.iter();
        all.find_map(|(key, exit_code)| (key == process).then_some(exit_code))
    }

    /// All that are remembered.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ProcessKey, u32)> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_to_end_are_remembered_in_their_order() {
        let mut exits = Exits::default();
        let most = u32::try_from(REMEMBERED).unwrap();
        // A process that was made first and ended last is the last to be forgotten.
        for key in (1..=most).rev() {
            exits.add(ProcessKey(key), key + 1);
        }
        exits.add(ProcessKey(0), 1);
        assert_eq!(exits.of(ProcessKey(most)), None);
        assert_eq!(exits.of(ProcessKey(1)), Some(2));
        assert_eq!(exits.iter().count(), REMEMBERED);
        assert_eq!(exits.iter().last(), Some((ProcessKey(0), 1)));
    }
}
