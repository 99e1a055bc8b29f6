//! Every parameter of the queries of the endpoints that work, in API 1.50, and what becomes of it.
//! `docs/api.md` lists the same; a test compares the two. A parameter that the API does not have is
//! ignored, as by dockerd: client libraries send some.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::fields::{Fate, Field, inert, not_on_windows, planned, works};
use crate::query::Params;

/// Of attaching, over either kind of connection.
const ATTACH: &[Field] = &[
    works("detachKeys"),
    works("logs"),
    works("stream"),
    works("stdin"),
    works("stdout"),
    works("stderr"),
];

/// The parameters of each endpoint that has some.
pub(crate) const PARAMETERS: &[(&str, &[Field])] = &[
    (
        "GET /events",
        &[works("since"), works("until"), works("filters")],
    ),
    (
        "GET /images/json",
        &[
            inert("all"),
            works("filters"),
            works("filter"),
            works("shared-size"),
            inert("digests"),
            planned("manifests"),
        ],
    ),
    (
        "POST /images/create",
        &[
            works("fromImage"),
            works("tag"),
            works("platform"),
            works("fromSrc"),
            works("repo"),
            works("message"),
            works("changes"),
        ],
    ),
    ("POST /images/load", &[works("quiet"), works("platform")]),
    ("GET /images/get", &[works("names"), works("platform")]),
    ("GET /images/{name}/get", &[works("platform")]),
    (
        "GET /images/search",
        &[works("term"), works("limit"), works("filters")],
    ),
    (
        "POST /images/{name}/push",
        &[works("tag"), works("platform")],
    ),
    (
        "POST /commit",
        &[
            works("container"),
            works("repo"),
            works("tag"),
            works("comment"),
            works("author"),
            works("pause"),
            works("changes"),
        ],
    ),
    ("GET /porthole/registry", &[works("name"), works("over")]),
    (
        "GET /images/{name}/json",
        &[planned("manifests"), works("platform")],
    ),
    ("GET /images/{name}/history", &[works("platform")]),
    ("POST /images/{name}/tag", &[works("repo"), works("tag")]),
    (
        "DELETE /images/{name}",
        &[works("force"), inert("noprune"), planned("platforms")],
    ),
    (
        "GET /containers/json",
        &[
            works("all"),
            works("limit"),
            works("size"),
            works("filters"),
        ],
    ),
    (
        "POST /containers/create",
        &[works("name"), works("platform")],
    ),
    ("GET /containers/{id}/json", &[works("size")]),
    ("GET /containers/{id}/top", &[not_on_windows("ps_args")]),
    (
        "GET /containers/{id}/logs",
        &[
            works("follow"),
            works("stdout"),
            works("stderr"),
            works("since"),
            works("until"),
            works("timestamps"),
            works("tail"),
            works("details"),
        ],
    ),
    (
        "GET /containers/{id}/stats",
        &[works("stream"), works("one-shot")],
    ),
    (
        "POST /containers/{id}/start",
        &[
            inert("detachKeys"),
            not_on_windows("checkpoint"),
            not_on_windows("checkpoint-dir"),
        ],
    ),
    ("POST /containers/{id}/stop", &[works("signal"), works("t")]),
    (
        "POST /containers/{id}/restart",
        &[works("signal"), works("t")],
    ),
    ("POST /containers/{id}/kill", &[works("signal")]),
    ("POST /containers/{id}/rename", &[works("name")]),
    ("POST /containers/{id}/wait", &[works("condition")]),
    ("POST /containers/{id}/resize", &[works("h"), works("w")]),
    ("POST /containers/{id}/attach", ATTACH),
    ("GET /containers/{id}/attach/ws", ATTACH),
    ("HEAD /containers/{id}/archive", &[works("path")]),
    ("GET /containers/{id}/archive", &[works("path")]),
    (
        "PUT /containers/{id}/archive",
        &[
            works("path"),
            works("noOverwriteDirNonDir"),
            inert("copyUIDGID"),
        ],
    ),
    (
        "DELETE /containers/{id}",
        &[inert("v"), works("force"), not_on_windows("link")],
    ),
    ("POST /exec/{id}/resize", &[works("h"), works("w")]),
    ("GET /networks", &[works("filters")]),
    ("GET /networks/{id}", &[inert("verbose"), works("scope")]),
    ("GET /volumes", &[works("filters")]),
    ("POST /containers/prune", &[works("filters")]),
    ("POST /images/prune", &[works("filters")]),
    ("POST /networks/prune", &[works("filters")]),
    ("POST /volumes/prune", &[works("filters")]),
    (
        "POST /build/prune",
        &[
            inert("all"),
            works("filters"),
            inert("keep-storage"),
            inert("max-used-space"),
            inert("min-free-space"),
            inert("reserved-space"),
        ],
    ),
    ("GET /system/df", &[works("type")]),
];

/// The parameters of an endpoint.
pub(crate) fn of(endpoint: &str) -> &'static [Field] {
    PARAMETERS
        .iter()
        .find(|(name, _)| *name == endpoint)
        .map_or(&[], |(_, parameters)| parameters)
}

/// Refuses a request that sets a parameter which does not work; passes others on.
pub(crate) async fn check(
    parameters: &'static [Field],
    params: Params,
    request: Request,
    next: Next,
) -> Response {
    match unsupported(parameters, &params) {
        Some(refusal) => ApiError::bad_parameter(refusal).into_response(),
        None => next.run(request).await,
    }
}

fn unsupported(parameters: &[Field], params: &Params) -> Option<String> {
    let refused = |field: &&Field| !matches!(field.fate, Fate::Works | Fate::Inert);
    parameters
        .iter()
        .filter(refused)
        .find(|field| params.flag(field.name))
        .and_then(|field| field.refusal(field.name))
}
