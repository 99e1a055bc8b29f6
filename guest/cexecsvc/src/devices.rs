//! Devices that programs expect and that Wine has only with its device hosts running: the mount
//! manager, which the agent is itself, and Nsi, whose driver it starts when a program first asks.
//! One thread waits for their requests, and for the first of the service control manager's.
//!
//! ```text
//! \Device\MountPointManager ◀─ \??\MountPointManager     answered here
//! (nothing) ◀─ \??\C:, \??\Volume{…}                     names only: C: is a directory of Wine
//! \Device\NsiGate ◀─ \??\Nsi                             until the first request; then Wine's
//! \Device\Nsi     ◀─ \??\Nsi                             driver has taken both names' place
//! ```

use std::os::windows::io::{AsHandle, OwnedHandle};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Outcome;
use crate::mounts;
use crate::nsi::Nsi;
use crate::services::Gate;
use crate::stdio;
use crate::sys::event::wait_any;
use crate::sys::nt;
use crate::sys::wineserver::{self, Answer, Control, DeviceManager, DeviceRequest};

const MOUNT_MANAGER: u64 = 1;
const NSI_GATE: u64 = 2;

pub(crate) const STATUS_SUCCESS: u32 = 0;
pub(crate) const STATUS_NOT_SUPPORTED: u32 = 0xc000_00bb;

/// Makes the devices and serves them from a thread of their own.
pub(crate) fn serve() -> Outcome<()> {
    if !wineserver::is_supported() {
        return Ok(());
    }
    let manager = DeviceManager::new()?;
    manager.create_device(r"\Device\MountPointManager", MOUNT_MANAGER)?;
    manager.create_device(r"\Device\NsiGate", NSI_GATE)?;
    let links = vec![
        nt::create_link(r"\??\MountPointManager", r"\Device\MountPointManager")?,
        nt::create_link(r"\??\C:", mounts::DEVICE)?,
        nt::create_link(mounts::VOLUME, mounts::DEVICE)?,
    ];
    let nsi = Arc::new(Mutex::new(Nsi::closed(nt::create_link(
        r"\??\Nsi",
        r"\Device\NsiGate",
    )?)));
    let services = Some(Gate::open()?);
    stdio::spawn(move || {
        Devices {
            manager,
            nsi,
            services,
            _links: links,
        }
        .serve();
    })
}

struct Devices {
    manager: DeviceManager,
    nsi: Arc<Mutex<Nsi>>,
    /// Until a program has asked for the manager.
    services: Option<Gate>,
    _links: Vec<OwnedHandle>,
}

impl Devices {
    fn serve(mut self) {
        loop {
            self.wait();
            let mut answer = Answer::None;
            while let Some(request) = self.manager.next(&answer) {
                answer = self.answer(request);
            }
        }
    }

    /// Waits for a request to a device.
    fn wait(&mut self) {
        let device = self.manager.handle().as_handle();
        let services = self.services.iter().map(|gate| gate.handle().as_handle());
        let handles: Vec<_> = [device].into_iter().chain(services).collect();
        // Waiting for open handles cannot fail.
        if let Ok(Some(1)) = wait_any(&handles, None)
            && let Some(gate) = self.services.take()
            && let Err(failure) = gate.serve()
        {
            eprintln!("cexecsvc: services: {failure}");
        }
    }

    fn answer(&mut self, request: DeviceRequest) -> Answer {
        match request {
            DeviceRequest::Other => Answer::Done(STATUS_SUCCESS, Vec::new()),
            DeviceRequest::Control(control) if control.device == MOUNT_MANAGER => {
                let (status, result) = mounts::answer(&control);
                Answer::Done(status, result)
            }
            DeviceRequest::Control(control) if control.device == NSI_GATE => self.pass_on(control),
            DeviceRequest::Control(_) => Answer::Done(STATUS_NOT_SUPPORTED, Vec::new()),
        }
    }

    /// Lets another thread ask the driver, which may have to start first.
    fn pass_on(&mut self, control: Control) -> Answer {
        let nsi = Arc::clone(&self.nsi);
        let delayed = self.manager.delay();
        let asked = stdio::spawn(move || {
            let mut nsi = nsi.lock().unwrap_or_else(PoisonError::into_inner);
            let (status, result) = nsi.ask(&control);
            delayed.give(status, &result);
        });
        if let Err(failure) = asked {
            // The program waits until it gives up.
            eprintln!("cexecsvc: {failure}");
        }
        Answer::Later
    }
}
