//! `porthole events`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use http_body_util::BodyExt;
use hyper::Method;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::each::filters;
use crate::arguments::Events;
use crate::output::{Format, say};
use crate::table::{Colour, coloured, short_id};
use crate::{moment, request};

/// Bytes of one event at most.
const LIMIT: usize = 1024 * 1024;

/// Carries it out: a line each, until the daemon or the reader goes away.
pub(crate) async fn carry_out(host: &str, events: Events, json: bool) -> Result<ExitCode> {
    let format = Format::of(events.format.as_deref(), json)?;
    let now = OffsetDateTime::now_utc();
    let filters = serde_json::to_string(&filters(events.filter))?;
    let moment = |text: Option<String>| text.map(|text| moment::parse(&text, now)).transpose();
    let since = moment(events.since).context("--since")?;
    let until = moment(events.until).context("--until")?;
    let mut parameters = vec![("filters", filters.as_str())];
    parameters.extend(since.as_deref().map(|since| ("since", since)));
    parameters.extend(until.as_deref().map(|until| ("until", until)));
    let path = format!("/events?{}", request::query(&parameters));
    let mut answer = request::send(host, Method::GET, &path, None)
        .await?
        .into_body();
    let mut pending = Vec::new();
    while let Some(frame) = answer.frame().await {
        let frame = frame.context("the daemon went away")?;
        pending.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let event: Vec<u8> = pending.drain(..=end).collect();
            show(&serde_json::from_slice(&event)?, format.as_ref(), json)?;
        }
        anyhow::ensure!(
            pending.len() <= LIMIT,
            "the daemon sends an event without end"
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn show(event: &Value, format: Option<&Format>, json: bool) -> Result<()> {
    match format {
        Some(format) => format.print(&[], std::slice::from_ref(event))?,
        None if json => say!("{event}")?,
        None => say!("{}", line(event))?,
    }
    Ok(())
}

fn line(event: &Value) -> String {
    let time = OffsetDateTime::from_unix_timestamp(event["time"].as_i64().unwrap_or_default())
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = text(&event["Type"]);
    let actor = &event["Actor"];
    let id = text(&actor["ID"]);
    let attributes = actor["Attributes"].as_object().into_iter().flatten();
    let object = actor["Attributes"]["name"].as_str();
    let object = object.unwrap_or_else(|| short_id(&id));
    let mut facts: Vec<String> = attributes
        .filter(|(name, _)| *name != "name")
        .map(|(name, value)| format!("{name}={}", text(value)))
        .collect();
    facts.sort();
    format!(
        "{}  {kind} {object}  {}  {}",
        coloured(&time, Colour::Dim),
        text(&event["Action"]),
        coloured(&facts.join(" "), Colour::Dim),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_names_the_object_and_its_facts_in_order() {
        let event = json!({
            "Type": "container",
            "Action": "die",
            "Actor": {
                "ID": "0123456789abcdef",
                "Attributes": { "name": "web", "image": "i", "exitCode": "3" }
            },
            "time": 1_700_000_000,
        });
        assert_eq!(
            line(&event),
            "2023-11-14T22:13:20Z  container web  die  exitCode=3 image=i"
        );
    }
}
