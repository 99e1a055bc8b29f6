//! `porthole commit`.

use std::process::ExitCode;

use anyhow::Result;
use hyper::Method;

use crate::arguments::Commit;
use crate::output::say;
use crate::request::{self, query};

/// Makes an image of a container, and prints its ID.
pub(crate) async fn carry_out(host: &str, commit: &Commit) -> Result<ExitCode> {
    let mut pairs = vec![
        ("container", commit.container.as_str()),
        ("pause", if commit.no_pause { "0" } else { "1" }),
    ];
    for (name, value) in [
        ("repo", &commit.name),
        ("author", &commit.author),
        ("comment", &commit.message),
    ] {
        pairs.extend(value.as_deref().map(|value| (name, value)));
    }
    pairs.extend(
        commit
            .change
            .iter()
            .map(|change| ("changes", change.as_str())),
    );
    let path = format!("/commit?{}", query(&pairs));
    let answer = request::json(host, Method::POST, &path, None).await?;
    say!("{}", answer["Id"].as_str().unwrap_or_default())?;
    Ok(ExitCode::SUCCESS)
}
