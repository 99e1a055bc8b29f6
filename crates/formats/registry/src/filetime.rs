//! Windows' time stamps.

/// A `FILETIME`: units of 100 ns since 1601-01-01 UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime(pub u64);

/// Seconds from 1601-01-01 to 1970-01-01.
const EPOCH_SECONDS: u64 = 11_644_473_600;

impl FileTime {
    /// The time that is `seconds` after 1970-01-01 UTC.
    #[must_use]
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        Self((seconds.saturating_add(EPOCH_SECONDS)).saturating_mul(10_000_000))
    }

    /// Whole seconds since 1970-01-01 UTC; negative for earlier times.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        // Two's complement on purpose: wineserver subtracts signed numbers and rounds towards zero.
        (self
            .0
            .wrapping_sub(EPOCH_SECONDS * 10_000_000)
            .cast_signed())
            / 10_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::FileTime;

    #[test]
    fn unix_seconds_are_those_of_wineserver() {
        assert_eq!(
            FileTime(132_223_104_009_999_999).unix_seconds(),
            1_577_836_800
        );
        assert_eq!(FileTime(0).unix_seconds(), -11_644_473_600);
        assert_eq!(FileTime::from_unix_seconds(7).unix_seconds(), 7);
    }
}
