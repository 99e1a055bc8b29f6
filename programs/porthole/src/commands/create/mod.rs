//! Making containers: `porthole create`, and the first half of `porthole run`.

pub(super) mod body;
pub(super) mod files;
mod mount;
mod publish;
mod split;
mod volume;

use std::process::ExitCode;

use anyhow::Result;
use bollard::errors::Error;
use hyper::Method;
use serde_json::Value;

use super::pull;
use crate::arguments::Create;
use crate::arguments::options::{Options, Pull, Streams};
use crate::output::{remark, say};
use crate::request;
use files::CidFile;

/// `porthole create`: prints the ID.
pub(crate) async fn carry_out(host: &str, new: Create) -> Result<ExitCode> {
    let streams = Some(new.options.streams());
    let id = create(host, &new.options, streams, new.rm).await?;
    say!("{id}")?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a container and returns its ID; pulls its image where that is wanted.
pub(super) async fn create(
    host: &str,
    options: &Options,
    attached: Option<Streams>,
    remove: bool,
) -> Result<String> {
    let body = body::of(options, attached, remove)?;
    let cidfile = options
        .cidfile
        .as_deref()
        .map(CidFile::create)
        .transpose()?;
    let mut parameters = Vec::new();
    if let Some(name) = &options.name {
        parameters.push(("name", name.as_str()));
    }
    if let Some(platform) = &options.platform {
        parameters.push(("platform", platform));
    }
    let path = format!("/containers/create?{}", request::query(&parameters));
    if options.pull == Pull::Always {
        pull_image(host, options).await?;
    }
    let created = match request::json(host, Method::POST, &path, Some(&body)).await {
        Err(error) if options.pull == Pull::Missing && lacks_image(&error) => {
            remark!("Unable to find image '{}' locally", options.image());
            pull_image(host, options).await?;
            request::json(host, Method::POST, &path, Some(&body)).await?
        }
        created => created?,
    };
    warnings(&created);
    let Some(id) = created["Id"].as_str() else {
        anyhow::bail!("the daemon made a container and did not tell its ID: {created}");
    };
    if let Some(file) = cidfile {
        file.write(id)?;
    }
    Ok(id.to_owned())
}

async fn pull_image(host: &str, options: &Options) -> Result<()> {
    let platform = options.platform.as_deref();
    pull::pull_one(host, options.image(), platform, options.quiet).await
}

/// Whether the daemon says that it has no such image; other things may be missing too.
fn lacks_image(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(Error::DockerResponseServerError { status_code: 404, message })
            if message.to_lowercase().starts_with("no such image")
    )
}

/// What the daemon had to say beside its answer.
pub(super) fn warnings(answer: &Value) {
    for warning in answer["Warnings"].as_array().into_iter().flatten() {
        remark!("warning: {}", warning.as_str().unwrap_or_default());
    }
}
