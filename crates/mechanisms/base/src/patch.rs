//! The two changes to Wine's own code, each a few bytes in place.
//!
//! A library in which the bytes do not stand exactly once is refused, so that a newer Wine is looked
//! at before it is changed.

use crate::error::{Error, Result};

/// The key below `Software\Microsoft\Windows NT\CurrentVersion` that holds the current zone.
pub(crate) const CURRENT_ZONE_KEY: &str = "Time Zone*";

/// The key that Wine reads; as long as the other one, since it is replaced in place.
const WINE_ZONES_KEY: &str = "Time Zones";

/// How a thread of `ntdll.dll` begins, up to the amount of stack that it clears, as the lowest
/// address (`and $~0xfff,%rcx; lea -0xf0000(%rcx),%rdi; mov %rdi,%rsp; sub %rdi,%rcx`).
const CLEAR_STACK: [u8; 20] = [
    0x48, 0x81, 0xe1, 0x00, 0xf0, 0xff, 0xff, 0x48, 0x8d, 0xb9, 0x00, 0x00, 0xf1, 0xff, 0x48, 0x89,
    0xfc, 0x48, 0x29, 0xf9,
];

/// Where the amount stands in that.
const CLEARED: std::ops::Range<usize> = 10..14;

/// How much is cleared instead: more than the loader has used, which is what clearing is for.
const CLEARED_INSTEAD: i32 = -0x10000;

/// The content of the Unix `ntdll.so` with another key for the current time zone.
///
/// At the start of every process, Wine looks for the current zone among all keys of
/// `…\Windows NT\CurrentVersion\Time Zones`, in some 750 round trips to wineserver, and takes the
/// first that fits (for UTC, "Greenwich Standard Time"). The changed library looks below another
/// key, which holds the current zone alone; programs go on to find all zones below the usual one.
pub(crate) fn use_current_zone_key(library: Vec<u8>) -> Result<Vec<u8>> {
    let encode = |text: &str| -> Vec<u8> {
        text.encode_utf16()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect()
    };
    replace_once(
        "ntdll.so",
        library,
        &encode(WINE_ZONES_KEY),
        &encode(CURRENT_ZONE_KEY),
    )
}

/// The content of `ntdll.dll` that does not touch all of a new thread's stack.
///
/// Wine clears 960 KiB of it, which makes as much private memory for every thread of every process.
pub(crate) fn clear_less_stack(library: Vec<u8>) -> Result<Vec<u8>> {
    let mut new = CLEAR_STACK;
    new[CLEARED].copy_from_slice(&CLEARED_INSTEAD.to_le_bytes());
    replace_once("ntdll.dll", library, &CLEAR_STACK, &new)
}

fn replace_once(name: &str, mut library: Vec<u8>, old: &[u8], new: &[u8]) -> Result<Vec<u8>> {
    debug_assert_eq!(old.len(), new.len());
    let places: Vec<_> = (0..library.len())
        .filter(|place| library[*place..].starts_with(old))
        .collect();
    let [place] = places[..] else {
        let message = format!(
            "what is to be changed stands in it {} times, not once",
            places.len()
        );
        return Err(Error::malformed("change", name, message));
    };
    library[place..place + new.len()].copy_from_slice(new);
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
    fn the_zone_key_changes_by_one_character() {
        let new = use_current_zone_key(library(1)).unwrap();
        let changed = new
            .iter()
            .zip(library(1))
            .filter(|(new, old)| *new != old)
            .count();
        assert_eq!(changed, 1);
        assert_eq!(WINE_ZONES_KEY.len(), CURRENT_ZONE_KEY.len());
    }

    #[test]
    fn the_cleared_stack_shrinks() {
        let new = clear_less_stack([&b"xx"[..], &CLEAR_STACK, b"yy"].concat()).unwrap();
        assert_eq!(new[12..16], [0x00, 0x00, 0xff, 0xff]);
        assert_eq!(new.len(), 24);
    }

    #[test]
    fn a_library_that_is_not_known_is_refused() {
        assert!(use_current_zone_key(library(0)).is_err());
        assert!(use_current_zone_key(library(2)).is_err());
        assert!(clear_less_stack(Vec::new()).is_err());
    }
}
