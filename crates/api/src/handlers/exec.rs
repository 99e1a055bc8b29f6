//! Execs: further processes in a container.

use std::sync::Arc;

use axum::extract::{Extension, Path, Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use porthole_engine::Engine;
use porthole_engine::attachment::Attachment;
use porthole_engine::exec::record::{CreateExec, StartExec};
use serde::Deserialize;
use serde_json::json;

use super::{Answer, container::console_size};
use crate::create::words::Words;
use crate::detach_keys::DetachKeys;
use crate::error::ApiError;
use crate::fields::{Field, inert, refused, works};
use crate::hijack::{self, End, InputRules, Upgrade};
use crate::query::Params;
use crate::version::ApiVersion;
use crate::{body, multiplex, render};

/// Fields of the body of `POST /containers/{id}/exec`.
pub(crate) const CREATE: &[Field] = &[
    works("User"),
    refused(
        "Privileged",
        "privileged mode is not supported for Windows containers",
    ),
    works("Tty"),
    works("ConsoleSize"),
    works("AttachStdin"),
    works("AttachStderr"),
    works("AttachStdout"),
    // docker-py repeats what the path says.
    inert("Container"),
    inert("Detach"),
    works("DetachKeys"),
    works("Env"),
    works("WorkingDir"),
    works("Cmd"),
];

/// Fields of the body of `POST /exec/{id}/start`. Old clients repeat there what they created.
pub(crate) const START: &[Field] = &[
    works("Detach"),
    // dockerode sends its own switches along.
    inert("hijack"),
    inert("stdin"),
    works("Tty"),
    works("ConsoleSize"),
    inert("User"),
    inert("Privileged"),
    inert("AttachStdin"),
    inert("AttachStderr"),
    inert("AttachStdout"),
    inert("DetachKeys"),
    inert("Env"),
    inert("WorkingDir"),
    inert("Cmd"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct CreateBody {
    cmd: Option<Words>,
    env: Vec<String>,
    working_dir: String,
    user: String,
    tty: bool,
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    detach_keys: String,
    console_size: Option<[u16; 2]>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct StartBody {
    detach: bool,
    tty: bool,
    console_size: Option<[u16; 2]>,
}

/// `POST /containers/{id}/exec`.
pub(crate) async fn create(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    let body: CreateBody = body::decode(body::object(request).await?, CREATE)?;
    let cmd = body.cmd.map(Words::into_list).unwrap_or_default();
    if cmd.is_empty() {
        return Err(ApiError::bad_parameter("No exec command specified"));
    }
    // Refused now rather than at the start, where the client could not be told.
    keys(&body.detach_keys)?;
    let request = CreateExec {
        cmd,
        env: body.env,
        working_dir: body.working_dir,
        user: body.user,
        tty: body.tty,
        attach_stdin: body.attach_stdin,
        attach_stdout: body.attach_stdout,
        attach_stderr: body.attach_stderr,
        detach_keys: body.detach_keys,
        console_size: body.console_size,
    };
    let id = engine.create_exec(&id, request).await?;
    Ok(super::json(StatusCode::CREATED, &json!({ "Id": id })))
}

fn keys(text: &str) -> Result<DetachKeys, ApiError> {
    if text.is_empty() {
        return Ok(DetachKeys::default());
    }
    DetachKeys::parse(text).map_err(|error| {
        ApiError::bad_parameter(format!("Invalid escape keys ({text}) provided: {error}"))
    })
}

/// `POST /exec/{id}/start`.
pub(crate) async fn start(
    State(engine): State<Arc<Engine>>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    mut request: Request,
) -> Answer {
    let upgrade = hijack::take_upgrade(&mut request);
    let object = body::optional_object(request).await?.unwrap_or_default();
    let body: StartBody = body::decode(object, START)?;
    let (exec, container) = engine.inspect_exec(&id)?;
    if !container.state.is_running() {
        return Err(porthole_engine::Error::new(
            porthole_engine::ErrorKind::Conflict,
            format!("container {} is not running", container.id),
        )
        .into());
    }
    let options = StartExec {
        detach: body.detach,
        console_size: body.console_size.filter(|_| body.tty),
    };
    if body.detach {
        engine.start_exec(&id, options).await?;
        return Ok(StatusCode::OK.into_response());
    }
    let tty = exec.request.tty;
    let rules = InputRules {
        detach_keys: keys(&exec.request.detach_keys)?,
        close_with_client: true,
    };
    let Some(upgrade) = upgrade else {
        let attachment = engine.start_exec(&id, options).await?;
        return Ok(attachment.map_or_else(|| StatusCode::OK.into_response(), hijack::plain));
    };
    tokio::spawn(run(engine, id, options, upgrade, rules, tty));
    Ok(hijack::upgraded(hijack::media_type(tty, version)))
}

/// Starts the exec while the client gets the answer. A failed start is told in the stream: the
/// client reads the exit code with an inspect afterwards, as from dockerd.
async fn run(
    engine: Arc<Engine>,
    id: String,
    options: StartExec,
    upgrade: Upgrade,
    rules: InputRules,
    tty: bool,
) {
    let (connection, started) = tokio::join!(upgrade.connection(), engine.start_exec(&id, options));
    let connection = match connection {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(%error, exec = id, "the client left before its streams began");
            return;
        }
    };
    let attachment: Attachment = match started {
        Ok(Some(attachment)) => attachment,
        Ok(None) => return,
        Err(error) => {
            let text = format!("{}\r\n", ApiError::from(error).message());
            let stdout = porthole_engine::attachment::StreamKind::Stdout;
            let bytes = if tty {
                text.into()
            } else {
                multiplex::frame(stdout, text.as_bytes())
            };
            // The client may have left; the exec's exit code tells the same.
            let _ = connection.close_with(&bytes).await;
            return;
        }
    };
    if hijack::relay(connection, attachment, rules).await == End::Detached
        && let Err(error) = engine.exec_detached(&id).await
    {
        tracing::debug!(%error, exec = id, "the exec is gone");
    }
}

/// `POST /exec/{id}/resize`.
pub(crate) async fn resize(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    let (height, width) = console_size(&params)?;
    engine.resize_exec(&id, height, width).await?;
    Ok(StatusCode::OK.into_response())
}

/// `GET /exec/{id}/json`.
pub(crate) async fn inspect(State(engine): State<Arc<Engine>>, Path(id): Path<String>) -> Answer {
    let (exec, container) = engine.inspect_exec(&id)?;
    Ok(super::json(
        StatusCode::OK,
        &render::exec::details(&exec, &container),
    ))
}
