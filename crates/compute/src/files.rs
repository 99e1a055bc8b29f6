//! Files on a system's drive C:, over a connection to the program that copies them.
//!
//! Each connection is for one request. Dropped before it is carried out, the program stops where
//! it is.

use std::io;
use std::path::Path;
use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use porthole_protocol::Hello;
use porthole_protocol::archive::{CHUNK, Piece, Reply, VERSION};
use tokio::io::{AsyncWrite, ReadHalf, WriteHalf};
use tokio_util::codec::FramedRead;

pub use porthole_protocol::archive::{Failure, FailureKind, Kind, Place, Request, Stat};

use crate::error::{Error, ErrorKind, Result};
use crate::socket;
use crate::timeout;
use crate::wire::{Duplex, FrameCodec, WireError, receive, send};

/// An archive of files, piece by piece. One that ends in an error is not whole.
pub type Archive = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Why a request about files was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The program answered why.
    #[error(transparent)]
    Refused(Failure),
    /// The archive that was to be unpacked broke off: whoever sends it has left.
    #[error("the archive broke off")]
    BrokenOff(#[source] io::Error),
    /// The program cannot be understood, or has gone.
    #[error("the program that copies files failed")]
    Connection(#[source] WireError),
}

impl From<WireError> for FilesError {
    fn from(error: WireError) -> Self {
        Self::Connection(error)
    }
}

/// A connection for one request.
pub struct Files {
    read: ReadHalf<Box<dyn Duplex>>,
    write: WriteHalf<Box<dyn Duplex>>,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

impl Files {
    /// Connects to the program that listens on `socket`.
    pub(crate) async fn connect(id: &str, socket: &Path) -> Result<Self> {
        let greeted = async {
            let stream: Box<dyn Duplex> = Box::new(socket::connect(socket).await?);
            let (mut read, mut write) = tokio::io::split(stream);
            send(&mut write, &Hello::new(VERSION)).await?;
            let hello: Hello = receive(&mut read).await?;
            if hello.agrees_with(VERSION) {
                Ok(Self { read, write })
            } else {
                Err(WireError::Version(hello.version))
            }
        };
        let limit = timeout::REQUEST;
        let connected = tokio::time::timeout(limit, greeted).await;
        connected
            .unwrap_or(Err(WireError::Timeout(limit.as_secs())))
            .map_err(|error| {
                let message = "cannot reach the program that copies files";
                Error::new(ErrorKind::Host, format!("OpenFiles {id}"), message).with_source(error)
            })
    }

    /// Asks for something; returns when the drive is reached. Nothing is done before.
    ///
    /// # Errors
    /// See [`FilesError`].
    pub async fn ask(mut self, request: &Request) -> Result<Answering, FilesError> {
        send(&mut self.write, request).await?;
        match receive::<Reply>(&mut self.read).await? {
            Reply::Ready => Ok(Answering(self)),
            Reply::Failed(failure) => Err(FilesError::Refused(failure)),
            Reply::Stat(_) | Reply::Data(_) | Reply::Done => Err(WireError::OutOfTurn.into()),
        }
    }
}

/// A connection whose request is being carried out.
#[derive(Debug)]
pub struct Answering(Files);

impl Answering {
    /// What a place holds: the answer to [`Request::Stat`].
    ///
    /// # Errors
    /// See [`FilesError`].
    pub async fn stat(mut self) -> Result<Stat, FilesError> {
        self.described().await
    }

    /// What a place holds, and all that is in it: the answer to [`Request::Read`].
    ///
    /// # Errors
    /// See [`FilesError`].
    pub async fn archive(mut self) -> Result<(Stat, Archive), FilesError> {
        let stat = self.described().await?;
        let Files { read, write } = self.0;
        let replies = FramedRead::new(read, FrameCodec::<Reply>::default());
        // Both halves are kept to the end: the program takes a closed connection for a client
        // that has left.
        let pieces = futures::stream::unfold(Some((replies, write)), |state| async {
            let (mut replies, write) = state?;
            match replies.next().await {
                Some(Ok(Reply::Data(bytes))) => Some((Ok(bytes.into()), Some((replies, write)))),
                Some(Ok(Reply::Done)) => None,
                Some(Ok(Reply::Failed(failure))) => Some((Err(io::Error::other(failure)), None)),
                Some(Err(error)) => Some((Err(error), None)),
                Some(Ok(Reply::Ready | Reply::Stat(_))) | None => {
                    Some((Err(io::ErrorKind::UnexpectedEof.into()), None))
                }
            }
        });
        Ok((stat, Box::pin(pieces)))
    }

    /// Has an archive unpacked, as [`Request::Write`] asks.
    ///
    /// # Errors
    /// See [`FilesError`]; part of the archive may be unpacked then.
    pub async fn unpack(
        self,
        archive: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
    ) -> Result<(), FilesError> {
        let Files {
            mut read,
            mut write,
        } = self.0;
        let sent = async {
            match send_archive(&mut write, archive).await {
                // The program has answered before the archive's end, and gone.
                Ok(()) | Err(FilesError::Connection(_)) => std::future::pending().await,
                Err(error) => error,
            }
        };
        let reply = tokio::select! {
            biased;
            reply = receive::<Reply>(&mut read) => reply?,
            error = sent => return Err(error),
        };
        match reply {
            Reply::Done => Ok(()),
            Reply::Failed(failure) => Err(FilesError::Refused(failure)),
            Reply::Ready | Reply::Stat(_) | Reply::Data(_) => Err(WireError::OutOfTurn.into()),
        }
    }

    async fn described(&mut self) -> Result<Stat, FilesError> {
        match receive::<Reply>(&mut self.0.read).await? {
            Reply::Stat(stat) => Ok(stat),
            Reply::Failed(failure) => Err(FilesError::Refused(failure)),
            Reply::Ready | Reply::Data(_) | Reply::Done => Err(WireError::OutOfTurn.into()),
        }
    }
}

async fn send_archive(
    write: &mut (impl AsyncWrite + Unpin),
    mut archive: impl Stream<Item = io::Result<Bytes>> + Unpin,
) -> Result<(), FilesError> {
    while let Some(bytes) = archive.next().await {
        for piece in bytes.map_err(FilesError::BrokenOff)?.chunks(CHUNK) {
            send(write, &Piece::Data(piece.to_vec())).await?;
        }
    }
    Ok(send(write, &Piece::End).await?)
}
