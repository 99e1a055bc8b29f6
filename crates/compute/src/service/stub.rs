//! For tests: a supervisor that hears everything and answers nothing.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::{SinkExt, StreamExt};
use porthole_protocol::Hello;
use porthole_protocol::supervisor::{self, ExitRecord, Limits, Request};
use tokio_util::codec::{FramedRead, FramedWrite};

use crate::service::backend::{Note, Supervised};
use crate::wire::{Duplex, FrameCodec};

#[derive(Default)]
pub(super) struct Stub {
    /// Connections that fail for want of descriptors before there is one.
    pub(super) out_of_reach: AtomicU32,
    /// It dies once it could be reached.
    pub(super) dies: bool,
    /// All that it was asked for.
    pub(super) asked: Arc<Mutex<Vec<Request>>>,
}

async fn hear(stream: impl Duplex, asked: Arc<Mutex<Vec<Request>>>) -> io::Result<()> {
    let (read, write) = tokio::io::split(stream);
    let mut greeter = FramedWrite::new(write, FrameCodec::<Hello>::default());
    greeter.send(Hello::new(supervisor::VERSION)).await?;
    let mut hellos = FramedRead::new(read, FrameCodec::<Hello>::default());
    hellos.next().await.transpose()?;
    let mut requests = hellos.map_decoder(|_| FrameCodec::<Request>::default());
    while let Some(request) = requests.next().await {
        asked.lock().unwrap().push(request?);
    }
    Ok(())
}

#[async_trait]
impl Supervised for Stub {
    async fn connect(&self) -> io::Result<Box<dyn Duplex>> {
        let less = |left: u32| left.checked_sub(1);
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        if self.out_of_reach.fetch_update(set, get, less).is_ok() {
            return Err(rustix::io::Errno::MFILE.into());
        }
        if self.dies {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = tokio::io::duplex(4096);
        tokio::spawn(hear(theirs, self.asked.clone()));
        Ok(Box::new(ours))
    }

    async fn socket(&self) -> io::Result<PathBuf> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn is_supervised(&self) -> io::Result<bool> {
        Ok(!self.dies || self.out_of_reach.load(Ordering::Relaxed) > 0)
    }

    fn note(&self, _note: &Note) -> io::Result<()> {
        Ok(())
    }

    async fn forget(&self, _keys: BTreeSet<u32>) -> io::Result<()> {
        Ok(())
    }

    async fn keep_limits(&self, _limits: &Limits) -> io::Result<()> {
        Ok(())
    }

    async fn exit_record(&self) -> io::Result<Option<ExitRecord>> {
        Ok(None)
    }

    async fn abandon(&self, _record: &ExitRecord) {}

    async fn discard(&self) -> io::Result<()> {
        Ok(())
    }
}
