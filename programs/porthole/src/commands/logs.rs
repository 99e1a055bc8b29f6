//! `porthole logs`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use http_body_util::BodyExt;
use hyper::Method;
use porthole_container_log::Stream;
use porthole_container_log::stdcopy::FrameDecoder;
use time::OffsetDateTime;

use crate::arguments::Logs;
use crate::{moment, request};

/// Carries it out.
pub(crate) async fn carry_out(host: &str, logs: Logs) -> Result<ExitCode> {
    let container = format!("/containers/{}", request::segment(&logs.container));
    let details = request::get(host, &format!("{container}/json")).await?;
    let now = OffsetDateTime::now_utc();
    let moment = |text: Option<String>| text.map(|text| moment::parse(&text, now)).transpose();
    let since = moment(logs.since).context("--since")?;
    let until = moment(logs.until).context("--until")?;
    let mut parameters = vec![
        ("stdout", "1"),
        ("stderr", "1"),
        ("tail", logs.tail.as_str()),
    ];
    for (name, wanted) in [
        ("follow", logs.follow),
        ("timestamps", logs.timestamps),
        ("details", logs.details),
    ] {
        parameters.extend(wanted.then_some((name, "1")));
    }
    parameters.extend(since.as_deref().map(|since| ("since", since)));
    parameters.extend(until.as_deref().map(|until| ("until", until)));
    let path = format!("{container}/logs?{}", request::query(&parameters));
    let mut answer = request::send(host, Method::GET, &path, None)
        .await?
        .into_body();
    // A console has one stream, which comes as it is.
    let mut decoder = (details["Config"]["Tty"] != true).then(FrameDecoder::new);
    while let Some(frame) = answer.frame().await {
        let frame = frame.context("the log broke off")?;
        let bytes = frame.data_ref().map_or(&[][..], |data| data);
        show(bytes, decoder.as_mut())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(bytes: &[u8], decoder: Option<&mut FrameDecoder>) -> Result<()> {
    let (mut stdout, mut stderr) = (std::io::stdout().lock(), std::io::stderr().lock());
    let mut written = Ok(());
    let mut write = |stream, content: &[u8]| {
        let result = match stream {
            Stream::Stdout => stdout.write_all(content),
            Stream::Stderr => stderr.write_all(content),
        };
        if written.is_ok() {
            written = result;
        }
    };
    match decoder {
        Some(decoder) => decoder.push(bytes, write)?,
        None => write(Stream::Stdout, bytes),
    }
    written?;
    stdout.flush()?;
    Ok(())
}
