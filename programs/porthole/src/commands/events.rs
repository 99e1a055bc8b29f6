//! `porthole events`.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures::StreamExt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::each::filters;
use crate::arguments::Events;
use crate::table::{Colour, coloured, short_id};

/// Carries it out: a line each, until the daemon or the reader goes away.
pub(crate) async fn carry_out(client: &Docker, events: Events, json: bool) -> Result<ExitCode> {
    let options = EventsOptionsBuilder::default().filters(&filters(events.filter));
    let mut stream = Box::pin(client.events(Some(options.build())));
    while let Some(event) = stream.next().await {
        let event = event?;
        if json {
            println!("{}", serde_json::to_string(&event)?);
        } else {
            println!("{}", line(&event));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(event: &EventMessage) -> String {
    let time = OffsetDateTime::from_unix_timestamp(event.time.unwrap_or_default())
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default();
    let kind = event
        .typ
        .as_ref()
        .map_or_else(String::new, ToString::to_string);
    let actor = event.actor.clone().unwrap_or_default();
    let mut attributes = actor.attributes.unwrap_or_default();
    let name = attributes.remove("name");
    let id = actor.id.unwrap_or_default();
    let object = name.as_deref().unwrap_or_else(|| short_id(&id));
    let mut facts: Vec<String> = attributes
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    facts.sort();
    format!(
        "{}  {kind} {object}  {}  {}",
        coloured(&time, Colour::Dim),
        event.action.as_deref().unwrap_or_default(),
        coloured(&facts.join(" "), Colour::Dim),
    )
}

#[cfg(test)]
mod tests {
    use bollard::models::EventActor;

    use super::*;

    #[test]
    fn a_line_names_the_object_and_its_facts_in_order() {
        let attributes = [("name", "web"), ("image", "i"), ("exitCode", "3")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let event = EventMessage {
            action: Some("die".to_owned()),
            actor: Some(EventActor {
                id: Some("0123456789abcdef".to_owned()),
                attributes: Some(attributes.into()),
            }),
            time: Some(1_700_000_000),
            ..EventMessage::default()
        };
        assert_eq!(
            line(&event),
            "2023-11-14T22:13:20Z   web  die  exitCode=3 image=i"
        );
    }
}
