//! `porthole update`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use hyper::Method;
use serde_json::Value;

use super::create::{body, warnings};
use super::each::each;
use crate::arguments::Update;
use crate::request;

/// Carries it out.
pub(crate) async fn carry_out(host: &str, update: &Update) -> Result<ExitCode> {
    let body = Value::Object(body::resources(&update.resources)?.0);
    if body.as_object().is_some_and(serde_json::Map::is_empty) {
        bail!("update changes nothing: say what, for example --memory 512m or --restart always");
    }
    Ok(each(&update.containers, async |name| -> Result<()> {
        let path = format!("/containers/{}/update", request::segment(name));
        let answer = request::json(host, Method::POST, &path, Some(&body)).await?;
        warnings(&answer);
        Ok(())
    })
    .await)
}
