//! Delivery of console control events.
//!
//! A console would deliver Ctrl-C only to its own processes, and Wine's knows no other event: it
//! turns Ctrl-Break into the end of a thread and refuses the rest. So the agent itself does what a
//! console does in the end: it runs each process's handlers in a new thread of that process.

use std::os::windows::io::{AsHandle, OwnedHandle};

use porthole_protocol::ControlEvent;

use crate::error::{Failure, Outcome};
use crate::stdio;
use crate::sys::event::wait_any;
use crate::sys::process::Process;

/// What a process reports that was ended by a control event: `STATUS_CONTROL_C_EXIT`.
pub(crate) const CONTROL_EXIT: u32 = 0xc000_013a;

/// `ERROR_NOT_FOUND`: no process is there to act on.
pub(crate) const NOT_FOUND: u32 = 1168;

/// A process has not loaded a library.
const ERROR_MOD_NOT_FOUND: u32 = 126;

/// Windows' number for an event.
const fn number(event: ControlEvent) -> u32 {
    match event {
        ControlEvent::CtrlC => 0,
        ControlEvent::CtrlBreak => 1,
        ControlEvent::CtrlClose => 2,
        ControlEvent::CtrlLogOff => 5,
        ControlEvent::CtrlShutdown => 6,
    }
}

/// Whether Windows ends a process whose handlers have returned.
const fn is_final(event: ControlEvent) -> bool {
    matches!(event, ControlEvent::CtrlClose | ControlEvent::CtrlShutdown)
}

/// Delivers `event` to the processes `pids`, each from a thread of its own: a process whose threads
/// are all suspended takes the event when it runs again, and nothing else may wait for that.
///
/// # Errors
/// When there is no process.
pub(crate) fn deliver(pids: &[u32], event: ControlEvent) -> Outcome<()> {
    if pids.is_empty() {
        return Err(Failure::new("GenerateConsoleCtrlEvent", NOT_FOUND));
    }
    for &pid in pids {
        stdio::spawn(move || {
            if let Err(failure) = deliver_to(pid, event) {
                eprintln!("cexecsvc: {event:?} to process {pid}: {failure}");
            }
        })?;
    }
    Ok(())
}

fn deliver_to(pid: u32, event: ControlEvent) -> Outcome<()> {
    let process = Process::open(pid)?;
    match process.run_control_handlers(number(event)) {
        Ok(handlers) if is_final(event) => end_after_handlers(&process, &handlers),
        // It has only begun to start, so it cannot have a handler yet.
        Err(failure) if is_final(event) && failure.code() == ERROR_MOD_NOT_FOUND => {
            process.terminate(CONTROL_EXIT)?;
        }
        delivered => drop(delivered?),
    }
    Ok(())
}

/// Milliseconds that an end of its own may take a process once the thread of its handlers is gone.
const OWN_END: u32 = 500;

/// Ends the process when its handlers have returned without ending it.
fn end_after_handlers(process: &Process, handlers: &OwnedHandle) {
    let either = [process.handle().as_handle(), handlers.as_handle()];
    if !matches!(wait_any(&either, None), Ok(Some(1))) {
        return;
    }
    // A handler that blocks while the rest of the program cleans up (Go's, .NET's) does not return:
    // its thread is ended by `ExitProcess`, which ends the process last of all, with its own code.
    if matches!(wait_any(&either[..1], Some(OWN_END)), Ok(None)) {
        // It may just have ended by itself, which is as good.
        let _ = process.terminate(CONTROL_EXIT);
    }
}
