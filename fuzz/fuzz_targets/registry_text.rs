#![cfg_attr(not(test), no_main)]

use porthole_registry::text;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

pub(crate) fn check(input: &[u8]) {
    let Ok(document) = text::read(input) else {
        return;
    };
    let written = text::write(&document);
    let again = text::read(&written).expect("our own text is well-formed");
    assert_eq!(text::write(&again), written);
    assert_eq!(again.tree.count(), document.tree.count());
}
