#![cfg_attr(not(test), no_main)]

use porthole_protocol::{Hello, agent, frame, supervisor};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What decodes also encodes, and to something that decodes to the same. (Numbers in postcard have
/// more than one encoding, so the bytes may differ; a float that is no number differs from itself.)
fn comes_back<T: Serialize + DeserializeOwned>(input: &[u8]) {
    let Ok(message) = frame::decode::<T>(input) else {
        return;
    };
    let encoded = frame::encode(&message).expect("no longer than what was received");
    let again = frame::decode::<T>(&encoded[frame::PREFIX..]).expect("our own");
    assert_eq!(frame::encode(&again).expect("as before"), encoded);
}

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

pub(crate) fn check(input: &[u8]) {
    let _ = frame::read::<agent::Request>(&mut &input[..]);
    let Some((kind, input)) = input.split_first() else {
        return;
    };
    match kind % 7 {
        0 => comes_back::<Hello>(input),
        1 => comes_back::<agent::Request>(input),
        2 => comes_back::<agent::Message>(input),
        3 => comes_back::<supervisor::Request>(input),
        4 => comes_back::<supervisor::Response>(input),
        5 => comes_back::<supervisor::Event>(input),
        _ => comes_back::<supervisor::StdioFrame>(input),
    }
}
