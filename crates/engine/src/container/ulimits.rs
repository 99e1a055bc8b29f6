//! Limits of each process: Docker's ulimits.

use porthole_compute_service::settings::{Resource, ResourceLimit};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A limit as clients give it; -1 is unlimited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Ulimit {
    /// What is limited, for example `nofile`.
    pub name: String,
    /// What holds.
    pub soft: i64,
    /// The most that `soft` can be raised to.
    pub hard: i64,
}

/// The limits, or why one cannot be.
pub(crate) fn limits(asked: &[Ulimit]) -> Result<Vec<ResourceLimit>> {
    asked.iter().map(limit).collect()
}

fn limit(asked: &Ulimit) -> Result<ResourceLimit> {
    let Ulimit { name, soft, hard } = asked;
    if name == "core" {
        return Err(Error::invalid(
            "invalid option: ulimit core: the host would write core dumps of Windows programs, so there are none",
        ));
    }
    let resource = Resource::named(name)
        .ok_or_else(|| Error::invalid(format!("invalid ulimit type: {name}")))?;
    let value = |value: i64| match value {
        -1 => Ok(None),
        _ => u64::try_from(value)
            .map(Some)
            .map_err(|_| Error::invalid(format!("invalid ulimit value: {name}={value}"))),
    };
    if *hard != -1 && (*soft == -1 || soft > hard) {
        return Err(Error::invalid(format!(
            "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        )));
    }
    Ok(ResourceLimit {
        resource,
        soft: value(*soft)?,
        hard: value(*hard)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulimit(name: &str, soft: i64, hard: i64) -> Ulimit {
        Ulimit {
            name: name.to_owned(),
            soft,
            hard,
        }
    }

    #[test]
    fn limits_are_read_and_wrong_ones_refused() {
        let read = limits(&[ulimit("nofile", 512, -1)]).unwrap();
        assert_eq!(
            read,
            [ResourceLimit {
                resource: Resource::Nofile,
                soft: Some(512),
                hard: None
            }]
        );
        for (wrong, sentence) in [
            (ulimit("colour", 1, 1), "invalid ulimit type: colour"),
            (
                ulimit("nofile", 2, 1),
                "ulimit soft limit must be less than or equal to hard limit: 2 > 1",
            ),
            (ulimit("cpu", -2, -1), "invalid ulimit value: cpu=-2"),
        ] {
            assert_eq!(limits(&[wrong]).unwrap_err().to_string(), sentence);
        }
        assert!(limits(&[ulimit("core", 0, 0)]).is_err());
    }
}
