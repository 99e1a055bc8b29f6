#![no_main]

use libfuzzer_sys::fuzz_target;
use porthole_hcs::{
    ComputeSystem, ModifySettingRequest, ProcessModifyRequest, ProcessParameters, Properties,
    RegistryChanges, ResultError, ShutdownOptions, SystemPropertyQuery, SystemQuery,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(input: &[u8]) {
    let Ok(document) = serde_json::from_slice::<T>(input) else {
        return;
    };
    let written = serde_json::to_vec(&document).expect("plain data");
    assert_eq!(
        serde_json::from_slice::<T>(&written).expect("our own"),
        document
    );
}

fuzz_target!(|input: &[u8]| {
    check::<ComputeSystem>(input);
    check::<ModifySettingRequest>(input);
    check::<ProcessModifyRequest>(input);
    check::<ProcessParameters>(input);
    check::<Properties>(input);
    check::<RegistryChanges>(input);
    check::<ResultError>(input);
    check::<ShutdownOptions>(input);
    check::<SystemPropertyQuery>(input);
    check::<SystemQuery>(input);
});
