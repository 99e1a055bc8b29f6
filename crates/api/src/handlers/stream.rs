//! Streams: logs, events, stats.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures::StreamExt;
use porthole_engine::Engine;
use porthole_engine::container::logs::{LogEntry, LogQuery};
use porthole_engine::container::stats::StatsQuery;
use porthole_engine::event::EventQuery;

use super::Answer;
use crate::error::ApiError;
use crate::hijack;
use crate::query::Params;
use crate::version::ApiVersion;
use crate::{multiplex, render, timestamp};

/// `GET /containers/{id}/logs`.
pub(crate) async fn logs(
    State(engine): State<Arc<Engine>>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    let (stdout, stderr) = (params.flag("stdout"), params.flag("stderr"));
    if !stdout && !stderr {
        return Err(ApiError::bad_parameter(
            "must specify at least one of 'stdout' or 'stderr'",
        ));
    }
    let time = |name| {
        params
            .get(name)
            .filter(|text| *text != "0")
            .map(|text| timestamp::parse(name, text))
            .transpose()
    };
    let query = LogQuery {
        stdout,
        stderr,
        follow: params.flag("follow"),
        since: time("since")?,
        until: time("until")?,
        tail: tail(params.get("tail")),
    };
    let (timestamps, details) = (params.flag("timestamps"), params.flag("details"));
    let log = engine.container_logs(&id, query).await?;
    let tty = log.tty;
    let body = Body::from_stream(log.entries.map(move |entry| {
        entry.map(|entry| {
            let stream = entry.stream;
            let line = line(&entry, timestamps, details);
            if tty {
                Bytes::from(line)
            } else {
                multiplex::frame(stream, &line)
            }
        })
    }));
    Ok((
        [(header::CONTENT_TYPE, hijack::media_type(tty, version))],
        body,
    )
        .into_response())
}

/// How many lines. Whatever is no number means all of them, and so do negative ones, as in dockerd.
fn tail(text: Option<&str>) -> Option<u64> {
    text.and_then(|text| text.parse().ok())
}

/// A line as clients see it. Details are what log options would add; there are none.
fn line(entry: &LogEntry, timestamps: bool, details: bool) -> Vec<u8> {
    let mut line = Vec::with_capacity(entry.message.len() + 32);
    if timestamps {
        line.extend_from_slice(timestamp::fixed(entry.time).as_bytes());
        line.push(b' ');
    }
    if details {
        line.extend_from_slice(attributes(entry).as_bytes());
        line.push(b' ');
    }
    line.extend_from_slice(&entry.message);
    line
}

/// What the log options add, as dockerd writes it: `name=value` joined by commas, encoded as in a
/// query.
fn attributes(entry: &LogEntry) -> String {
    let encode = |text| form_urlencoded::byte_serialize(str::as_bytes(text)).collect::<String>();
    let pairs = entry.attributes.iter();
    let pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join(",")
}

/// `GET /events`.
pub(crate) async fn events(State(engine): State<Arc<Engine>>, params: Params) -> Answer {
    let time = |name| {
        params
            .get(name)
            .map(|text| timestamp::parse(name, text))
            .transpose()
    };
    let query = EventQuery {
        since: time("since")?,
        until: time("until")?,
        filters: params.filters()?,
    };
    if let (Some(since), Some(until)) = (query.since, query.until)
        && since > until
    {
        return Err(ApiError::bad_parameter(
            "`since` time cannot be after `until` time",
        ));
    }
    let events = engine.events(query)?;
    let body = Body::from_stream(events.map(|event| {
        Ok::<_, std::convert::Infallible>(Bytes::from(format!(
            "{}\n",
            render::event::message(&event)
        )))
    }));
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], body).into_response())
}

/// `GET /containers/{id}/stats`.
pub(crate) async fn stats(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    let stream = params.get("stream").is_none() || params.flag("stream");
    let query = match (stream, params.flag("one-shot")) {
        (true, true) => {
            return Err(ApiError::bad_parameter(
                "cannot have stream=true and one-shot=true",
            ));
        }
        (true, false) => StatsQuery::Stream,
        (false, true) => StatsQuery::OneShot,
        (false, false) => StatsQuery::Pair,
    };
    let samples = engine.container_stats(&id, query).await?;
    let body = Body::from_stream(samples.map(|stats| {
        stats.map(|stats| Bytes::from(format!("{}\n", render::stats::stats(&stats))))
    }));
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], body).into_response())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use porthole_engine::attachment::StreamKind;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn tail_is_a_number_or_all() {
        assert_eq!(tail(Some("0")), Some(0));
        assert_eq!(tail(Some("12")), Some(12));
        for all in [None, Some("all"), Some("-1"), Some("few")] {
            assert_eq!(tail(all), None, "{all:?}");
        }
    }

    #[test]
    fn a_line_carries_what_was_asked_for() {
        let mut entry = LogEntry {
            stream: StreamKind::Stdout,
            time: datetime!(2026-11-24 04:00:00 UTC),
            message: b"hi\n".to_vec(),
            attributes: BTreeMap::new(),
        };
        assert_eq!(line(&entry, false, false), b"hi\n");
        assert_eq!(
            line(&entry, true, true),
            b"2026-11-24T04:00:00.000000000Z  hi\n"
        );
        for (name, value) in [("tag", "a b"), ("com.x", "1,2")] {
            entry.attributes.insert(name.to_owned(), value.to_owned());
        }
        assert_eq!(line(&entry, false, true), b"com.x=1%2C2,tag=a+b hi\n");
    }
}
