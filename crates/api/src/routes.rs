//! Every endpoint of Engine API 1.50: those that work with their handlers, and those to come.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{Next, from_fn};
use axum::routing::{MethodFilter, MethodRouter, on};
use porthole_engine::Engine;

use crate::error::ApiError;
use crate::handlers::{
    archive, attach, changes, container, exec, image, network, prune, registry, stream, system,
    transfer, volume,
};
use crate::parameters;
use crate::query::Params;

/// An endpoint that works.
struct Route {
    /// Method and path, `GET /version`.
    endpoint: &'static str,
    handler: MethodRouter<Arc<Engine>>,
}

fn route<H, T>(endpoint: &'static str, handler: H) -> Route
where
    H: Handler<T, Arc<Engine>>,
    T: 'static,
{
    Route {
        endpoint,
        handler: on(split(endpoint).0, handler),
    }
}

/// Endpoints that answer 501, with what each would do.
pub(crate) const PLANNED: &[(&str, &str)] = &[
    ("POST /build", "building of images"),
    ("POST /session", "BuildKit sessions"),
    ("POST /volumes/create", "volumes"),
    ("PUT /volumes/{name}", "volumes"),
    ("DELETE /volumes/{name}", "volumes"),
    ("POST /networks/create", "networks of one's own"),
    ("POST /networks/{id}/connect", "networks of one's own"),
    ("POST /networks/{id}/disconnect", "networks of one's own"),
    ("GET /plugins", "plug-ins"),
    ("GET /plugins/privileges", "plug-ins"),
    ("POST /plugins/pull", "plug-ins"),
    ("GET /plugins/{name}/json", "plug-ins"),
    ("DELETE /plugins/{name}", "plug-ins"),
    ("POST /plugins/{name}/enable", "plug-ins"),
    ("POST /plugins/{name}/disable", "plug-ins"),
    ("POST /plugins/{name}/upgrade", "plug-ins"),
    ("POST /plugins/create", "plug-ins"),
    ("POST /plugins/{name}/push", "plug-ins"),
    ("POST /plugins/{name}/set", "plug-ins"),
    ("GET /nodes", "Swarm"),
    ("GET /nodes/{id}", "Swarm"),
    ("DELETE /nodes/{id}", "Swarm"),
    ("POST /nodes/{id}/update", "Swarm"),
    ("GET /swarm", "Swarm"),
    ("POST /swarm/init", "Swarm"),
    ("POST /swarm/join", "Swarm"),
    ("POST /swarm/leave", "Swarm"),
    ("POST /swarm/update", "Swarm"),
    ("GET /swarm/unlockkey", "Swarm"),
    ("POST /swarm/unlock", "Swarm"),
    ("GET /services", "Swarm"),
    ("POST /services/create", "Swarm"),
    ("GET /services/{id}", "Swarm"),
    ("DELETE /services/{id}", "Swarm"),
    ("POST /services/{id}/update", "Swarm"),
    ("GET /services/{id}/logs", "Swarm"),
    ("GET /tasks", "Swarm"),
    ("GET /tasks/{id}", "Swarm"),
    ("GET /tasks/{id}/logs", "Swarm"),
    ("GET /secrets", "Swarm"),
    ("POST /secrets/create", "Swarm"),
    ("GET /secrets/{id}", "Swarm"),
    ("DELETE /secrets/{id}", "Swarm"),
    ("POST /secrets/{id}/update", "Swarm"),
    ("GET /configs", "Swarm"),
    ("POST /configs/create", "Swarm"),
    ("GET /configs/{id}", "Swarm"),
    ("DELETE /configs/{id}", "Swarm"),
    ("POST /configs/{id}/update", "Swarm"),
];

/// Endpoints that work.
fn working() -> Vec<Route> {
    let all = [of_images(), of_containers(), of_the_rest()];
    all.into_iter().flatten().collect()
}

/// Images, and the registries that they come from.
fn of_images() -> Vec<Route> {
    vec![
        route("GET /images/json", image::list),
        route("POST /images/create", transfer::create),
        route("POST /images/load", transfer::load),
        route("GET /images/get", transfer::save),
        route("GET /images/search", registry::search),
        route("GET /images/{name}/get", transfer::save_one),
        route("POST /images/{name}/push", transfer::push),
        route("GET /images/{name}/json", image::inspect),
        route("GET /images/{name}/history", image::history),
        route("POST /images/{name}/tag", image::tag),
        route("DELETE /images/{name}", image::remove),
        route("POST /images/prune", prune::images),
        route("POST /auth", registry::login),
        route("GET /distribution/{name}/json", registry::distribution),
    ]
}

/// Containers, and what runs and changes in them.
fn of_containers() -> Vec<Route> {
    vec![
        route("GET /containers/json", container::list),
        route("POST /containers/create", container::create),
        route("GET /containers/{id}/json", container::inspect),
        route("GET /containers/{id}/top", container::top),
        route("GET /containers/{id}/changes", changes::changes),
        route("GET /containers/{id}/export", changes::export),
        route("POST /commit", changes::commit),
        route("GET /containers/{id}/logs", stream::logs),
        route("GET /containers/{id}/stats", stream::stats),
        route("POST /containers/{id}/start", container::start),
        route("POST /containers/{id}/stop", container::stop),
        route("POST /containers/{id}/restart", container::restart),
        route("POST /containers/{id}/kill", container::kill),
        route("POST /containers/{id}/pause", container::pause),
        route("POST /containers/{id}/unpause", container::unpause),
        route("POST /containers/{id}/update", container::update),
        route("POST /containers/{id}/rename", container::rename),
        route("POST /containers/{id}/wait", container::wait),
        route("POST /containers/{id}/resize", container::resize),
        route("POST /containers/{id}/attach", attach::attach),
        route("GET /containers/{id}/attach/ws", attach::web_socket),
        route("HEAD /containers/{id}/archive", archive::stat),
        route("GET /containers/{id}/archive", archive::read),
        route("PUT /containers/{id}/archive", archive::write),
        route("DELETE /containers/{id}", container::remove),
        route("POST /containers/{id}/exec", exec::create),
        route("POST /exec/{id}/start", exec::start),
        route("POST /exec/{id}/resize", exec::resize),
        route("GET /exec/{id}/json", exec::inspect),
        route("POST /containers/prune", prune::containers),
        route("GET /porthole/registry", changes::registry),
    ]
}

/// The daemon itself, networks and volumes.
fn of_the_rest() -> Vec<Route> {
    vec![
        route("GET /_ping", system::ping),
        route("HEAD /_ping", system::ping),
        route("GET /version", system::version),
        route("GET /info", system::info),
        route("GET /events", stream::events),
        route("GET /networks", network::list),
        route("GET /networks/{id}", network::inspect),
        route("DELETE /networks/{id}", network::remove),
        route("POST /networks/prune", prune::networks),
        route("POST /volumes/prune", prune::volumes),
        route("POST /build/prune", prune::build_cache),
        route("GET /system/df", system::usage),
        route("GET /volumes", volume::list),
        route("GET /volumes/{name}", volume::inspect),
    ]
}

/// The router over all of them.
pub(crate) fn router(engine: Arc<Engine>) -> Router {
    let mut router = Router::new();
    for Route { endpoint, handler } in working() {
        let known = parameters::of(endpoint);
        let check = from_fn(move |params: Params, request: Request, next: Next| {
            parameters::check(known, params, request, next)
        });
        router = router.route(split(endpoint).1, handler.route_layer(check));
    }
    for (endpoint, what) in PLANNED {
        // `docker inspect NAME` asks for every kind of object in turn and goes on to the next only
        // when it is told "not found" or reads "not supported".
        let message = format!("not supported by this version of Porthole: {what} ({endpoint})");
        let handler = move || std::future::ready(ApiError::not_there(message));
        let (method, path) = split(endpoint);
        router = router.route(path, on(method, handler));
    }
    router
        .fallback(|| std::future::ready(ApiError::no_such_page()))
        .method_not_allowed_fallback(|| std::future::ready(ApiError::no_such_page()))
        .with_state(engine)
}

/// The method and the path of an endpoint.
fn split(endpoint: &'static str) -> (MethodFilter, &'static str) {
    let (method, path) = endpoint.split_once(' ').unwrap_or(("GET", endpoint));
    let method = match method {
        "HEAD" => MethodFilter::HEAD,
        "POST" => MethodFilter::POST,
        "PUT" => MethodFilter::PUT,
        "DELETE" => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    };
    (method, path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::create::fields::{CONTAINER, host};
    use crate::create::network::ENDPOINT;
    use crate::fields::Fate;

    const DOCUMENT: &str = include_str!("../../../docs/api.md");

    /// The first two cells of every row of the tables under a heading.
    fn rows(heading: &str) -> BTreeSet<(String, String)> {
        let section = DOCUMENT
            .split_once(&format!("\n## {heading}\n"))
            .map_or("", |(_, rest)| rest);
        let section = section.split("\n## ").next().unwrap_or_default();
        let cells = |line: &str| -> Option<(String, String)> {
            let mut cells = line.strip_prefix("| ")?.split(" | ").map(str::trim);
            Some((
                cells.next()?.trim_matches('`').to_owned(),
                cells.next()?.trim_end_matches(" |").to_owned(),
            ))
        };
        section
            .lines()
            .filter(|line| line.starts_with("| `"))
            .filter_map(cells)
            .collect()
    }

    #[test]
    fn the_document_lists_every_endpoint_and_no_other() {
        let works = working()
            .into_iter()
            .map(|route| (route.endpoint.to_owned(), "works".to_owned()));
        let planned = PLANNED
            .iter()
            .map(|(endpoint, _)| ((*endpoint).to_owned(), "planned".to_owned()));
        let expected: BTreeSet<_> = works.chain(planned).collect();
        assert_eq!(rows("Endpoints"), expected);
    }

    #[test]
    fn the_document_lists_every_parameter_and_no_other() {
        let endpoints: Vec<_> = working().iter().map(|route| route.endpoint).collect();
        let mut expected = BTreeSet::new();
        for (endpoint, parameters) in parameters::PARAMETERS {
            assert!(
                endpoints.contains(endpoint),
                "{endpoint} is no endpoint that works"
            );
            for field in *parameters {
                let state = state(field.fate).to_owned();
                expected.insert((format!("{endpoint} {}", field.name), state));
            }
        }
        assert_eq!(rows("Parameters of queries"), expected);
    }

    /// The document's word.
    const fn state(fate: Fate) -> &'static str {
        match fate {
            Fate::Works => "works",
            Fate::Inert => "no effect",
            Fate::NotOnWindows | Fate::Refused(_) => "refused",
            Fate::Planned => "planned",
        }
    }

    #[test]
    fn the_document_lists_every_field_and_no_other() {
        for (heading, table) in [
            ("Fields of container create", CONTAINER),
            ("Fields of `HostConfig`", &host()),
            (
                "Fields of an entry of `NetworkingConfig.EndpointsConfig`",
                ENDPOINT,
            ),
            ("Fields of exec create", exec::CREATE),
            ("Fields of exec start", exec::START),
        ] {
            let expected: BTreeSet<_> = table
                .iter()
                .map(|field| (field.name.to_owned(), state(field.fate).to_owned()))
                .collect();
            assert_eq!(rows(heading), expected, "{heading}");
        }
    }
}
