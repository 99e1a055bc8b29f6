#![cfg_attr(not(test), no_main)]

use std::path::Path;

use porthole_layers::{Limits, pack_layer, settle, unpack};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

const LIMITS: Limits = Limits {
    entries: 200,
    bytes: 1 << 20,
    levels: 30,
};

pub(crate) fn check(input: &[u8]) {
    // In memory where that can be had: most of the time would go into the disk.
    let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let home = home.expect("a directory");
    let packed = packed_again(input, &home.path().join("first"));
    let names = std::fs::read_dir(home.path()).expect("the directory is there");
    assert_eq!(names.count(), 1, "something is outside of the layer");
    let Some(packed) = packed else {
        return;
    };
    let again = packed_again(&packed, &home.path().join("second"));
    assert!(again.as_ref() == Some(&packed), "another layer came back");
}

/// The archive of what an archive unpacks to; nothing where it is no layer.
fn packed_again(archive: &[u8], directory: &Path) -> Option<Vec<u8>> {
    std::fs::create_dir(directory).expect("a new directory");
    let unpacked = unpack("fuzzed", archive, directory, &LIMITS).ok()?;
    settle("fuzzed", directory, &unpacked.unsettled, &[]).ok()?;
    let (packed, _) =
        pack_layer(directory, &[], Vec::new(), &mut |_| ()).expect("what was unpacked is packed");
    Some(packed)
}
