//! The one change to Wine's Unix side.
//!
//! At the start of every process, Wine's `ntdll.so` looks for the current time zone among all keys
//! of `…\Windows NT\CurrentVersion\Time Zones`, in some 750 round trips to wineserver, and takes the
//! first that fits (for UTC, "Greenwich Standard Time"). The changed library looks below another
//! key, which holds the current zone alone; programs go on to find all zones below the usual one.

use crate::error::{Error, Result};

/// The key below `Software\Microsoft\Windows NT\CurrentVersion` that holds the current zone.
pub(crate) const CURRENT_ZONE_KEY: &str = "Time Zone*";

/// The key that Wine reads; as long as the other one, since it is replaced in place.
const WINE_KEY: &str = "Time Zones";

/// The content of `ntdll.so` with the other key.
pub(super) fn use_current_zone_key(mut library: Vec<u8>) -> Result<Vec<u8>> {
    let encode = |text: &str| -> Vec<u8> {
        text.encode_utf16()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect()
    };
    let (old, new) = (encode(WINE_KEY), encode(CURRENT_ZONE_KEY));
    let places: Vec<_> = library
        .windows(old.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == old)
        .map(|(place, _)| place)
        .collect();
    let [place] = places[..] else {
        let message = format!(
            "the time zones' key stands in it {} times, not once",
            places.len()
        );
        return Err(Error::malformed("change", "ntdll.so", message));
    };
    library[place..place + new.len()].copy_from_slice(&new);
    Ok(library)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(keys: usize) -> Vec<u8> {
        let key: Vec<u8> = "x\\Time Zones\0y"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        key.repeat(keys)
    }

    #[test]
    fn changes_one_character() {
        let new = use_current_zone_key(library(1)).unwrap();
        let changed = new
            .iter()
            .zip(library(1))
            .filter(|(new, old)| *new != old)
            .count();
        assert_eq!(changed, 1);
        assert_eq!(WINE_KEY.len(), CURRENT_ZONE_KEY.len());
    }

    #[test]
    fn refuses_a_library_it_does_not_know() {
        assert!(use_current_zone_key(library(0)).is_err());
        assert!(use_current_zone_key(library(2)).is_err());
    }
}
