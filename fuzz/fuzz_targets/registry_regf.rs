#![cfg_attr(not(test), no_main)]

use porthole_registry::layer;
use porthole_registry::regf::{self, Hive, RegfErrorKind};

/// Where the header's checksum stands.
const CHECKSUM: usize = 508;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

pub(crate) fn check(input: &[u8]) {
    let mut input = input.to_vec();
    if input.len() > CHECKSUM + 4 {
        let words = input[..CHECKSUM].chunks_exact(4);
        let sum = words.fold(0, |sum, word| {
            sum ^ u32::from_le_bytes([word[0], word[1], word[2], word[3]])
        });
        let sum = match sum {
            0 => 1,
            u32::MAX => u32::MAX - 1,
            sum => sum,
        };
        input[CHECKSUM..CHECKSUM + 4].copy_from_slice(&sum.to_le_bytes());
    }
    let Ok(hive) = regf::read(&input) else { return };
    let written = regf::write(&hive).expect("what was read can be written");
    let again = regf::read(&written).expect("our own hive is well-formed");
    // Writing fills in descriptors that were missing; from then on nothing changes.
    assert_eq!(
        regf::write(&again).expect("what was read can be written"),
        written
    );

    let mut merged = hive.root.clone();
    layer::merge(&mut merged, hive.root);
    match regf::write(&Hive::new("SOFTWARE", layer::flatten(merged))) {
        Ok(_) => {}
        Err(error) => assert_ne!(error.kind, RegfErrorKind::Layered),
    }
}
