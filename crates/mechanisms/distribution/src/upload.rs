//! Uploads of blobs, gone on with where a connection broke, and blobs that a registry takes over from
//! another of its repositories.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use porthole_oci::{Digest, Reference};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, LOCATION, RANGE};
use reqwest::{Body, Method, StatusCode, Url};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::io::ReaderStream;

use crate::answer::Answer;
use crate::client::{Client, push_scope};
use crate::credentials::Credentials;
use crate::endpoint::{Call, Endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::failure;
use crate::progress::Progress;
use crate::retry::Attempts;
use crate::transport::{Request, join};

/// Bytes that are read and sent at a time.
const PIECE: usize = 256 << 10;

/// How many times the patience a registry may take to store what it has received: some copy it.
const STORING_PATIENCE: u32 = 5;

/// A blob of the caller's, to be read as often as an upload has to begin again.
#[async_trait]
pub trait BlobSource: Send + Sync {
    /// A reader of the bytes from `offset` on.
    ///
    /// # Errors
    /// Those of the reader; they end the upload.
    async fn open(&self, offset: u64) -> io::Result<Pin<Box<dyn AsyncRead + Send>>>;
}

/// What is uploaded, and where to.
struct Upload<'a> {
    client: &'a Client,
    registry: &'a Endpoint,
    repository: &'a Reference,
    digest: Digest,
    size: u64,
    source: &'a dyn BlobSource,
    scopes: &'a [String],
    credentials: &'a Credentials,
    progress: Arc<dyn Progress>,
    /// Where the registry wants the bytes, once it has said so.
    session: Option<Url>,
    /// Whether the registry may have stored the blob and its answer been lost.
    is_complete: bool,
}

/// How far the body of a request is.
#[derive(Default)]
struct Sent {
    bytes: AtomicU64,
    /// Why the caller's reader failed.
    failure: Mutex<Option<io::Error>>,
}

impl Client {
    /// Uploads a blob. One that the registry has already is better asked for before
    /// ([`Self::has_blob`], [`Self::mount_blob`]). A connection that breaks is gone on with where the
    /// registry says that it has got to.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`], [`ErrorKind::Source`] when the caller's reader fails or ends early,
    /// [`ErrorKind::Refused`] when the registry finds other bytes than the digest's, and what asking a
    /// registry brings.
    pub async fn upload_blob(
        &self,
        repository: &Reference,
        digest: Digest,
        size: u64,
        source: &dyn BlobSource,
        credentials: &Credentials,
        progress: Arc<dyn Progress>,
    ) -> Result<()> {
        let registry = self.registry(repository.domain()).await?;
        let scopes = push_scope(repository);
        let mut upload = Upload {
            client: self,
            registry: &registry,
            repository,
            digest,
            size,
            source,
            scopes: &scopes,
            credentials,
            progress: Arc::clone(&progress),
            session: None,
            is_complete: false,
        };
        let mut attempts = Attempts::new(self.settings());
        loop {
            let Err(error) = upload.attempt().await else {
                return Ok(());
            };
            let has_begun = upload.session.is_some();
            let may_pass = error.is_transient()
                || (has_begun && matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Hang));
            attempts.wait(error, may_pass, progress.as_ref()).await?;
        }
    }

    /// Whether the registry takes over a blob from another of its repositories, `source`. Where it
    /// does not, for whatever reason, the blob has to be uploaded.
    ///
    /// # Errors
    /// That the registry cannot be reached; not that it, or its token server, refuses or fails.
    pub async fn mount_blob(
        &self,
        repository: &Reference,
        source: &Reference,
        digest: Digest,
        credentials: &Credentials,
    ) -> Result<bool> {
        if repository.domain() != source.domain() || repository.path() == source.path() {
            return Ok(false);
        }
        let registry = self.registry(repository.domain()).await?;
        let mut scopes = push_scope(repository);
        scopes.push(format!("repository:{}:pull", source.path()));
        let mut url = registry.address(repository, "blobs/uploads/");
        url.query_pairs_mut()
            .append_pair("mount", &digest.to_string())
            .append_pair("from", source.path());
        let call = Call::new(Method::POST, url, &scopes, credentials);
        let answer = match self.persist(&registry, call).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(%error, %digest, %source, "not mounted");
                return Ok(false);
            }
        };
        match answer.status() {
            StatusCode::CREATED => Ok(true),
            StatusCode::ACCEPTED => {
                self.abandon(&registry, &answer, &scopes, credentials).await;
                Ok(false)
            }
            _ => {
                let error = answer.refusal().await;
                tracing::debug!(%error, %digest, %source, "not mounted");
                Ok(false)
            }
        }
    }

    /// Tells the registry that an upload which it began will not come. It finds out by itself too.
    async fn abandon(
        &self,
        registry: &Endpoint,
        begun: &Answer,
        scopes: &[String],
        credentials: &Credentials,
    ) {
        let Ok(session) = location(begun) else {
            return;
        };
        let call = Call::new(Method::DELETE, session, scopes, credentials);
        if let Err(error) = self.call(registry, call).await {
            tracing::debug!(%error, "an upload that was not needed is left to the registry");
        }
    }
}

impl Upload<'_> {
    async fn attempt(&mut self) -> Result<()> {
        if self.is_complete {
            let held = self
                .client
                .has_blob(self.repository, self.digest, self.credentials);
            if held.await?.is_some() {
                return Ok(());
            }
        }
        let (mut session, sent) = self.begin().await?;
        self.progress.moved(sent);
        if sent < self.size {
            session = self.send(session, sent).await?;
        }
        let digest = self.digest.to_string();
        session.query_pairs_mut().append_pair("digest", &digest);
        let mut call = Call::new(Method::PUT, session, self.scopes, self.credentials);
        call.patience = STORING_PATIENCE;
        self.is_complete = true;
        let answer = self.client.call(self.registry, call).await?;
        let stored = [StatusCode::CREATED, StatusCode::NO_CONTENT, StatusCode::OK];
        let answer = answer.expect(&stored).await;
        answer.map(drop).inspect_err(|error| {
            if !error.is_transient() {
                self.session = None;
            }
        })
    }

    /// Where the next bytes go, and how many are there already.
    async fn begin(&mut self) -> Result<(Url, u64)> {
        if let Some(session) = self.session.take() {
            let call = Call::new(Method::GET, session, self.scopes, self.credentials);
            let answer = self.client.call(self.registry, call).await?;
            let received = received(&answer).filter(|received| *received <= self.size);
            if let (StatusCode::NO_CONTENT, Some(received)) = (answer.status(), received) {
                let session = location(&answer)?;
                self.session = Some(session.clone());
                return Ok((session, received));
            }
        }
        let url = self.registry.address(self.repository, "blobs/uploads/");
        let call = Call::new(Method::POST, url, self.scopes, self.credentials);
        let answer = self.client.persist(self.registry, call).await?;
        let answer = answer.expect(&[StatusCode::ACCEPTED]).await?;
        let session = location(&answer)?;
        self.session = Some(session.clone());
        Ok((session, 0))
    }

    /// Sends the bytes from `offset` on; where the registry wants to be told that these were all.
    async fn send(&mut self, session: Url, offset: u64) -> Result<Url> {
        let rest = self.size - offset;
        let mut call = Call::new(Method::PATCH, session, self.scopes, self.credentials);
        let octets = HeaderValue::from_static("application/octet-stream");
        call = call.header(CONTENT_TYPE, octets);
        call = call.header(CONTENT_LENGTH, HeaderValue::from(rest));
        if offset > 0 {
            let range = HeaderValue::try_from(format!("{offset}-{}", self.size - 1));
            let range = range.map_err(|error| {
                Error::new(ErrorKind::Invalid, "not a range of bytes").with_source(error)
            })?;
            call = call.header(CONTENT_RANGE, range);
        }
        let client = self.client;
        let (transport, tokens) = (client.transport(), client.tokens());
        let who = self.registry.who(transport, tokens, &call).await?;
        let reader = self.source.open(offset).await.map_err(of_source)?;
        let sent = Arc::new(Sent::default());
        let progress = Arc::clone(&self.progress);
        let body = Body::wrap_stream(pieces(reader, offset, rest, Arc::clone(&sent), progress));
        let request = Request {
            headers: call.headers.clone(),
            authorization: who,
            ..Request::new(call.method.clone(), call.url.clone())
        };
        let authority = self.registry.authority_of(&call.url);
        let answer = tokio::select! {
            answer = transport.stream(request, body, &authority) => answer,
            () = silence(&sent, client.settings().patience) => {
                Err(failure::of_silence(&call.method, &call.url))
            }
        };
        if let Some(error) = sent.failure().take() {
            return Err(of_source(error));
        }
        let answer = answer?;
        if answer.status() == StatusCode::UNAUTHORIZED
            && self.registry.learn(tokens, &answer, &call)
        {
            // The token ended between two requests; the next attempt gets another.
            return Err(answer.refusal().await.transient(true));
        }
        let accepted = [
            StatusCode::ACCEPTED,
            StatusCode::NO_CONTENT,
            StatusCode::CREATED,
        ];
        let answer = answer.expect(&accepted).await?;
        let session = location(&answer)?;
        self.session = Some(session.clone());
        Ok(session)
    }
}

impl Sent {
    fn failure(&self) -> std::sync::MutexGuard<'_, Option<io::Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `rest` bytes of a reader, counted.
fn pieces(
    reader: Pin<Box<dyn AsyncRead + Send>>,
    offset: u64,
    rest: u64,
    sent: Arc<Sent>,
    progress: Arc<dyn Progress>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let end = {
        let sent = Arc::clone(&sent);
        futures::stream::once(async move {
            let count = sent.bytes.load(Ordering::Relaxed);
            if count == rest {
                return None;
            }
            let message = format!("the blob ends after {} bytes", offset + count);
            Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, message)))
        })
        .filter_map(std::future::ready)
    };
    let counted = Arc::clone(&sent);
    ReaderStream::with_capacity(reader.take(rest), PIECE)
        .inspect(move |piece| {
            if let Ok(piece) = piece {
                let length = piece.len() as u64;
                let before = counted.bytes.fetch_add(length, Ordering::Relaxed);
                progress.moved(offset + before + length);
            }
        })
        .chain(end)
        .map(move |piece| {
            piece.map_err(|error| {
                let shown = io::Error::new(error.kind(), error.to_string());
                *sent.failure() = Some(error);
                shown
            })
        })
}

/// Ends when nothing was sent, or nothing was answered to all that was sent, for too long.
async fn silence(sent: &Sent, patience: Duration) {
    let mut last = sent.bytes.load(Ordering::Relaxed);
    let mut silent = 0;
    while silent < STORING_PATIENCE {
        tokio::time::sleep(patience).await;
        let now = sent.bytes.load(Ordering::Relaxed);
        silent = if now == last { silent + 1 } else { 0 };
        last = now;
    }
}

fn of_source(error: io::Error) -> Error {
    let sentence = format!("cannot read the blob: {error}");
    Error::new(ErrorKind::Source, sentence).with_source(error)
}

/// Where the registry wants an upload to go on.
fn location(answer: &Answer) -> Result<Url> {
    match answer.header(LOCATION) {
        Some(location) => join(&answer.url, location),
        None => {
            let shown = failure::shown(&answer.url);
            let sentence = format!("{shown} does not say where the upload goes on");
            Err(Error::new(ErrorKind::Malformed, sentence))
        }
    }
}

/// How many bytes of an upload the registry has: it says `0-LAST`, and `0-0` when it has none.
fn received(answer: &Answer) -> Option<u64> {
    let last = answer.header(RANGE)?;
    let last = last.trim_start_matches("bytes=").strip_prefix("0-")?;
    match last.parse::<u64>().ok()? {
        0 => Some(0),
        last => last.checked_add(1),
    }
}
