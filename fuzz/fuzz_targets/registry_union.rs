#![cfg_attr(not(test), no_main)]

use porthole_registry::regf::{self, Hive};
use porthole_registry::{FileTime, Key, Name, change, layer};

/// Where the header's checksum stands.
const CHECKSUM: usize = 508;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

/// Two hives, the second at the place that the first four bytes say.
pub(crate) fn check(input: &[u8]) {
    let Some((place, rest)) = input.split_first_chunk() else {
        return;
    };
    let Some((old, new)) = rest.split_at_checked(u32::from_le_bytes(*place) as usize) else {
        return;
    };
    let (Some(old), Some(new)) = (tree(old), tree(new)) else {
        return;
    };
    let mut merged = old.clone();
    match layer::difference(&old, &new) {
        None => {}
        Some(delta) => {
            let before = layer::touched(&old, &delta);
            let told = change::changes(&before, &delta);
            assert_eq!(told, change::changes(&old, &delta));
            let written = regf::write(&Hive::delta("Software_Delta", delta)).expect("a delta fits");
            let read = regf::read(&written).expect("our own hive is well-formed");
            layer::merge(&mut merged, read.root);
        }
    }
    assert_eq!(bytes(merged), bytes(new));
}

/// The tree that a hive stands for over nothing; its checksum is put right.
fn tree(hive: &[u8]) -> Option<Key> {
    let mut hive = hive.to_vec();
    if hive.len() > CHECKSUM + 4 {
        let words = hive[..CHECKSUM].chunks_exact(4);
        let sum = words.fold(0, |sum, word| {
            sum ^ u32::from_le_bytes([word[0], word[1], word[2], word[3]])
        });
        let sum = match sum {
            0 => 1,
            u32::MAX => u32::MAX - 1,
            sum => sum,
        };
        hive[CHECKSUM..CHECKSUM + 4].copy_from_slice(&sum.to_le_bytes());
    }
    regf::read(&hive).ok().map(|hive| layer::flatten(hive.root))
}

/// The hive's bytes without what a difference leaves out: times, and security, which writing fills in.
fn bytes(mut tree: Key) -> Vec<u8> {
    fn strip(key: &mut Key) {
        key.last_write = FileTime::default();
        key.security = None;
        let names: Vec<Name> = key.subkeys().map(|(name, _)| name.clone()).collect();
        for name in names {
            strip(key.subkey_mut(&name).expect("it is there"));
        }
    }
    strip(&mut tree);
    regf::write(&Hive::new("SOFTWARE", tree)).expect("what was read can be written")
}
