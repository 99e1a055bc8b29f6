//! A container as the rest of the engine holds it: its record, its task's ear, and what runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use porthole_compute_service::system::{ComputeSystem, Process, Wanted};
use tokio::sync::{mpsc, oneshot};

use crate::attachment::Streams;
use crate::container::copies::Copies;
use crate::container::health_monitor::Monitor;
use crate::container::ledger::Ledger;
use crate::container::update::UpdateContainer;
use crate::error::{Error, Result};

/// What only the container's task may do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Start it.
    Start { done: oneshot::Sender<Result<()>> },
    /// Attach a client now or with the next start.
    Attach {
        wanted: Wanted,
        done: oneshot::Sender<Result<Streams>>,
    },
    /// Stop everything in it from running, for a while.
    Pause { done: oneshot::Sender<Result<()>> },
    /// Let everything in it run again.
    Unpause { done: oneshot::Sender<Result<()>> },
    /// Change its limits and its restart policy; gives warnings.
    Update {
        update: UpdateContainer,
        done: oneshot::Sender<Result<Vec<String>>>,
    },
    /// Do not start it again, though its restart policy says so.
    GiveUpRestart { done: oneshot::Sender<Result<()>> },
    /// Remove it; it must not run.
    Remove { done: oneshot::Sender<Result<()>> },
}

/// What runs in a running container.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) system: Arc<dyn ComputeSystem>,
    pub(crate) main: Arc<dyn Process>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live")
            .field("system", &self.system.id())
            .field("main", &self.main.id())
            .finish()
    }
}

/// A container.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) id: String,
    pub(crate) ledger: Arc<Ledger>,
    orders: mpsc::Sender<Order>,
    live: Mutex<Option<Live>>,
    monitor: Mutex<Option<Monitor>>,
    /// Files that are copied into it or out of it.
    pub(crate) copies: Copies,
    /// A restart is under way: the end that comes is not the container's last.
    restarting: AtomicBool,
}

impl Handle {
    pub(crate) fn new(id: String, ledger: Arc<Ledger>, orders: mpsc::Sender<Order>) -> Self {
        let live = Mutex::new(None);
        Self {
            id,
            ledger,
            orders,
            live,
            monitor: Mutex::new(None),
            copies: Copies::default(),
            restarting: AtomicBool::new(false),
        }
    }

    /// What runs; an error with Docker's text when nothing does.
    pub(crate) fn live(&self) -> Result<Live> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.clone().ok_or_else(|| Error::not_running(&self.id))
    }

    /// What runs and is not paused: whoever asks the inside of a paused container for something
    /// would wait until it is unpaused. `before` is what the client wants, for the message.
    pub(crate) fn awake(&self, before: &str) -> Result<Live> {
        let live = self.live()?;
        if self.ledger.read().state.is_paused() {
            return Err(Error::conflict(format!(
                "Container {} is paused, unpause the container before {before}",
                self.id
            )));
        }
        Ok(live)
    }

    pub(crate) fn set_live(&self, new: Option<Live>) {
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) = new;
    }

    /// Has its health checked by this monitor from now on, or by none.
    pub(crate) fn set_monitor(&self, new: Option<Monitor>) {
        *self.monitor.lock().unwrap_or_else(PoisonError::into_inner) = new;
    }

    pub(crate) fn set_restarting(&self, restarting: bool) {
        self.restarting.store(restarting, Ordering::SeqCst);
    }

    pub(crate) fn is_restarting(&self) -> bool {
        self.restarting.load(Ordering::SeqCst)
    }

    /// Has the task do something, and waits for the outcome. The task carries the order out even
    /// when the caller goes away meanwhile.
    pub(crate) async fn order<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<T>>) -> Order,
    ) -> Result<T> {
        let gone = || Error::not_found("container", &self.id);
        let (done, outcome) = oneshot::channel();
        self.orders.send(make(done)).await.map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }
}
