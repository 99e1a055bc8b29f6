//! A service: `service.exe FILE`. Says into FILE when it runs and when it is stopped.
#![allow(unsafe_code)] // Calls Windows.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use windows_sys::Win32::System::Services::{
    RegisterServiceCtrlHandlerW, SERVICE_ACCEPT_STOP, SERVICE_CONTROL_STOP, SERVICE_RUNNING,
    SERVICE_STATUS, SERVICE_STATUS_HANDLE, SERVICE_STOPPED, SERVICE_TABLE_ENTRYW,
    SERVICE_WIN32_OWN_PROCESS, SetServiceStatus, StartServiceCtrlDispatcherW,
};

static STOP: OnceLock<Sender<()>> = OnceLock::new();

fn main() {
    let mut name: Vec<u16> = "probe\0".encode_utf16().collect();
    let table = [
        SERVICE_TABLE_ENTRYW {
            lpServiceName: name.as_mut_ptr(),
            lpServiceProc: Some(service_main),
        },
        SERVICE_TABLE_ENTRYW::default(),
    ];
    // SAFETY: the table ends with an empty entry and outlives the call.
    unsafe { StartServiceCtrlDispatcherW(table.as_ptr()) };
}

extern "system" fn service_main(_: u32, _: *mut *mut u16) {
    let (sender, stop) = channel();
    let _ = STOP.set(sender);
    let name: Vec<u16> = "probe\0".encode_utf16().collect();
    // SAFETY: the name outlives the call; the handler lives for ever.
    let handle = unsafe { RegisterServiceCtrlHandlerW(name.as_ptr(), Some(handler)) };
    say("running");
    report(handle, SERVICE_RUNNING);
    let _ = stop.recv();
    say("stopped");
    report(handle, SERVICE_STOPPED);
}

extern "system" fn handler(control: u32) {
    if let (SERVICE_CONTROL_STOP, Some(stop)) = (control, STOP.get()) {
        let _ = stop.send(());
    }
}

fn report(handle: SERVICE_STATUS_HANDLE, state: u32) {
    let mut status = SERVICE_STATUS {
        dwServiceType: SERVICE_WIN32_OWN_PROCESS,
        dwCurrentState: state,
        dwControlsAccepted: SERVICE_ACCEPT_STOP,
        ..SERVICE_STATUS::default()
    };
    // SAFETY: the handle is the service's; the structure outlives the call.
    unsafe { SetServiceStatus(handle, &raw mut status) };
}

fn say(word: &str) {
    let path = std::env::args().nth(1).unwrap_or_default();
    let file = OpenOptions::new().create(true).append(true).open(path);
    let _ = file.and_then(|mut file| writeln!(file, "{word}"));
}
