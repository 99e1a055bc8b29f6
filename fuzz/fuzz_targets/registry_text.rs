#![no_main]

use libfuzzer_sys::fuzz_target;
use porthole_registry::text;

fuzz_target!(|input: &[u8]| {
    let Ok(document) = text::read(input) else {
        return;
    };
    let written = text::write(&document);
    let again = text::read(&written).expect("our own text is well-formed");
    assert_eq!(text::write(&again), written);
    assert_eq!(again.tree.count(), document.tree.count());
});
