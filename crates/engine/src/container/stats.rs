//! What a container uses: once, or every second until it is removed.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use porthole_hcs as hcs;
pub use porthole_hcs::{MemoryStats, ProcessorStats, Statistics, StorageStats};
use time::OffsetDateTime;

use crate::container::handle::Handle;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::network::Traffic;

/// How far samples are apart, as dockerd's are.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatsQuery {
    /// A sample now, with none before it.
    OneShot,
    /// One sample, and the one before it.
    Pair,
    /// A sample every second until the container is removed.
    Stream,
}

/// Samples as they are taken.
pub type StatsStream = BoxStream<'static, Result<Stats>>;

/// A sample, and the one before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// The container's ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Processors that there are.
    pub processors: u32,
    /// The sample; nothing while the container does not run.
    pub sample: Option<Sample>,
    /// The sample before it.
    pub previous: Option<Sample>,
}

/// What a running container uses.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When the sample was taken.
    pub time: OffsetDateTime,
    /// Processor time, memory, storage.
    pub statistics: Statistics,
    /// Its network endpoint's ID, and what has passed through it.
    pub traffic: Option<(String, Traffic)>,
}

/// Begins to take samples.
pub(crate) async fn stats(
    context: Arc<Context>,
    handle: Arc<Handle>,
    query: StatsQuery,
) -> Result<StatsStream> {
    let first = sample(&context, &handle).await?;
    if query == StatsQuery::OneShot || (query == StatsQuery::Pair && first.is_none()) {
        let only = stats_of(&context, &handle, first, None);
        return Ok(stream::iter([Ok(only)]).boxed());
    }
    let following = stream::unfold(first.clone(), {
        let (context, handle) = (Arc::clone(&context), Arc::clone(&handle));
        move |previous| {
            let (context, handle) = (Arc::clone(&context), Arc::clone(&handle));
            async move {
                tokio::time::sleep(INTERVAL).await;
                next(&context, &handle, previous).await
            }
        }
    });
    if query == StatsQuery::Pair {
        return Ok(following.take(1).boxed());
    }
    let first = stats_of(&context, &handle, first, None);
    Ok(stream::iter([Ok(first)]).chain(following).boxed())
}

/// The next sample with the one before it, and that again for the one after; nothing once the
/// container is removed.
async fn next(
    context: &Context,
    handle: &Handle,
    previous: Option<Sample>,
) -> Option<(Result<Stats>, Option<Sample>)> {
    context.containers.find(&handle.id).ok()?;
    Some(match sample(context, handle).await {
        Ok(sample) => (
            Ok(stats_of(context, handle, sample.clone(), previous)),
            sample,
        ),
        Err(error) => (Err(error), None),
    })
}

fn stats_of(
    context: &Context,
    handle: &Handle,
    sample: Option<Sample>,
    previous: Option<Sample>,
) -> Stats {
    Stats {
        id: handle.id.clone(),
        name: handle.ledger.read().name.clone(),
        processors: context.facts.processors,
        sample,
        previous,
    }
}

/// A sample; nothing when the container does not run.
async fn sample(context: &Context, handle: &Handle) -> Result<Option<Sample>> {
    let Ok(live) = handle.live() else {
        return Ok(None);
    };
    let query = hcs::SystemPropertyQuery {
        property_types: vec![hcs::PropertyType::Statistics],
    };
    let properties = match live.system.properties(&query).await {
        Ok(properties) => properties,
        // It has ended meanwhile.
        Err(_) if handle.live().is_err() => return Ok(None),
        Err(error) => {
            let text = format!("cannot read what container {} uses: {error}", handle.id);
            return Err(Error::system(text).with_source(error));
        }
    };
    // A moment before its end is known a container has no figures either.
    let Some(statistics) = properties.statistics else {
        return Ok(None);
    };
    let traffic = match &handle.ledger.read().endpoint {
        Some(endpoint) => match context.network.traffic(&handle.id).await {
            Ok(traffic) => traffic.map(|traffic| (endpoint.id.clone(), traffic)),
            // The endpoint has gone with the container.
            Err(_) if handle.live().is_err() => None,
            Err(error) => return Err(error),
        },
        None => None,
    };
    Ok(Some(Sample {
        time: OffsetDateTime::now_utc(),
        statistics,
        traffic,
    }))
}
