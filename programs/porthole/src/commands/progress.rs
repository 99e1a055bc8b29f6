//! The daemon's progress: a bar for each layer on a terminal, elsewhere a line for each thing that is
//! said.

use std::collections::HashMap;
use std::io::IsTerminal;

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::output::remark;
use crate::shown;

/// Bytes of one line at most.
const MAX_LINE: usize = 1 << 20;

/// What is shown of the progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// All of it.
    All,
    /// That of layers; the caller prints what is said of the whole.
    Layers,
    /// None.
    Nothing,
}

impl Shown {
    /// All of it, unless `--quiet` is given.
    pub(super) const fn all_unless(quiet: bool) -> Self {
        if quiet { Self::Nothing } else { Self::All }
    }
}

/// Shows the progress in an answer; gives what was said of the whole, line by line.
pub(super) async fn follow(answer: Response<Incoming>, shown: Shown) -> Result<Vec<String>> {
    let mut progress = Progress::new(shown);
    let mut body = answer.into_body();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the daemon's answer broke off")?;
        if let Ok(data) = frame.into_data() {
            rest.extend_from_slice(&data);
        }
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest.split_to(end);
            rest.advance(1);
            progress.line(&line)?;
        }
        if rest.len() > MAX_LINE {
            bail!("the daemon's answer has a line without an end");
        }
    }
    progress.line(&rest)?;
    Ok(progress.said)
}

struct Progress {
    bars: Option<MultiProgress>,
    layers: HashMap<String, ProgressBar>,
    shown: Shown,
    said: Vec<String>,
}

impl Progress {
    fn new(shown: Shown) -> Self {
        let is_terminal = std::io::stderr().is_terminal() && shown != Shown::Nothing;
        Self {
            bars: is_terminal.then(MultiProgress::new),
            layers: HashMap::new(),
            shown,
            said: Vec::new(),
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<()> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let step: Value = serde_json::from_slice(line).context("the daemon's answer is no JSON")?;
        if let Some(error) = step["error"].as_str() {
            bail!("{error}");
        }
        let text = |name: &str| step[name].as_str().map(str::trim_end).map(shown::lines);
        let Some(status) = text("status").or_else(|| text("stream")) else {
            return Ok(());
        };
        let (id, status) = (text("id"), status.as_str());
        match id.as_deref() {
            Some(id) if step.get("progressDetail").is_some() => {
                self.layer(id, status, &step["progressDetail"]);
            }
            Some(id) => self.whole(&format!("{id}: {status}")),
            None => self.whole(status),
        }
        Ok(())
    }

    fn whole(&mut self, line: &str) {
        self.said.push(line.to_owned());
        match &self.bars {
            _ if self.shown != Shown::All => {}
            // A terminal that is gone takes no line.
            Some(bars) => drop(bars.println(line)),
            None => remark!("{line}"),
        }
    }

    fn layer(&mut self, id: &str, status: &str, detail: &Value) {
        let bytes = |name: &str| detail[name].as_u64();
        match &self.bars {
            _ if self.shown == Shown::Nothing => {}
            Some(bars) => {
                let bar = self
                    .layers
                    .entry(id.to_owned())
                    .or_insert_with(|| bar(bars, id));
                bar.set_message(status.to_owned());
                if let Some(total) = bytes("total") {
                    bar.set_length(total);
                }
                if let Some(current) = bytes("current") {
                    bar.set_position(current);
                }
            }
            // One line for each step of a layer, not for each piece of it.
            None if bytes("current").is_some() => {}
            None => remark!("{id}: {status}"),
        }
    }
}

fn bar(bars: &MultiProgress, id: &str) -> ProgressBar {
    let bar = bars.add(ProgressBar::new(0));
    // The template is constant and sound; the default style would do otherwise.
    if let Ok(style) = ProgressStyle::with_template("{prefix:14} {bar:30} {bytes:>10} {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(id.to_owned());
    bar
}
