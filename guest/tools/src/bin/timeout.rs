//! `timeout`: waits. Wine has none.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use porthole_tools::arguments::Arguments;

const HELP: &str = "TIMEOUT [/T] timeout [/NOBREAK]

    Waits for the given number of seconds (-1: until a key is pressed), or until a key is pressed.

    /T        timeout    The number of seconds to wait, -1 to 99999.
    /NOBREAK             Ignores key presses.";

fn main() -> ExitCode {
    let arguments = Arguments::of_process();
    if arguments.asks_for_help() {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    // "-1" reads as a switch.
    let forever = arguments.has("1");
    let seconds = arguments
        .operands
        .first()
        .and_then(|text| text.parse::<u32>().ok());
    let Some(seconds) = seconds
        .filter(|seconds| *seconds <= 99_999)
        .or(forever.then_some(u32::MAX))
    else {
        eprintln!("ERROR: Invalid syntax. Expected a timeout of -1 to 99999 seconds.");
        return ExitCode::FAILURE;
    };
    wait(seconds, arguments.has("nobreak"));
    ExitCode::SUCCESS
}

/// Windows' own timeout refuses a redirected input; here it waits, which every script wants.
fn wait(seconds: u32, ignore_keys: bool) {
    let watch_keys = !ignore_keys && std::io::stdin().is_terminal();
    for left in (1..=seconds).rev() {
        if std::io::stdout().is_terminal() {
            print!("\rWaiting for {left:>5} seconds, press a key to continue ...");
            let _ = std::io::stdout().flush();
        }
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(100));
            if watch_keys && keys::pressed() {
                return;
            }
        }
    }
    println!();
}

#[cfg(windows)]
mod keys {
    #![allow(unsafe_code, reason = "console input is a C interface")]

    use windows_sys::Win32::System::Console::{
        GetNumberOfConsoleInputEvents, GetStdHandle, INPUT_RECORD, KEY_EVENT, ReadConsoleInputW,
        STD_INPUT_HANDLE,
    };

    /// Whether a key went down since the last call.
    pub(super) fn pressed() -> bool {
        // SAFETY: takes no pointer.
        let input = unsafe { GetStdHandle(STD_INPUT_HANDLE) };
        let mut waiting = 0;
        // SAFETY: `waiting` outlives the call.
        while unsafe { GetNumberOfConsoleInputEvents(input, &mut waiting) } != 0 && waiting > 0 {
            let mut record = INPUT_RECORD::default();
            let mut read = 0;
            // SAFETY: both outlive the call and one record is announced.
            if unsafe { ReadConsoleInputW(input, &mut record, 1, &mut read) } == 0 {
                return false;
            }
            if u32::from(record.EventType) != KEY_EVENT {
                continue;
            }
            // SAFETY: the event type says that this member of the union is set.
            if unsafe { record.Event.KeyEvent }.bKeyDown != 0 {
                return true;
            }
        }
        false
    }
}

#[cfg(not(windows))]
mod keys {
    pub(super) fn pressed() -> bool {
        false
    }
}
