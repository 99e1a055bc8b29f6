//! Starting a process, at most once for each request.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use porthole_hcs as hcs;
use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::{self, ProcessSpec, Response, Streams};

use crate::error::{Error, ErrorKind, Result};
use crate::policy::{self, Request, Verdict};
use crate::process_document;
use crate::service::backend::Note;
use crate::service::call::call;
use crate::service::failure::{denied, failed};
use crate::service::process::ProcessHandle;
use crate::service::snapshot::Shared;
use crate::settings::ProcessSettings;
use crate::wire::WireError;

/// No token.
pub(crate) const NO_TOKEN: u64 = 0;

/// Starts a process, or finds the one that an earlier request of the same token started.
pub(crate) async fn create(
    shared: &Arc<Shared>,
    parameters: &hcs::ProcessParameters,
    settings: &ProcessSettings,
    token: u64,
) -> Result<ProcessHandle> {
    if let Some(process) = of_earlier_request(shared, token).await {
        return Ok(process);
    }
    let phase = shared.phase();
    if let Verdict::Deny(denial) = policy::decide(Request::CreateProcess, phase) {
        return Err(denied(shared, Request::CreateProcess, denial.kind(), phase));
    }
    let key = shared.next_key.fetch_add(1, Ordering::Relaxed);
    let spec = process_document::spec(ProcessKey(key), parameters, settings, shared.user).map_err(
        |message| shared.error(ErrorKind::InvalidDocument, Request::CreateProcess, message),
    )?;
    // Of its own, so that a caller that goes away leaves no process that nobody knows.
    let started = tokio::spawn(start(shared.clone(), spec, token)).await;
    started.unwrap_or_else(|error| {
        let message = "the operation was cut short";
        Err(shared
            .error(ErrorKind::Host, Request::CreateProcess, message)
            .with_source(error))
    })
}

/// The process that a request of this token started, once it has; nothing if there was none or it
/// failed.
async fn of_earlier_request(shared: &Arc<Shared>, token: u64) -> Option<ProcessHandle> {
    let mut state = shared.state.subscribe();
    let key = *state.borrow().tokens.get(&token)?;
    let known = state
        .wait_for(|state| state.processes.contains_key(&key) || !state.tokens.contains_key(&token))
        .await;
    let pid = known.ok()?.processes.get(&key)?.pid;
    Some(ProcessHandle {
        shared: shared.clone(),
        key,
        pid,
    })
}

/// Has the process started, noting before and after, so that a service process that takes over in
/// between learns of it.
async fn start(shared: Arc<Shared>, spec: ProcessSpec, token: u64) -> Result<ProcessHandle> {
    let (key, main) = (spec.process.0, spec.main);
    let console = matches!(spec.streams, Streams::Console(_));
    let intended = Note::ProcessIntended {
        key,
        main,
        console,
        token,
    };
    shared.supervised.note(&intended).map_err(|error| {
        let message = "cannot write the service's own records";
        shared
            .error(ErrorKind::Host, Request::CreateProcess, message)
            .with_source(error)
    })?;
    shared.state.send_modify(|state| {
        state.starting.insert(key);
        state.main = if main { Some(key) } else { state.main };
        if token != NO_TOKEN {
            state.tokens.insert(token, key);
        }
    });
    let answer = call(
        &*shared.supervised,
        &supervisor::Request::CreateProcess(spec),
    )
    .await;
    match answer {
        Ok(Response::Created { pid }) => {
            // Lost at worst: the next service process would not know the Windows ID.
            let _ = shared.supervised.note(&Note::ProcessCreated { key, pid });
            shared.state.send_modify(|state| {
                // It may already have ended.
                let process = state.processes.entry(key).or_default();
                process.pid = pid;
                process.console = console;
                process.token = token;
                state.starting.remove(&key);
            });
            Ok(ProcessHandle { shared, key, pid })
        }
        Ok(_) => Err(not_started(&shared, key, token, WireError::OutOfTurn)),
        Err(error) => Err(not_started(&shared, key, token, error)),
    }
}

fn not_started(shared: &Shared, key: u32, token: u64, error: WireError) -> Error {
    if matches!(error, WireError::Refused(_)) {
        // Lost at worst: then the process is looked for in vain, and forgotten.
        let _ = shared.supervised.note(&Note::ProcessFailed { key });
    }
    shared.state.send_modify(|state| {
        state.tokens.remove(&token);
        state.starting.remove(&key);
    });
    failed(shared, Request::CreateProcess, error)
}
