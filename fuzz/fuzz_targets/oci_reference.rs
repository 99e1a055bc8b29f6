#![cfg_attr(not(test), no_main)]

use porthole_oci::{Digest, Reference, WindowsVersion};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

pub(crate) fn check(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(reference) = input.parse::<Reference>() {
        check_reference(&reference);
    }
    if let Ok(digest) = input.parse::<Digest>() {
        assert_eq!(digest.to_string(), input);
    }
    if let Ok(version) = input.parse::<WindowsVersion>() {
        assert_eq!(
            version
                .to_string()
                .parse::<WindowsVersion>()
                .expect("our own"),
            version
        );
    }
}

fn check_reference(reference: &Reference) {
    let again: Reference = reference.to_string().parse().expect("our own");
    assert_eq!(&again, reference);
    let stored = Reference::from_parts(
        &reference.full_repository(),
        reference.tag().map(str::to_owned),
        reference.digest(),
    );
    assert_eq!(&stored, reference);
    // Paths become parts of addresses and of files' names.
    let is_plain = |part: &str| {
        !matches!(part, "" | "." | "..") && part.bytes().all(|byte| byte.is_ascii_graphic())
    };
    assert!(reference.path().split('/').all(is_plain));
    assert!(!reference.domain().contains(['/', '@', '?', '#', '%', '\\']));
    assert!(reference.clone().or_latest().with_tag("x").is_ok());
}
