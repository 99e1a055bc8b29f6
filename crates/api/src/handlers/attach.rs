//! Attaching to a container: over a connection that is upgraded, or over a web socket.

use std::sync::Arc;

use axum::extract::{Extension, Path, Request, State};
use porthole_engine::Engine;
use porthole_engine::attachment::Attach;
use porthole_engine::container::record::Container;

use super::Answer;
use crate::detach_keys::DetachKeys;
use crate::error::ApiError;
use crate::hijack::{self, End, InputRules};
use crate::peer::Peer;
use crate::query::Params;
use crate::version::ApiVersion;
use crate::web_socket::{self, Framing};

/// `POST /containers/{id}/attach`.
pub(crate) async fn attach(
    State(engine): State<Arc<Engine>>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    params: Params,
    mut request: Request,
) -> Answer {
    let detach_keys = detach_keys(&params)?;
    let wanted = wanted(&params);
    let upgrade = hijack::take_upgrade(&mut request);
    if upgrade.is_none() && wanted.stdin {
        return Err(ApiError::bad_parameter(
            "attaching to the input needs an upgraded connection: send 'Connection: Upgrade' and 'Upgrade: tcp'",
        ));
    }
    let container = engine.inspect_container(&id)?;
    let attachment = engine.attach_container(&container.id, wanted).await?;
    let Some(upgrade) = upgrade else {
        return Ok(hijack::plain(attachment));
    };
    let rules = rules(detach_keys, &container);
    let answer = hijack::upgraded(hijack::media_type(attachment.tty, version));
    tokio::spawn(async move {
        let session = async {
            let connection = upgrade.connection().await?;
            Ok(hijack::relay(connection, attachment, rules).await)
        };
        settle(&engine, &container.id, session.await).await;
    });
    Ok(answer)
}

/// `GET /containers/{id}/attach/ws`.
pub(crate) async fn web_socket(
    State(engine): State<Arc<Engine>>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    params: Params,
    mut request: Request,
) -> Answer {
    let detach_keys = detach_keys(&params)?;
    let mut wanted = wanted(&params);
    if !version.at_least(42) {
        // Older versions have the parameters and do not look at them.
        (wanted.stdin, wanted.stdout, wanted.stderr) = (true, true, true);
    }
    let container = engine.inspect_container(&id)?;
    let answer = web_socket::answer(&request)?;
    let upgrade = hijack::take_upgrade(&mut request)
        .ok_or_else(|| ApiError::bad_parameter("not websocket protocol"))?;
    if upgrade.peer().is_some_and(Peer::is_over_tcp) {
        web_socket::check_origin(request.headers())?;
    }
    let attachment = engine.attach_container(&container.id, wanted).await?;
    let rules = rules(detach_keys, &container);
    let framing = Framing::of(version);
    tokio::spawn(async move {
        let session = async {
            let connection = upgrade.connection().await?;
            Ok(web_socket::relay(connection, attachment, rules, framing).await)
        };
        settle(&engine, &container.id, session.await).await;
    });
    Ok(answer)
}

fn wanted(params: &Params) -> Attach {
    Attach {
        stdin: params.flag("stdin"),
        stdout: params.flag("stdout"),
        stderr: params.flag("stderr"),
        logs: params.flag("logs"),
        stream: params.flag("stream"),
    }
}

fn detach_keys(params: &Params) -> Result<DetachKeys, ApiError> {
    let keys = params.get("detachKeys").map(DetachKeys::parse).transpose();
    let keys = keys.map_err(|error| {
        ApiError::bad_parameter(format!(
            "invalid detach keys ({}) provided: {error}",
            params.get("detachKeys").unwrap_or_default()
        ))
    })?;
    Ok(keys.unwrap_or_default())
}

fn rules(detach_keys: DetachKeys, container: &Container) -> InputRules {
    InputRules {
        detach_keys,
        close_with_client: container.config.stdin_once,
    }
}

/// Tells the container that a client has detached, if that is how its session ended.
async fn settle(engine: &Engine, container: &str, session: hyper::Result<End>) {
    match session {
        Ok(End::Detached) => {
            if let Err(error) = engine.container_detached(container).await {
                tracing::debug!(%error, container, "the container is gone");
            }
        }
        Ok(End::Output | End::Left) => {}
        Err(error) => {
            tracing::debug!(%error, container, "the client left before its streams began");
        }
    }
}
