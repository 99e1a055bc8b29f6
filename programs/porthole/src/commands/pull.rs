//! `porthole pull` and `porthole push`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use hyper::Method;
use porthole_oci::Reference;

use super::progress::{self, Shown};
use crate::arguments::{Pulled, Pushed};
use crate::credentials::{self, Configuration, server};
use crate::output::say;
use crate::request::{self, query};

/// What tells the daemon who somebody is to a registry.
const AUTH: &str = "X-Registry-Auth";

/// `porthole pull`.
pub(crate) async fn carry_out(host: &str, pulled: &Pulled) -> Result<ExitCode> {
    let platform = pulled.platform.as_deref();
    if pulled.all_tags {
        if names_one(&pulled.image) {
            bail!("tag can't be used with --all-tags/-a");
        }
        pull(host, &pulled.image, None, platform, pulled.quiet).await?;
    } else {
        let tag = (!names_one(&pulled.image)).then_some("latest");
        pull(host, &pulled.image, tag, platform, pulled.quiet).await?;
    }
    say!("{}", full_name(&pulled.image, pulled.all_tags)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Pulls one image; shows its progress on standard error unless `quiet`.
pub(super) async fn pull_one(
    host: &str,
    image: &str,
    platform: Option<&str>,
    quiet: bool,
) -> Result<()> {
    let tag = (!names_one(image)).then_some("latest");
    pull(host, image, tag, platform, quiet).await
}

/// Whether a name has a tag or a digest; the daemon would take one without for all tags.
fn names_one(image: &str) -> bool {
    let last = image.rfind('/').map_or(0, |slash| slash + 1);
    image.contains('@') || image[last..].contains(':')
}

async fn pull(
    host: &str,
    image: &str,
    tag: Option<&str>,
    platform: Option<&str>,
    quiet: bool,
) -> Result<()> {
    let mut pairs = vec![("fromImage", image)];
    pairs.extend(tag.map(|tag| ("tag", tag)));
    pairs.extend(platform.map(|platform| ("platform", platform)));
    let mut request = request::to(Method::POST, &format!("/images/create?{}", query(&pairs)));
    let registry = server(image.parse::<Reference>()?.domain());
    if let Some(credentials) = credentials::or_nobody(&registry) {
        request = request.header(AUTH, credentials.header()?);
    }
    let answer = request::exchange(host, request.body(request::nothing())?).await?;
    progress::follow(answer, Shown::all_unless(quiet))
        .await
        .map(drop)
}

/// The name of an image, with its registry: what was pulled or pushed, whatever was left out.
fn full_name(image: &str, all_tags: bool) -> Result<String> {
    let mut reference: Reference = image.parse()?;
    if !all_tags {
        reference = reference.or_latest();
    }
    let mut name = reference.full_repository();
    if let Some(tag) = reference.tag() {
        name = format!("{name}:{tag}");
    }
    if let Some(digest) = reference.digest() {
        name = format!("{name}@{digest}");
    }
    Ok(name)
}

/// `porthole push`.
pub(crate) async fn push(host: &str, pushed: &Pushed) -> Result<ExitCode> {
    if pushed.image.contains('@') {
        bail!("cannot push a digest reference");
    }
    let last = pushed.image.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match pushed.image[last..].split_once(':') {
        Some(_) if pushed.all_tags => bail!("tag can't be used with --all-tags/-a"),
        Some((path, tag)) => (&pushed.image[..last + path.len()], Some(tag)),
        None if pushed.all_tags => (pushed.image.as_str(), None),
        None => (pushed.image.as_str(), Some("latest")),
    };
    let pairs: Vec<_> = tag.map(|tag| ("tag", tag)).into_iter().collect();
    // The slashes of a name are those of the path.
    let parts: Vec<_> = name.split('/').map(request::segment).collect();
    let path = format!("/images/{}/push?{}", parts.join("/"), query(&pairs));
    let credentials = Configuration::read()?.of_image(&pushed.image)?;
    let credentials = credentials.unwrap_or_default().header()?;
    let request = request::to(Method::POST, &path).header(AUTH, credentials);
    let answer = request::exchange(host, request.body(request::nothing())?).await?;
    progress::follow(answer, Shown::all_unless(pushed.quiet)).await?;
    say!("{}", full_name(&pushed.image, pushed.all_tags)?)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_in_full() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (image, all_tags, name) in [
            ("app", false, "docker.io/library/app:latest".to_owned()),
            ("me/app", true, "docker.io/me/app".to_owned()),
            (
                "r.example:5000/app:1",
                false,
                "r.example:5000/app:1".to_owned(),
            ),
            (
                &*format!("app@{digest}"),
                false,
                format!("docker.io/library/app@{digest}"),
            ),
        ] {
            assert_eq!(full_name(image, all_tags).expect("sound"), name);
        }
    }

    #[test]
    fn a_port_is_no_tag() {
        assert!(names_one("r.example:5000/app:1") && names_one("app@sha256:00"));
        assert!(!names_one("r.example:5000/app") && !names_one("app"));
    }
}
