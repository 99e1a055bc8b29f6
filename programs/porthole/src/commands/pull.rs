//! Pulling images.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Result, bail};
use bollard::Docker;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::StreamExt;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::arguments::Pulled;
use crate::output::{remark, say};

/// `porthole pull`.
pub(crate) async fn carry_out(client: &Docker, pulled: &Pulled) -> Result<ExitCode> {
    pull(
        client,
        &pulled.image,
        pulled.platform.as_deref(),
        pulled.quiet,
    )
    .await?;
    say!("{}", pulled.image)?;
    Ok(ExitCode::SUCCESS)
}

/// Pulls an image; shows its progress on standard error unless `quiet`.
pub(super) async fn pull(
    client: &Docker,
    image: &str,
    platform: Option<&str>,
    quiet: bool,
) -> Result<()> {
    // The daemon would take a name without a tag for all tags.
    let last = image.rfind('/').map_or(0, |slash| slash + 1);
    let names_one = image.contains('@') || image[last..].contains(':');
    let mut options = CreateImageOptionsBuilder::default().from_image(image);
    if !names_one {
        options = options.tag("latest");
    }
    if let Some(platform) = platform {
        options = options.platform(platform);
    }
    let mut progress = Progress::new(quiet);
    let mut answer = Box::pin(client.create_image(Some(options.build()), None, None));
    while let Some(step) = answer.next().await {
        progress.show(step?)?;
    }
    Ok(())
}

/// A bar for each layer on a terminal; elsewhere a line for each thing that is said.
struct Progress {
    bars: Option<MultiProgress>,
    layers: HashMap<String, ProgressBar>,
    quiet: bool,
}

impl Progress {
    fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        Self {
            bars: terminal.then(MultiProgress::new),
            layers: HashMap::new(),
            quiet,
        }
    }

    fn show(&mut self, step: CreateImageInfo) -> Result<()> {
        if let Some(message) = step.error_detail.and_then(|error| error.message) {
            bail!(message);
        }
        let status = step.status.unwrap_or_default();
        if self.quiet {
            return Ok(());
        }
        match (&self.bars, step.id) {
            (Some(bars), Some(id)) => {
                let new = || {
                    let bar = bars.add(ProgressBar::new(0));
                    // The template is constant and sound; the default style would do otherwise.
                    let style =
                        ProgressStyle::with_template("{prefix:14} {bar:30} {bytes:>10} {msg}");
                    if let Ok(style) = style {
                        bar.set_style(style);
                    }
                    bar.set_prefix(id.clone());
                    bar
                };
                let bar = self.layers.entry(id.clone()).or_insert_with(new);
                bar.set_message(status);
                if let Some(detail) = step.progress_detail {
                    let bytes =
                        |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
                    if let Some(total) = bytes(detail.total) {
                        bar.set_length(total);
                    }
                    if let Some(current) = bytes(detail.current) {
                        bar.set_position(current);
                    }
                }
            }
            // A terminal that is gone takes no line.
            (Some(bars), None) => drop(bars.println(status)),
            // One line for each step of a layer, not for each piece of it.
            (None, Some(_))
                if step
                    .progress_detail
                    .is_some_and(|detail| detail.current.is_some()) => {}
            (None, Some(id)) => remark!("{id}: {status}"),
            (None, None) => remark!("{status}"),
        }
        Ok(())
    }
}
