//! `control-events [--ignore] [--slow MILLISECONDS]`: prints `ready`, then waits for control
//! events and prints the name of each. After the first it exits with 100 + its number, unless it
//! is to ignore them; `--slow` lets the handler take so long first. With `--main` the handler blocks
//! and the main thread exits, with 7, as Go's programs do.
#![allow(unsafe_code)] // Registers a console control handler.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;

static IGNORES: AtomicBool = AtomicBool::new(false);
static MAIN_EXITS: AtomicBool = AtomicBool::new(false);
static SEEN: AtomicBool = AtomicBool::new(false);
static SLOWNESS: AtomicU64 = AtomicU64::new(0);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    IGNORES.store(
        arguments.iter().any(|argument| argument == "--ignore"),
        Ordering::Relaxed,
    );
    let main_exits = arguments.iter().any(|argument| argument == "--main");
    MAIN_EXITS.store(main_exits, Ordering::Relaxed);
    if let Some(place) = arguments.iter().position(|argument| argument == "--slow") {
        let slowness = arguments.get(place + 1).and_then(|text| text.parse().ok());
        SLOWNESS.store(slowness.unwrap_or(0), Ordering::Relaxed);
    }
    // SAFETY: the handler is a static function.
    unsafe { SetConsoleCtrlHandler(Some(handle), 1) };
    say("ready");
    while !SEEN.load(Ordering::Relaxed) || !main_exits {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::process::exit(7);
}

/// Windows runs handlers in a thread of their own.
unsafe extern "system" fn handle(event: u32) -> i32 {
    say(match event {
        0 => "CTRL_C_EVENT",
        1 => "CTRL_BREAK_EVENT",
        2 => "CTRL_CLOSE_EVENT",
        5 => "CTRL_LOGOFF_EVENT",
        6 => "CTRL_SHUTDOWN_EVENT",
        _ => "an unknown event",
    });
    std::thread::sleep(Duration::from_millis(SLOWNESS.load(Ordering::Relaxed)));
    SEEN.store(true, Ordering::Relaxed);
    if IGNORES.load(Ordering::Relaxed) || MAIN_EXITS.load(Ordering::Relaxed) {
        // Windows ends a process whose handler returns from a close or shutdown event.
        loop {
            std::thread::sleep(Duration::from_secs(3600));
        }
    }
    std::process::exit(100 + event.cast_signed());
}

fn say(text: &str) {
    // Nobody is left to hear of a closed output.
    let _ = io::stdout().write_all(format!("{text}\r\n").as_bytes());
    let _ = io::stdout().flush();
}
