//! The four changes to Wine's own code, each a few bytes in place.
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

/// How the default handler of console control events in the 64-bit `kernelbase.dll` chooses the exit
/// code, up to the first of its two calls of `RtlExitUserProcess`: 0, unless the event's number is at
/// most 1 (`cmp $1,%ebx; jbe …; xor %ecx,%ecx; call *…`).
const EXIT_CODE_64: [u8; 9] = [0x83, 0xfb, 0x01, 0x76, 0x08, 0x31, 0xc9, 0xff, 0x15];

/// The same in the 32-bit one (`cmp $1,%ebx; jbe …; xor %eax,%eax; mov %eax,(%esp); call *…`).
const EXIT_CODE_32: [u8; 12] = [
    0x83, 0xfb, 0x01, 0x76, 0x0b, 0x31, 0xc0, 0x89, 0x04, 0x24, 0xff, 0x15,
];

/// Where the conditional jump stands in both, and the jump that is always taken.
const CONDITION: usize = 3;
const ALWAYS: u8 = 0xeb;

/// How the 64-bit `crypt32.dll`, which has brought the registry's root certificates in line with the
/// host's file, sees whether it holds others, and jumps where it holds none (`cmp %ebp,0x6c(%rsp);
/// jae …`).
const OTHER_ROOTS_64: [u8; 6] = [0x39, 0x6c, 0x24, 0x6c, 0x73, 0x7d];

/// The same in the 32-bit one, with the instruction between both (`movl $0,-0xc0(%ebp); jae …`).
const OTHER_ROOTS_32: [u8; 16] = [
    0xc7, 0x85, 0x40, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0x0f, 0x83, 0xac, 0x00, 0x00, 0x00,
];

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

/// The content of a `kernelbase.dll` whose default handler of console control events ends the process
/// with `STATUS_CONTROL_C_EXIT` whatever the event.
///
/// Windows does so, and `docker ps` shows it (`Exited (3221225786)`) for a program that has no handler
/// of its own and is stopped. Wine does for Ctrl-C and Ctrl-Break alone, and ends it with 0, a success,
/// on close, log-off and shutdown.
pub(crate) fn exit_by_control_event(library: Vec<u8>, is_64_bit: bool) -> Result<Vec<u8>> {
    let old: &[u8] = if is_64_bit {
        &EXIT_CODE_64
    } else {
        &EXIT_CODE_32
    };
    let mut new = old.to_vec();
    new[CONDITION] = ALWAYS;
    replace_once("kernelbase.dll", library, old, &new)
}

/// The content of a `crypt32.dll` that leaves certificates alone which the host does not have.
///
/// The first program that opens the store of root certificates has Wine add those of the host to the
/// registry, and delete all others: who adds a CA to an image would add it for nothing. The jump past
/// the deletion is always taken.
pub(crate) fn keep_other_roots(library: Vec<u8>, is_64_bit: bool) -> Result<Vec<u8>> {
    let old: &[u8] = if is_64_bit {
        &OTHER_ROOTS_64
    } else {
        &OTHER_ROOTS_32
    };
    let mut new = old.to_vec();
    if is_64_bit {
        new[4] = ALWAYS;
    } else {
        // `nop; jmp …`, as long as the conditional one, and with the same distance.
        new[10..12].copy_from_slice(&[0x90, 0xe9]);
    }
    replace_once("crypt32.dll", library, old, &new)
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
    fn the_default_handler_always_jumps_to_its_status() {
        for (is_64_bit, code) in [(true, &EXIT_CODE_64[..]), (false, &EXIT_CODE_32[..])] {
            let new = exit_by_control_event(code.to_vec(), is_64_bit).unwrap();
            assert_eq!((new[CONDITION], &new[4..]), (ALWAYS, &code[4..]));
            assert!(exit_by_control_event(code.to_vec(), !is_64_bit).is_err());
        }
    }

    #[test]
    fn roots_of_others_are_never_deleted() {
        let new = keep_other_roots(OTHER_ROOTS_64.to_vec(), true).unwrap();
        assert_eq!(new, [0x39, 0x6c, 0x24, 0x6c, ALWAYS, 0x7d]);
        let new = keep_other_roots(OTHER_ROOTS_32.to_vec(), false).unwrap();
        assert_eq!(new[9..], [0x00, 0x90, 0xe9, 0xac, 0x00, 0x00, 0x00]);
        assert!(keep_other_roots(OTHER_ROOTS_32.to_vec(), true).is_err());
    }

    #[test]
    fn a_library_that_is_not_known_is_refused() {
        assert!(use_current_zone_key(library(0)).is_err());
        assert!(use_current_zone_key(library(2)).is_err());
        assert!(clear_less_stack(Vec::new()).is_err());
    }
}
