//! The network store interface: addresses, routes and name servers, which Wine's driver
//! `nsiproxy.sys` reads from the Unix side. It runs in a process of its own, started with the
//! first question.

use std::os::windows::io::OwnedHandle;

use crate::devices::STATUS_NOT_SUPPORTED;
use crate::driver;
use crate::error::Outcome;
use crate::startup;
use crate::sys::nt::{self, ObjectName};
use crate::sys::wineserver::Control;

/// The driver, or what stands in its place.
#[derive(Debug)]
pub(crate) enum Nsi {
    /// Not asked yet; the name leads to us as long as the handle is open.
    Closed {
        /// Only ever dropped.
        _link: OwnedHandle,
    },
    /// The driver's device.
    Open(OwnedHandle),
    /// It could not be started.
    Failed,
}

impl Nsi {
    /// Not asked yet; `link` is the name that leads programs to us until the driver takes it.
    pub(crate) fn closed(link: OwnedHandle) -> Self {
        Self::Closed { _link: link }
    }

    /// Asks the driver, starting it when needed: a status and a result.
    pub(crate) fn ask(&mut self, control: &Control) -> (u32, Vec<u8>) {
        if matches!(self, Self::Closed { .. }) {
            // The driver makes a link of the same name, so ours has to go first.
            *self = Self::Failed;
            match start() {
                Ok(device) => *self = Self::Open(device),
                Err(failure) => eprintln!("cexecsvc: nsiproxy: {failure}"),
            }
        }
        match self {
            Self::Open(device) => nt::control(
                device,
                control.code,
                &control.parameters,
                control.result_size,
            ),
            Self::Closed { .. } | Self::Failed => (STATUS_NOT_SUPPORTED, Vec::new()),
        }
    }
}

/// Starts the driver and waits for its device.
fn start() -> Outcome<OwnedHandle> {
    let process = driver::start("nsiproxy")?;
    let name = ObjectName::new(r"\Device\Nsi", None);
    startup::wait(&process, || nt::open_device(&name, nt::READ_WRITE))
}
