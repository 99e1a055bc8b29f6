//! Images and containers as archives: `save`, `load`, `import` and `export`.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use futures::stream;
use hyper::Method;
use hyper::header::CONTENT_TYPE;

use super::archive_output::ArchiveOutput;
use super::cp::pipe;
use super::progress::{self, Shown};
use crate::arguments::{Export, Import, Load, Save};
use crate::output::say;
use crate::request::{self, Body, query};

/// `porthole save`.
pub(crate) async fn save(host: &str, save: &Save) -> Result<ExitCode> {
    let output = ArchiveOutput::open(save.output.as_deref())?;
    let names: Vec<_> = save
        .images
        .iter()
        .map(|name| ("names", name.as_str()))
        .collect();
    let path = format!("/images/get?{}", query(&names));
    let answer = request::send(host, Method::GET, &path, None).await?;
    output.take(answer).await
}

/// `porthole export`.
pub(crate) async fn export(host: &str, export: &Export) -> Result<ExitCode> {
    let output = ArchiveOutput::open(export.output.as_deref())?;
    let path = format!("/containers/{}/export", request::segment(&export.container));
    let answer = request::send(host, Method::GET, &path, None).await?;
    output.take(answer).await
}

/// `porthole load`.
pub(crate) async fn load(host: &str, load: &Load) -> Result<ExitCode> {
    let body = input(load.input.as_deref().filter(|path| *path != Path::new("-")))?;
    let quiet = if load.quiet { "1" } else { "0" };
    let path = format!("/images/load?{}", query(&[("quiet", quiet)]));
    let request = request::to(Method::POST, &path).header(CONTENT_TYPE, "application/x-tar");
    let answer = request::exchange(host, request.body(body)?).await?;
    let shown = if load.quiet {
        Shown::Nothing
    } else {
        Shown::Layers
    };
    for line in progress::follow(answer, shown).await? {
        say!("{line}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `porthole import`.
pub(crate) async fn import(host: &str, import: &Import) -> Result<ExitCode> {
    let is_address = import.source.contains("://");
    let mut pairs = vec![("fromSrc", if is_address { &*import.source } else { "-" })];
    if let Some(name) = &import.name {
        pairs.push(("repo", name.as_str()));
    }
    if let Some(message) = &import.message {
        pairs.push(("message", message.as_str()));
    }
    pairs.extend(
        import
            .change
            .iter()
            .map(|change| ("changes", change.as_str())),
    );
    let body = match import.source.as_str() {
        _ if is_address => request::nothing(),
        "-" => input(None)?,
        path => input(Some(Path::new(path)))?,
    };
    let path = format!("/images/create?{}", query(&pairs));
    let request = request::to(Method::POST, &path).header(CONTENT_TYPE, "application/x-tar");
    let answer = request::exchange(host, request.body(body)?).await?;
    // The last thing said is the image's ID.
    let Some(id) = progress::follow(answer, Shown::Nothing).await?.pop() else {
        bail!("the daemon made an image and did not tell its ID");
    };
    say!("{id}")?;
    Ok(ExitCode::SUCCESS)
}

/// A file as a body; standard input without one.
fn input(path: Option<&Path>) -> Result<Body> {
    let mut source: Box<dyn Read + Send> = match path {
        Some(path) => {
            let file = File::open(path);
            Box::new(file.with_context(|| format!("cannot open {}", path.display()))?)
        }
        None => {
            ensure!(
                !io::stdin().is_terminal(),
                "an archive is expected on standard input, which is a terminal: pipe one in, or name a file"
            );
            Box::new(io::stdin())
        }
    };
    let (mut writer, pieces) = pipe::writer();
    tokio::task::spawn_blocking(move || {
        let copied = io::copy(&mut source, &mut writer).and_then(|_| writer.flush());
        if let Err(error) = copied {
            writer.fail(&error.into());
        }
    });
    let pieces = stream::unfold(pieces, async |mut pieces| {
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    });
    Ok(request::pieces(pieces))
}
