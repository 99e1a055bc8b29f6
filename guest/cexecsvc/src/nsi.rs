//! The network store interface: addresses, routes and name servers, which Wine's driver
//! `nsiproxy.sys` reads from the Unix side. It runs in a process of its own, started with the
//! first question.

use std::os::windows::io::{AsHandle, OwnedHandle};
use std::thread;
use std::time::{Duration, Instant};

use crate::devices::STATUS_NOT_SUPPORTED;
use crate::driver;
use crate::error::Outcome;
use crate::sys::nt::{self, ObjectName};
use crate::sys::wineserver::Control;

/// How long the driver may take to start.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let started = Instant::now();
    loop {
        match nt::open_device(&ObjectName::new(r"\Device\Nsi", None), nt::READ_WRITE) {
            Ok(device) => return Ok(device),
            Err(failure) if started.elapsed() > PATIENCE => return Err(failure),
            Err(_) => {}
        }
        let ended = crate::sys::event::wait_any(&[process.handle().as_handle()], Some(0))?;
        if ended.is_some() {
            return Err(crate::error::Failure::new(
                "LoadDriver",
                process.exit_code()?,
            ));
        }
        thread::sleep(Duration::from_millis(2));
    }
}
