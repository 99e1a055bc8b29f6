//! Between the wire's messages about registries and the service's types.

use porthole_protocol::supervisor::SiloUser;

use super::convert::{user_from_wire, user_to_wire, version_from_wire};
use super::v1;
use crate::error::{Error, ErrorKind, Result};
use crate::registry::{HiveChange, HiveKind, MountedHive, RegistryChain, RegistryChanges};

pub(super) fn chain_to_wire(operation: &str, chain: &RegistryChain) -> Result<v1::RegistryChain> {
    let layers = chain.layers.iter().map(|layer| match layer.to_str() {
        Some(layer) => Ok(layer.to_owned()),
        None => {
            let message = format!("the path {} is not UTF-8", layer.display());
            Err(Error::new(ErrorKind::InvalidLayer, operation, message))
        }
    });
    Ok(v1::RegistryChain {
        layers: layers.collect::<Result<_>>()?,
        os_version: chain.os_version.map(|version| version.to_string()),
        user: user_to_wire(chain.user).into(),
    })
}

/// The message of a refusal names the field.
pub(super) fn chain_from_wire(chain: Option<v1::RegistryChain>) -> Result<RegistryChain, String> {
    let chain = chain.ok_or("a chain is missing")?;
    let user: Option<SiloUser> = user_from_wire(chain.user());
    Ok(RegistryChain {
        os_version: version_from_wire(chain.os_version.as_deref())?,
        user: user.ok_or("user is missing")?,
        layers: chain.layers.into_iter().map(Into::into).collect(),
    })
}

const HIVES: [(v1::MountedHive, MountedHive); 6] = [
    (
        v1::MountedHive::System,
        MountedHive::Image(HiveKind::System),
    ),
    (
        v1::MountedHive::Software,
        MountedHive::Image(HiveKind::Software),
    ),
    (v1::MountedHive::Sam, MountedHive::Image(HiveKind::Sam)),
    (
        v1::MountedHive::Security,
        MountedHive::Image(HiveKind::Security),
    ),
    (
        v1::MountedHive::Default,
        MountedHive::Image(HiveKind::Default),
    ),
    (v1::MountedHive::User, MountedHive::User),
];

pub(super) fn changes_to_wire(changes: RegistryChanges) -> v1::RegistryChanges {
    let wire = |hive: MountedHive| HIVES.iter().find(|(_, ours)| *ours == hive);
    let hives = changes.hives.into_iter().map(|change| v1::HiveChange {
        hive: wire(change.hive).map_or(0, |(wire, _)| (*wire).into()),
        delta: change.delta,
        before: change.before,
        whole: change.whole,
    });
    v1::RegistryChanges {
        hives: hives.collect(),
        outside: changes.outside,
    }
}

pub(super) fn changes_from_wire(
    operation: &str,
    changes: v1::RegistryChanges,
) -> Result<RegistryChanges> {
    let hives = changes.hives.into_iter().map(|change| {
        let wire = change.hive();
        let ours = HIVES.iter().find(|(known, _)| *known == wire);
        let (_, hive) = ours.ok_or_else(|| {
            let message = "the service answered with a hive that this client does not know";
            Error::new(ErrorKind::ServiceNotAvailable, operation, message)
        })?;
        Ok(HiveChange {
            hive: *hive,
            delta: change.delta,
            before: change.before,
            whole: change.whole,
        })
    });
    Ok(RegistryChanges {
        hives: hives.collect::<Result<_>>()?,
        outside: changes.outside,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_and_chains_come_back() {
        let hives = MountedHive::ALL.map(|hive| HiveChange {
            hive,
            delta: vec![1],
            before: vec![2],
            whole: (hive == MountedHive::User).then(|| vec![3]),
        });
        let changes = RegistryChanges {
            hives: hives.into(),
            outside: vec!["Odd".into()],
        };
        let mut wire = changes_to_wire(changes.clone());
        assert_eq!(changes_from_wire("x", wire.clone()).unwrap(), changes);
        wire.hives[0].hive = 0;
        assert!(changes_from_wire("x", wire).is_err());

        let chain = RegistryChain {
            layers: vec!["/a".into(), "/b".into()],
            os_version: Some("10.0.26100.1".parse().unwrap()),
            user: SiloUser::ContainerUser,
        };
        let mut wire = chain_to_wire("x", &chain).unwrap();
        assert_eq!(chain_from_wire(Some(wire.clone())).unwrap(), chain);
        wire.user = 0;
        assert!(chain_from_wire(Some(wire)).unwrap_err().contains("user"));
        assert!(chain_from_wire(None).is_err());
    }
}
