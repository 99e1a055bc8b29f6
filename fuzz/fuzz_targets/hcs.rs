#![cfg_attr(not(test), no_main)]

use porthole_hcs::{
    ComputeSystem, ModifySettingRequest, ProcessModifyRequest, ProcessParameters, Properties,
    RegistryChanges, ResultError, ShutdownOptions, SystemPropertyQuery, SystemQuery,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(input: &[u8]) {
    let Ok(document) = serde_json::from_slice::<T>(input) else {
        return;
    };
    let written = serde_json::to_vec(&document).expect("plain data");
    assert_eq!(
        serde_json::from_slice::<T>(&written).expect("our own"),
        document
    );
}

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

pub(crate) fn check(input: &[u8]) {
    comes_back::<ComputeSystem>(input);
    comes_back::<ModifySettingRequest>(input);
    comes_back::<ProcessModifyRequest>(input);
    comes_back::<ProcessParameters>(input);
    comes_back::<Properties>(input);
    comes_back::<RegistryChanges>(input);
    comes_back::<ResultError>(input);
    comes_back::<ShutdownOptions>(input);
    comes_back::<SystemPropertyQuery>(input);
    comes_back::<SystemQuery>(input);
}
