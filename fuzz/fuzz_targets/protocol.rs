#![no_main]

use libfuzzer_sys::fuzz_target;
use porthole_protocol::{Hello, agent, frame, supervisor};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What decodes also encodes, and to something that decodes to the same. (Numbers in postcard have
/// more than one encoding, so the bytes may differ; a float that is no number differs from itself.)
fn check<T: Serialize + DeserializeOwned>(input: &[u8]) {
    let Ok(message) = frame::decode::<T>(input) else {
        return;
    };
    let encoded = frame::encode(&message).expect("no longer than what was received");
    let again = frame::decode::<T>(&encoded[frame::PREFIX..]).expect("our own");
    assert_eq!(frame::encode(&again).expect("as before"), encoded);
}

fuzz_target!(|input: &[u8]| {
    let _ = frame::read::<agent::Request>(&mut &input[..]);
    let Some((kind, input)) = input.split_first() else {
        return;
    };
    match kind % 7 {
        0 => check::<Hello>(input),
        1 => check::<agent::Request>(input),
        2 => check::<agent::Message>(input),
        3 => check::<supervisor::Request>(input),
        4 => check::<supervisor::Response>(input),
        5 => check::<supervisor::Event>(input),
        _ => check::<supervisor::StdioFrame>(input),
    }
});
