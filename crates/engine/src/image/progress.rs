//! What a long operation tells the client that waits for it, and its end when the client leaves.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tracing::Instrument;

use crate::error::Result;

/// What is told before the client has read it: more than any operation has to say. One that waited for a
/// client that has stopped to read would hold what others wait for, layers that they want too.
const MOST_WAITING: usize = 1 << 20;

/// How much of that may be what a client can do without.
const WAITING: usize = 64;

/// How many further bytes are worth telling.
const STEP: u64 = 512 * 1024;

/// Something that a client is told, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A line about the whole, or about one tag of it.
    Status {
        /// The tag.
        id: Option<String>,
        /// For example `Pulling from library/app`.
        status: String,
    },
    /// Where a layer has come to.
    Layer {
        /// The first digits of its ID.
        id: String,
        /// For example `Pulling fs layer`.
        status: String,
    },
    /// So many bytes of a layer are done.
    Bytes {
        /// The first digits of the layer's ID.
        id: String,
        /// For example `Downloading`.
        status: &'static str,
        /// Bytes so far.
        current: u64,
        /// Bytes in all, where that is known.
        total: Option<u64>,
    },
    /// A line for people.
    Text(String),
    /// What stands in the registry now.
    Pushed {
        /// The tag.
        tag: String,
        /// The manifest's digest.
        digest: String,
        /// Bytes of the manifest.
        size: u64,
    },
}

/// What a client is told, and then the end or the failure.
pub type ProgressStream = Pin<Box<dyn Stream<Item = Result<Progress>> + Send>>;

/// The ear of the client that waits.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    client: mpsc::Sender<Result<Progress>>,
}

impl Reporter {
    /// Tells something.
    pub(crate) async fn tell(&self, progress: Progress) {
        // Who has left is told nothing; the operation ends by itself.
        let _ = self.client.send(Ok(progress)).await;
    }

    /// Tells something about the whole.
    pub(crate) async fn whole(&self, status: impl Into<String>) {
        let status = status.into();
        self.tell(Progress::Status { id: None, status }).await;
    }

    /// Tells something about one tag.
    pub(crate) async fn tag(&self, tag: &str, status: impl Into<String>) {
        let (id, status) = (Some(tag.to_owned()), status.into());
        self.tell(Progress::Status { id, status }).await;
    }

    /// Tells where a layer has come to.
    pub(crate) async fn layer(&self, id: &str, status: impl Into<String>) {
        let (id, status) = (id.to_owned(), status.into());
        self.tell(Progress::Layer { id, status }).await;
    }

    /// The same for those who cannot wait; a client that reads slowly misses it.
    pub(crate) fn layer_now(&self, id: &str, status: impl Into<String>) {
        let (id, status) = (id.to_owned(), status.into());
        tell_now(&self.client, Progress::Layer { id, status });
    }

    /// A counter of a layer's bytes.
    pub(crate) fn meter(&self, id: &str, status: &'static str, total: Option<u64>) -> Meter {
        Meter {
            client: self.client.clone(),
            id: id.to_owned(),
            status,
            total,
            told: AtomicU64::new(0),
        }
    }
}

/// Tells of bytes now and then.
#[derive(Debug)]
pub(crate) struct Meter {
    client: mpsc::Sender<Result<Progress>>,
    id: String,
    status: &'static str,
    total: Option<u64>,
    /// How many bytes were told of last.
    told: AtomicU64,
}

impl Meter {
    /// So many bytes in all; fewer than before when a transfer has begun anew. A client that reads
    /// slowly misses some of the numbers.
    pub(crate) fn set(&self, current: u64) {
        let told = self.told.load(Ordering::Relaxed);
        let is_last = self.total == Some(current);
        if !is_last && current >= told && current - told < STEP {
            return;
        }
        self.told.store(current, Ordering::Relaxed);
        let progress = Progress::Bytes {
            id: self.id.clone(),
            status: self.status,
            current,
            total: self.total,
        };
        tell_now(&self.client, progress);
    }
}

/// Tells something unless the client has much to read already.
fn tell_now(client: &mpsc::Sender<Result<Progress>>, progress: Progress) {
    if client.max_capacity() - client.capacity() < WAITING {
        let _ = client.try_send(Ok(progress));
    }
}

/// Runs an operation that tells of itself. A client that drops the stream ends it where it stands.
pub(crate) fn reporting<F>(operation: impl FnOnce(Reporter) -> F) -> ProgressStream
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (client, told) = mpsc::channel(MOST_WAITING);
    let reporter = Reporter {
        client: client.clone(),
    };
    let operation = operation(reporter);
    let work = async move {
        let done = tokio::select! {
            done = operation => done,
            () = client.closed() => return,
        };
        if let Err(error) = done {
            let _ = client.send(Err(error)).await;
        }
    };
    tokio::spawn(work.in_current_span());
    Box::pin(ReceiverStream::new(told))
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;
    use crate::error::Error;

    #[tokio::test]
    async fn the_failure_comes_last() {
        let mut told = reporting(|reporter| async move {
            reporter.layer("abc", "Waiting").await;
            Err(Error::invalid("no"))
        });
        let waiting = Progress::Layer {
            id: "abc".to_owned(),
            status: "Waiting".to_owned(),
        };
        assert_eq!(told.next().await.unwrap().unwrap(), waiting);
        assert_eq!(told.next().await.unwrap().unwrap_err().to_string(), "no");
        assert!(told.next().await.is_none());
    }

    #[tokio::test]
    async fn who_does_not_read_holds_nothing_up() {
        let (done, ended) = tokio::sync::oneshot::channel();
        let told = reporting(|reporter| async move {
            for _ in 0..10 * WAITING {
                reporter.layer("abc", "Waiting").await;
                reporter.layer_now("abc", "Retrying");
            }
            let _ = done.send(());
            Ok(())
        });
        ended.await.unwrap();
        let told: Vec<_> = told.collect().await;
        let count = |wanted: &str| {
            let is_wanted = |told: &&Result<Progress>| matches!(told, Ok(Progress::Layer { status, .. }) if status == wanted);
            told.iter().filter(is_wanted).count()
        };
        assert_eq!(count("Waiting"), 10 * WAITING);
        assert!(count("Retrying") <= WAITING);
    }

    #[tokio::test]
    async fn who_leaves_ends_the_operation() {
        let (held, mut released) = mpsc::channel::<()>(1);
        let told = reporting(|_| async move {
            let _held = held;
            std::future::pending().await
        });
        drop(told);
        assert!(released.recv().await.is_none());
    }

    #[tokio::test]
    async fn bytes_are_told_now_and_then_and_at_the_end() {
        let told = reporting(|reporter| async move {
            let meter = reporter.meter("abc", "Downloading", Some(2 * STEP));
            for quarter in 1..=8 {
                meter.set(quarter * STEP / 4);
            }
            Ok(())
        });
        let counts: Vec<u64> = told
            .map(|told| match told.unwrap() {
                Progress::Bytes { current, .. } => current,
                other => panic!("{other:?}"),
            })
            .collect()
            .await;
        assert_eq!(counts, [STEP, 2 * STEP]);
    }
}
