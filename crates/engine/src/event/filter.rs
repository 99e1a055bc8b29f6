//! Which events a client asked for.

use crate::error::Result;
use crate::event::{Event, ObjectKind};
use crate::filter::Filters;

/// Docker's filters of events; those for objects that do not exist here match nothing.
const ACCEPTED: &[&str] = &[
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
];

/// Filters whose objects do not exist here.
const FOREIGN: &[&str] = &[
    "config", "daemon", "node", "plugin", "secret", "service", "volume",
];

/// Events whose action carries the command or the status after a colon.
const WITH_DETAIL: &[&str] = &["exec_create", "exec_start", "health_status"];

/// Which events a client asked for.
#[derive(Debug)]
pub(crate) struct EventFilter(Filters);

impl EventFilter {
    pub(crate) fn new(filters: Filters) -> Result<Self> {
        filters.check(ACCEPTED)?;
        Ok(Self(filters))
    }

    pub(crate) fn includes(&self, event: &Event) -> bool {
        self.allows_action(&event.action)
            && self.0.allows("type", event.kind.name())
            && self.0.allows("scope", "local")
            && !FOREIGN.iter().any(|name| self.0.has(name))
            && self.allows_object("container", ObjectKind::Container, event)
            && self.allows_object("network", ObjectKind::Network, event)
            && self.allows_image(event)
            && self.0.matches_labels(&event.attributes)
    }

    fn allows_action(&self, action: &str) -> bool {
        let plain = action.split_once(':').map_or(action, |(plain, _)| plain);
        self.0.allows("event", action)
            || (WITH_DETAIL.contains(&plain) && self.0.allows("event", plain))
    }

    /// By ID, beginning of one, or name.
    fn allows_object(&self, filter: &str, kind: ObjectKind, event: &Event) -> bool {
        !self.0.has(filter)
            || self.0.values(filter).iter().any(|value| {
                let named = event
                    .attributes
                    .get("name")
                    .is_some_and(|name| name == value);
                let through = event
                    .attributes
                    .get(filter)
                    .is_some_and(|id| id.starts_with(value));
                through || (event.kind == kind && (event.id.starts_with(value) || named))
            })
    }

    /// By the name of an image, with or without its tag; containers' events tell their image's.
    fn allows_image(&self, event: &Event) -> bool {
        let attribute = if event.kind == ObjectKind::Image {
            "name"
        } else {
            "image"
        };
        let name = event.attributes.get(attribute).map_or("", String::as_str);
        [event.id.as_str(), name, without_tag(name)]
            .into_iter()
            .any(|candidate| self.0.allows("image", candidate))
    }
}

/// `repository` of `repository:tag`; a colon before a slash belongs to a host's port.
fn without_tag(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use time::OffsetDateTime;

    use super::*;

    fn event(action: &str) -> Event {
        let attributes = [
            ("name", "web"),
            ("image", "host:5000/app:2"),
            ("tier", "front"),
        ];
        Event {
            kind: ObjectKind::Container,
            action: action.to_owned(),
            id: "abc123".to_owned(),
            attributes: attributes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            time: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn includes(name: &str, value: &str, action: &str) -> bool {
        let filters = BTreeMap::from([(name.to_owned(), vec![value.to_owned()])]);
        EventFilter::new(Filters(filters))
            .unwrap()
            .includes(&event(action))
    }

    #[test]
    fn each_filter_selects_what_docker_selects() {
        let cases = [
            ("event", "start", "start", true),
            ("event", "die", "start", false),
            ("event", "exec_create", "exec_create: cmd /c ver", true),
            ("event", "health_status", "health_status: healthy", true),
            ("event", "exec_die", "exec_create: cmd /c ver", false),
            ("type", "container", "start", true),
            ("type", "image", "start", false),
            ("container", "web", "start", true),
            ("container", "abc", "start", true),
            ("container", "db", "start", false),
            ("image", "host:5000/app:2", "start", true),
            ("image", "host:5000/app", "start", true),
            ("image", "app", "start", false),
            ("label", "tier=front", "start", true),
            ("label", "tier=back", "start", false),
            ("volume", "v", "start", false),
        ];
        for (name, value, action, expected) in cases {
            assert_eq!(
                includes(name, value, action),
                expected,
                "{name}={value} {action}"
            );
        }
    }
}
