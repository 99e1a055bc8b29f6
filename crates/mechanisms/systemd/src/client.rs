//! Asking systemd, over the system bus.

use std::num::NonZero;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::Mutex;
use zbus::{Connection, MessageStream, OwnedObjectPath, Variant};

use crate::error::{Error, ErrorKind, Result};
use crate::scope::Scope;

const SYSTEMD: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const BUS: &str = "org.freedesktop.DBus";

/// Which signals the bus passes on to us.
const ENDED_JOBS: &str = "type='signal',sender='org.freedesktop.systemd1',\
                          interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";

/// How long systemd may take. Ordinarily it is milliseconds; while a host boots it has much to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// So many messages may wait while a request is answered: a full queue would hold the answer back.
const MOST_QUEUED: NonZero<usize> = NonZero::new(4096).expect("not zero");

const START: &str = "start the scope";

/// A connection to systemd, made when it is first needed and again when it has broken.
#[derive(Debug, Default)]
pub struct Systemd {
    connection: Mutex<Option<Connection>>,
}

impl Systemd {
    /// Makes a scope, moves the process into it, and returns when that is done. The scope goes
    /// when its last process does.
    ///
    /// # Errors
    /// When systemd cannot be reached, refuses (there is one of this name, there is no such
    /// process) or is not done in half a minute.
    pub async fn start(&self, scope: &Scope, process: u32) -> Result<()> {
        let started = tokio::time::timeout(PATIENCE, self.start_and_wait(scope, process));
        let error = match started.await {
            Ok(Ok(result)) if result == "done" => return Ok(()),
            Ok(Ok(result)) => return Err(Error::job(START, scope.name(), &result)),
            Ok(Err(error)) => error,
            Err(_) => Error::late(START, scope.name(), PATIENCE),
        };
        // The bus may have been restarted: the next request connects anew.
        *self.connection.lock().await = None;
        Err(error)
    }

    async fn start_and_wait(&self, scope: &Scope, process: u32) -> Result<String> {
        let failed = |kind| move |source| Error::new(kind, START, scope.name(), source);
        let connection = self
            .connected()
            .await
            .map_err(failed(ErrorKind::Unreachable))?;
        // Before the request: the job may be over before its answer is read.
        let mut messages = MessageStream::from(&connection);
        let job = request(&connection, scope, process)
            .await
            .map_err(failed(ErrorKind::Refused))?;
        while let Some(message) = messages.next().await {
            let message = message.map_err(failed(ErrorKind::Unreachable))?;
            let header = message.header();
            if header.member().map(|name| name.as_str()) != Some("JobRemoved") {
                continue;
            }
            let body = message.body();
            let (_, removed, _, result): (u32, OwnedObjectPath, String, String) =
                body.deserialize().map_err(failed(ErrorKind::Unreachable))?;
            if removed == job {
                return Ok(result);
            }
        }
        let gone = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        Err(failed(ErrorKind::Unreachable)(gone.into()))
    }

    async fn connected(&self) -> zbus::Result<Connection> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        let connection = connect().await?;
        *kept = Some(connection.clone());
        Ok(connection)
    }
}

/// Connects, and asks to be told when jobs end.
async fn connect() -> zbus::Result<Connection> {
    let connection = zbus::connection::Builder::system()
        .max_queued(MOST_QUEUED)
        .build()
        .await?;
    let bus_path = "/org/freedesktop/DBus";
    connection
        .call_method(Some(BUS), bus_path, Some(BUS), "AddMatch", &ENDED_JOBS)
        .await?;
    connection
        .call_method(Some(SYSTEMD), PATH, Some(MANAGER), "Subscribe", &())
        .await?;
    Ok(connection)
}

async fn request(
    connection: &Connection,
    scope: &Scope,
    process: u32,
) -> zbus::Result<OwnedObjectPath> {
    let auxiliary: Vec<(&str, Vec<(&str, Variant<'_>)>)> = Vec::new();
    let body = (scope.name(), "fail", scope.properties(process), auxiliary);
    let method = "StartTransientUnit";
    let answer = connection
        .call_method(Some(SYSTEMD), PATH, Some(MANAGER), method, &body)
        .await?;
    answer.body().deserialize()
}
