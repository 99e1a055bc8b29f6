//! Containers' events.

use std::collections::BTreeMap;

use crate::container::record::Container;
use crate::event::ObjectKind;
use crate::event::log::EventLog;

/// Records that something happened to a container: its labels, image and name, and `extra`.
pub(crate) fn publish(
    log: &EventLog,
    container: &Container,
    action: &str,
    extra: &[(&str, String)],
) {
    let mut attributes = container.config.labels.clone();
    attributes.insert("image".to_owned(), container.config.image.clone());
    attributes.insert("name".to_owned(), container.name.clone());
    attributes.extend(
        extra
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone())),
    );
    log.publish(ObjectKind::Container, action, &container.id, attributes);
}

/// Records that a container joined or left its network.
pub(crate) fn publish_network(log: &EventLog, container: &Container, action: &str) {
    let Some(endpoint) = &container.endpoint else {
        return;
    };
    let name = container.network_name();
    // A network has its driver's name but for this one.
    let driver = if name == "none" { "null" } else { name };
    let attributes = BTreeMap::from([
        ("container".to_owned(), container.id.clone()),
        ("type".to_owned(), driver.to_owned()),
        ("name".to_owned(), name.to_owned()),
    ]);
    log.publish(
        ObjectKind::Network,
        action,
        &endpoint.network_id,
        attributes,
    );
}
