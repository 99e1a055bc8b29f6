//! Blobs, that is layers and configurations: fetched in pieces, gone on with where a connection
//! broke, and checked while they come.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use porthole_oci::{Descriptor, Digest, ImageConfig, MAX_CONFIG_SIZE, Manifest, Reference};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Method, StatusCode, Url};
use sha2::{Digest as _, Sha256};

use crate::answer::Answer;
use crate::client::{Client, pull_scope, push_scope};
use crate::credentials::Credentials;
use crate::endpoint::{Call, Endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::failure;
use crate::manifest::of_pull;
use crate::progress::Progress;
use crate::retry::Attempts;
use crate::transport::Request;

/// The bytes of a blob. It ends well only when all of them came and are the right ones; the last
/// piece is not given out before that is known.
pub struct BlobStream(BoxStream<'static, Result<Bytes>>);

impl Stream for BlobStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStream").finish_non_exhaustive()
    }
}

/// Where a blob may be had.
enum Source {
    Registry(Arc<Endpoint>),
    /// An address that its descriptor names.
    Address(Url),
}

/// A transfer under way.
struct Transfer {
    client: Client,
    repository: Reference,
    descriptor: Descriptor,
    credentials: Credentials,
    progress: Arc<dyn Progress>,
    /// Those not given up yet, the one in use first.
    sources: Vec<Source>,
    attempts: Attempts,
    /// The answer that is being read, and how much of it is to be passed over.
    answer: Option<(Answer, u64)>,
    received: u64,
    /// Of all bytes from the first one on; nothing when the caller has some already.
    hasher: Option<Sha256>,
}

impl Client {
    /// The bytes of a blob from `offset` on, from the repository or, where it does not have them, from
    /// the addresses that the descriptor names. A connection that breaks is gone on with by itself.
    /// From offset 0, size and digest are checked; from another one, size alone: who has the bytes
    /// before has to check.
    ///
    /// # Errors
    /// At once or within the stream: [`ErrorKind::Mismatch`] for other bytes than the descriptor's,
    /// [`ErrorKind::Hang`], [`ErrorKind::NotFound`], and what asking a registry brings.
    pub async fn blob(
        &self,
        repository: &Reference,
        descriptor: &Descriptor,
        credentials: &Credentials,
        offset: u64,
        progress: Arc<dyn Progress>,
    ) -> Result<BlobStream> {
        if offset > descriptor.size {
            let sentence = format!("blob {} has no byte {offset}", descriptor.digest);
            return Err(Error::new(ErrorKind::Invalid, sentence));
        }
        let mut sources = Vec::new();
        let mirrors = self.mirrors(repository).await?;
        sources.extend(mirrors.into_iter().map(Source::Registry));
        sources.push(Source::Registry(self.registry(repository.domain()).await?));
        let addresses = descriptor
            .urls
            .iter()
            .filter_map(|url| Url::parse(url).ok());
        let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        sources.extend(addresses.filter(is_web).map(Source::Address));
        let mut transfer = Transfer {
            client: self.clone(),
            repository: repository.clone(),
            descriptor: descriptor.clone(),
            credentials: credentials.clone(),
            progress,
            sources,
            attempts: Attempts::new(self.settings()),
            answer: None,
            received: offset,
            hasher: (offset == 0).then(Sha256::new),
        };
        if offset < descriptor.size {
            transfer.open().await?;
        } else {
            transfer.check()?;
        }
        let pieces = stream::try_unfold(transfer, |mut transfer| async {
            let piece = transfer.piece().await?;
            Ok(piece.map(|piece| (piece, transfer)))
        });
        Ok(BlobStream(pieces.boxed()))
    }

    /// A small blob as a whole.
    ///
    /// # Errors
    /// As for [`Self::blob`]; [`ErrorKind::Malformed`] when it is larger than `limit`.
    pub async fn small_blob(
        &self,
        repository: &Reference,
        descriptor: &Descriptor,
        credentials: &Credentials,
        limit: usize,
    ) -> Result<Vec<u8>> {
        if descriptor.size > limit as u64 {
            let sentence = format!(
                "blob {} of {} bytes is larger than {limit}",
                descriptor.digest, descriptor.size
            );
            return Err(Error::new(ErrorKind::Malformed, sentence));
        }
        let stream = self.blob(repository, descriptor, credentials, 0, Arc::new(()));
        let pieces = stream
            .await?
            .try_fold(Vec::new(), |mut whole, piece| async move {
                whole.extend_from_slice(&piece);
                Ok(whole)
            });
        pieces.await
    }

    /// The configuration of an image.
    ///
    /// # Errors
    /// As for [`Self::small_blob`], and [`ErrorKind::Malformed`] when it is none or does not fit the
    /// manifest.
    pub async fn config(
        &self,
        repository: &Reference,
        manifest: &Manifest,
        credentials: &Credentials,
    ) -> Result<ImageConfig> {
        let bytes = self
            .small_blob(repository, &manifest.config, credentials, MAX_CONFIG_SIZE)
            .await?;
        let config = ImageConfig::parse(&bytes)?;
        manifest.check_config(&config)?;
        Ok(config)
    }

    /// The size of a blob, if the repository has it; asked by who is about to push to it. Token servers
    /// grant nothing else for a repository that is not there yet.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`], and what asking a registry brings.
    pub async fn has_blob(
        &self,
        repository: &Reference,
        digest: Digest,
        credentials: &Credentials,
    ) -> Result<Option<u64>> {
        let registry = self.registry(repository.domain()).await?;
        let scopes = push_scope(repository);
        let url = registry.address(repository, &format!("blobs/{digest}"));
        let call = Call::new(Method::HEAD, url, &scopes, credentials);
        let answer = self.persist(&registry, call).await?;
        match answer.status() {
            StatusCode::OK => Ok(Some(length(&answer).unwrap_or_default())),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(answer.refusal().await),
        }
    }
}

impl Transfer {
    /// Opens the rest of the blob at the first source that has it.
    async fn open(&mut self) -> Result<()> {
        let mut of_registry: Option<Error> = None;
        loop {
            let Some(source) = self.sources.first() else {
                let error = of_registry
                    .unwrap_or_else(|| Error::new(ErrorKind::NotFound, "it is nowhere to be had"));
                return Err(error);
            };
            let is_registry = matches!(source, Source::Registry(_));
            let error = match self.try_open(source).await {
                Ok(answer) => {
                    self.answer = Some(answer);
                    return Ok(());
                }
                Err(error) => error,
            };
            let may_pass = self.may_pass(&error);
            let progress = Arc::clone(&self.progress);
            let waited = self.attempts.wait(error, may_pass, progress.as_ref()).await;
            if let Err(error) = waited {
                self.sources.remove(0);
                self.attempts.renew();
                tracing::debug!(%error, digest = %self.descriptor.digest, "source of a blob given up");
                // What the registry itself says matters more than what an address says.
                if is_registry || of_registry.is_none() {
                    of_registry = Some(error);
                }
            }
        }
    }

    async fn try_open(&self, source: &Source) -> Result<(Answer, u64)> {
        let digest = self.descriptor.digest;
        let range = (self.received > 0).then(|| format!("bytes={}-", self.received));
        let range = range.and_then(|range| HeaderValue::from_str(&range).ok());
        let identity = HeaderValue::from_static("identity");
        let answer = match source {
            Source::Registry(endpoint) => {
                let scopes = pull_scope(&self.repository);
                let url = endpoint.address(&self.repository, &format!("blobs/{digest}"));
                let mut call = Call::new(Method::GET, url, &scopes, &self.credentials);
                call = call.header(ACCEPT_ENCODING, identity);
                if let Some(range) = range {
                    call = call.header(RANGE, range);
                }
                self.client.call(endpoint, call).await?
            }
            Source::Address(url) => {
                let mut request = Request::new(Method::GET, url.clone());
                request.headers.insert(ACCEPT_ENCODING, identity);
                if let Some(range) = range {
                    request.headers.insert(RANGE, range);
                }
                let authority = failure::authority(url);
                self.client.transport().send(request, &authority).await?
            }
        };
        match answer.status() {
            StatusCode::OK => {
                self.check_length(length(&answer), self.descriptor.size)?;
                Ok((answer, self.received))
            }
            StatusCode::PARTIAL_CONTENT if self.received > 0 => {
                self.check_range(&answer)?;
                Ok((answer, 0))
            }
            _ => {
                let error = answer.refusal().await;
                let of_blob = format!("error pulling layer {digest}");
                Err(match error.kind() {
                    ErrorKind::Denied => of_pull(error, &self.repository),
                    _ => error.within(&of_blob),
                })
            }
        }
    }

    fn check_length(&self, told: Option<u64>, expected: u64) -> Result<()> {
        match told {
            Some(told) if told != expected => Err(self.mismatch(&format!(
                "{told} bytes were announced instead of {expected}"
            ))),
            _ => Ok(()),
        }
    }

    fn check_range(&self, answer: &Answer) -> Result<()> {
        let size = self.descriptor.size;
        self.check_length(length(answer), size - self.received)?;
        let told = answer.header(CONTENT_RANGE).unwrap_or_default();
        let start = format!("bytes {}-", self.received);
        let ends_well = told.ends_with("/*") || told.ends_with(&format!("/{size}"));
        if told.starts_with(&start) && ends_well {
            return Ok(());
        }
        Err(self.mismatch(&format!(
            "another part was sent than was asked for: {told:?}"
        )))
    }

    /// The next piece; nothing when all is there and right.
    async fn piece(&mut self) -> Result<Option<Bytes>> {
        while self.received < self.descriptor.size {
            let error = match self.read().await {
                Ok(piece) if piece.is_empty() => continue,
                Ok(piece) => {
                    self.take(&piece)?;
                    return Ok(Some(piece));
                }
                Err(error) => error,
            };
            self.answer = None;
            let may_pass = self.may_pass(&error);
            let progress = Arc::clone(&self.progress);
            self.attempts
                .wait(error, may_pass, progress.as_ref())
                .await?;
            self.open().await?;
        }
        Ok(None)
    }

    /// Some bytes that were not received before.
    async fn read(&mut self) -> Result<Bytes> {
        let Some((answer, to_pass)) = &mut self.answer else {
            return Ok(Bytes::new());
        };
        let Some(mut piece) = answer.chunk().await? else {
            let sentence = format!(
                "blob {}: unexpected EOF after {} of {} bytes",
                self.descriptor.digest, self.received, self.descriptor.size
            );
            return Err(Error::new(ErrorKind::Unreachable, sentence));
        };
        let passed = (*to_pass).min(piece.len() as u64);
        *to_pass -= passed;
        Ok(piece.split_off(usize::try_from(passed).unwrap_or(piece.len())))
    }

    fn take(&mut self, piece: &Bytes) -> Result<()> {
        self.received += piece.len() as u64;
        if self.received > self.descriptor.size {
            return Err(self.mismatch("more bytes came than were announced"));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(piece);
        }
        self.attempts.renew();
        self.progress.moved(self.received);
        if self.received == self.descriptor.size {
            self.answer = None;
            self.check()?;
        }
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        let Some(hasher) = self.hasher.take() else {
            return Ok(());
        };
        let digest = Digest::from_bytes(hasher.finalize().into());
        if digest == self.descriptor.digest {
            return Ok(());
        }
        Err(self.mismatch("the bytes are others"))
    }

    fn mismatch(&self, what: &str) -> Error {
        let sentence = format!(
            "filesystem layer verification failed for digest {}: {what}",
            self.descriptor.digest
        );
        Error::new(ErrorKind::Mismatch, sentence)
    }

    /// Whether trying again may help. A registry that has been there is expected back.
    fn may_pass(&self, error: &Error) -> bool {
        let is_away = matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Hang);
        error.is_transient() || (is_away && self.received > 0)
    }
}

/// How long the registry says that an answer's body is.
fn length(answer: &Answer) -> Option<u64> {
    answer.header(CONTENT_LENGTH)?.parse().ok()
}
