//! Images.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use porthole_engine::image::RemoveImage;
use porthole_engine::{Engine, ErrorKind};
use serde_json::{Value, json};

use super::Answer;
use crate::error::ApiError;
use crate::query::Params;
use crate::version::ApiVersion;
use crate::{platform, render};

/// The prefix of images that are built here and nowhere else.
const LOCAL: &str = "porthole/";

/// The base OS images that can be built.
const BASES: [&str; 2] = ["nanoserver", "servercore"];

/// `GET /images/json`.
pub(crate) async fn list(
    State(engine): State<Arc<Engine>>,
    Extension(version): Extension<ApiVersion>,
    params: Params,
) -> Answer {
    let mut filters = params.filters()?;
    // What 1.41 took out: a pattern for names.
    if let Some(pattern) = params.get("filter").filter(|_| !version.at_least(41)) {
        let patterns = filters.0.entry("reference".to_owned()).or_default();
        patterns.push(pattern.to_owned());
    }
    let images = engine.list_images(filters).await?;
    let rows = images
        .iter()
        .map(|image| render::image::summary(image, version))
        .collect();
    Ok(super::json(StatusCode::OK, &Value::Array(rows)))
}

/// `GET /images/{name}/json`.
pub(crate) async fn inspect(
    State(engine): State<Arc<Engine>>,
    Extension(version): Extension<ApiVersion>,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    let image = engine.inspect_image(&name).await?;
    platform::check_json(&params, &name)?;
    Ok(super::json(
        StatusCode::OK,
        &render::image::details(&image, version),
    ))
}

/// `GET /images/{name}/history`.
pub(crate) async fn history(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    let history = engine.image_history(&name).await?;
    platform::check_json(&params, &name)?;
    Ok(super::json(
        StatusCode::OK,
        &render::image::history(&history),
    ))
}

/// `POST /images/{name}/tag`.
pub(crate) async fn tag(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    let repository = params.get("repo").unwrap_or_default();
    engine
        .tag_image(&name, repository, params.get("tag"))
        .await?;
    Ok(StatusCode::CREATED.into_response())
}

/// `DELETE /images/{name}`.
pub(crate) async fn remove(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    let options = RemoveImage {
        force: params.flag("force"),
    };
    let removed = engine.remove_image(&name, options).await?;
    Ok(super::json(
        StatusCode::OK,
        &render::image::removed(&removed),
    ))
}

/// `POST /images/create`: pull, for names that are local; import and registries come later.
pub(crate) async fn pull(State(engine): State<Arc<Engine>>, params: Params) -> Answer {
    let Some(from) = params.get("fromImage") else {
        return Err(ApiError::bad_parameter(
            "fromImage does not say what to pull",
        ));
    };
    platform::check(&params)?;
    let repository = short_name(from);
    let tag = params.get("tag").unwrap_or("latest");
    let Some(base) = repository.strip_prefix(LOCAL) else {
        return Err(ApiError::not_there(format!(
            "no matching manifest for windows/amd64 of {repository}: Porthole runs Windows images, and this version has no registry client to look for one; it has the images that 'porthole base build' makes"
        )));
    };
    let (base, tag) = split_reference(base, tag);
    let reference = format!("{LOCAL}{base}:{tag}");
    match engine.inspect_image(&reference).await {
        Ok(_) => Ok(up_to_date(&reference, tag)),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(absent(&reference, base)),
        Err(error) => Err(error.into()),
    }
}

/// A name as people write it: clients add Docker's registry in front.
fn short_name(name: &str) -> &str {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

/// Old clients put the tag into the name.
fn split_reference<'a>(name: &'a str, tag: &'a str) -> (&'a str, &'a str) {
    name.split_once(':').unwrap_or((name, tag))
}

fn up_to_date(reference: &str, tag: &str) -> axum::response::Response {
    let repository = reference
        .rsplit_once(':')
        .map_or(reference, |(repository, _)| repository);
    let lines = [
        json!({ "status": format!("Pulling from {repository}"), "id": tag }),
        json!({ "status": format!("Status: Image is up to date for {reference}") }),
    ];
    let body: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn absent(reference: &str, base: &str) -> ApiError {
    let message = if BASES.contains(&base) {
        format!(
            "{reference} is not built yet: images named porthole/… are made on this host; run 'porthole base build {base}' first"
        )
    } else {
        format!(
            "{reference} is no base OS image; 'porthole base build' makes porthole/{} and porthole/{}",
            BASES[0], BASES[1]
        )
    };
    ApiError::from(porthole_engine::Error::new(ErrorKind::NotFound, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_dockers_registry() {
        assert_eq!(
            short_name("docker.io/porthole/nanoserver"),
            "porthole/nanoserver"
        );
        assert_eq!(short_name("docker.io/library/alpine"), "alpine");
        assert_eq!(short_name("quay.io/a/b"), "quay.io/a/b");
        assert_eq!(
            split_reference("nanoserver:1", "latest"),
            ("nanoserver", "1")
        );
        assert_eq!(
            split_reference("nanoserver", "latest"),
            ("nanoserver", "latest")
        );
    }
}
