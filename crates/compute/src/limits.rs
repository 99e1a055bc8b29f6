//! Limits: from HCS's settings to those of a cgroup, at creation and live.

use porthole_hcs::{self as hcs, ModifyRequestType};
use porthole_protocol::supervisor::Limits;
use serde::de::DeserializeOwned;

/// HCS's path of a container's memory limit; its setting is the number of mebibytes, or null for
/// none.
pub const MEMORY_PATH: &str = "Container/Memory/SizeInMB";

/// HCS's path of a container's processor limit; its setting is a `Processor`.
pub const PROCESSOR_PATH: &str = "Container/Processor";

/// The highest weight and the highest maximum.
const FULL: i64 = 10_000;

/// Limits of a document, on a host with this many processors.
pub(crate) fn from_document(
    memory: Option<hcs::Memory>,
    processor: Option<hcs::Processor>,
    processors: u32,
) -> Result<Limits, String> {
    let mut limits = Limits::default();
    if let Some(memory) = memory {
        limits.memory = Some(bytes(memory.size_in_mb)?);
    }
    set_processor(&mut limits, processor.unwrap_or_default(), processors)?;
    Ok(limits)
}

/// Why a live change is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The setting cannot be changed while the system runs, or not in this way.
    NotSupported(String),
    /// The new setting is wrong.
    Invalid(String),
}

/// `limits` as they are after `request`, on a host with this many processors.
pub(crate) fn modified(
    limits: &Limits,
    request: &hcs::ModifySettingRequest,
    processors: u32,
) -> Result<Limits, Refusal> {
    let path = request.resource_path.as_str();
    if request.request_type != ModifyRequestType::Update {
        return Err(Refusal::NotSupported(format!("{path} can only be updated")));
    }
    let mut limits = limits.clone();
    match path {
        MEMORY_PATH => {
            let mebibytes: Option<u64> = setting(request)?;
            limits.memory = mebibytes.map(bytes).transpose().map_err(Refusal::Invalid)?;
        }
        PROCESSOR_PATH => {
            set_processor(&mut limits, setting(request)?, processors).map_err(Refusal::Invalid)?;
        }
        _ => {
            return Err(Refusal::NotSupported(format!(
                "{path} cannot be changed while a system runs; {MEMORY_PATH} and {PROCESSOR_PATH} can"
            )));
        }
    }
    Ok(limits)
}

fn setting<T: DeserializeOwned>(request: &hcs::ModifySettingRequest) -> Result<T, Refusal> {
    let settings = request.settings.clone().unwrap_or_default();
    serde_json::from_value(settings).map_err(|error| {
        Refusal::Invalid(format!("Settings of {}: {error}", request.resource_path))
    })
}

fn bytes(mebibytes: u64) -> Result<u64, String> {
    match mebibytes.checked_mul(1 << 20) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(format!("Memory.SizeInMB {mebibytes} is out of range")),
    }
}

fn set_processor(
    limits: &mut Limits,
    processor: hcs::Processor,
    processors: u32,
) -> Result<(), String> {
    let hcs::Processor {
        count,
        weight,
        maximum,
    } = processor;
    let set = [count.is_some(), weight.is_some(), maximum.is_some()];
    if set.into_iter().filter(|set| *set).count() > 1 {
        return Err("Processor has more than one of Count, Weight and Maximum".into());
    }
    limits.processors = match (count, maximum) {
        (None, None) => None,
        (Some(count), _) if count == 0 || count > processors => {
            return Err(format!(
                "Processor.Count {count} is not in 1 to {processors}"
            ));
        }
        (Some(count), _) => Some(f64::from(count)),
        (None, Some(maximum)) => Some(share(in_range("Maximum", maximum)?) * f64::from(processors)),
    };
    limits.processor_weight = weight
        .map(|weight| in_range("Weight", weight))
        .transpose()?;
    Ok(())
}

fn share(hundredths: u32) -> f64 {
    f64::from(hundredths) / 10_000.0
}

fn in_range(name: &str, value: i64) -> Result<u32, String> {
    u32::try_from(value)
        .ok()
        .filter(|_| (1..=FULL).contains(&value))
        .ok_or_else(|| format!("Processor.{name} {value} is not in 1 to {FULL}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, settings: serde_json::Value) -> hcs::ModifySettingRequest {
        hcs::ModifySettingRequest {
            resource_path: path.into(),
            request_type: ModifyRequestType::Update,
            settings: Some(settings),
        }
    }

    #[test]
    fn a_maximum_is_a_share_of_all_processors() {
        let processor = hcs::Processor {
            maximum: Some(2_500),
            ..Default::default()
        };
        let limits = from_document(None, Some(processor), 8).unwrap();
        assert_eq!(limits.processors, Some(2.0));
    }

    #[test]
    fn out_of_range_settings_are_refused() {
        let wrong = [
            hcs::Processor {
                count: Some(0),
                ..Default::default()
            },
            hcs::Processor {
                count: Some(9),
                ..Default::default()
            },
            hcs::Processor {
                weight: Some(10_001),
                ..Default::default()
            },
            hcs::Processor {
                maximum: Some(0),
                ..Default::default()
            },
            hcs::Processor {
                count: Some(1),
                maximum: Some(1),
                weight: None,
            },
        ];
        for processor in wrong {
            assert!(
                from_document(None, Some(processor), 8).is_err(),
                "{processor:?}"
            );
        }
        for size_in_mb in [0, u64::MAX] {
            assert!(from_document(Some(hcs::Memory { size_in_mb }), None, 8).is_err());
        }
    }

    #[test]
    fn a_live_change_leaves_the_other_limits() {
        let limits = Limits {
            pids: Some(9),
            processors: Some(1.0),
            ..Default::default()
        };
        let changed = modified(&limits, &request(MEMORY_PATH, 64.into()), 2).unwrap();
        assert_eq!(changed.memory, Some(64 << 20));
        assert_eq!((changed.pids, changed.processors), (Some(9), Some(1.0)));
        let changed = modified(&changed, &request(MEMORY_PATH, serde_json::Value::Null), 2);
        assert_eq!(changed.unwrap().memory, None);
    }

    #[test]
    fn other_changes_are_refused_by_name() {
        let refused = modified(
            &Limits::default(),
            &request("Container/MappedPipes", 1.into()),
            2,
        );
        assert!(
            matches!(refused, Err(Refusal::NotSupported(text)) if text.contains("MappedPipes"))
        );
        let refused = modified(&Limits::default(), &request(PROCESSOR_PATH, "x".into()), 2);
        assert!(matches!(refused, Err(Refusal::Invalid(_))));
    }
}
