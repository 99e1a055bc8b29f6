//! What a system's driver is told.

use porthole_hcs as hcs;
use porthole_protocol::supervisor::{self, Limits};
use tokio::sync::oneshot;

use crate::error::Result;
use crate::phase::Change;
use crate::policy::Request;
use crate::service::backend::Note;
use crate::wire::WireError;

/// What a handle asks a driver to do.
pub(crate) enum Order {
    Start,
    ShutDown,
    Terminate,
    Pause,
    Resume,
    Modify(hcs::ModifySettingRequest),
    Close,
}

impl Order {
    pub(crate) const fn request(&self) -> Request {
        match self {
            Self::Start => Request::Start,
            Self::ShutDown => Request::ShutDown,
            Self::Terminate => Request::Terminate,
            Self::Pause => Request::Pause,
            Self::Resume => Request::Resume,
            Self::Modify(_) => Request::Modify,
            Self::Close => Request::Close,
        }
    }
}

/// Where the outcome of an order is awaited.
pub(crate) type Reply = oneshot::Sender<Result<()>>;

/// What a driver is told.
pub(crate) enum Message {
    /// A handle's order.
    Order(Order, Reply),
    /// The supervisor's answer to an order.
    Answered(Sent, Result<(), WireError>),
    /// The supervisor's event.
    Event(supervisor::Event),
    /// No more events will come.
    Lost,
}

/// A request under way, with what its success changes.
pub(crate) enum Sent {
    Start(Reply),
    Terminate,
    Change(Request, Change, Note, Reply),
    Limits(Limits, Reply),
    ShutDown(Reply),
}
