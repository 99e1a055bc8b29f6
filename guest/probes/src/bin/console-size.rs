//! `console-size [--watch]`: prints columns x rows of the console, with `--watch` at each change.
#![allow(unsafe_code)] // Asks the console.

use std::time::Duration;

use windows_sys::Win32::System::Console::{
    CONSOLE_SCREEN_BUFFER_INFO, GetConsoleScreenBufferInfo, GetStdHandle, STD_OUTPUT_HANDLE,
};

fn main() {
    let mut last = size();
    report(last);
    while std::env::args().any(|argument| argument == "--watch") {
        std::thread::sleep(Duration::from_millis(20));
        let now = size();
        if now != last {
            report(now);
            last = now;
        }
    }
}

fn size() -> Option<(i16, i16)> {
    let mut info = CONSOLE_SCREEN_BUFFER_INFO::default();
    // SAFETY: returns a handle of the process parameters.
    let screen = unsafe { GetStdHandle(STD_OUTPUT_HANDLE) };
    // SAFETY: the structure is writable.
    let known = unsafe { GetConsoleScreenBufferInfo(screen, &raw mut info) } != 0;
    let window = info.srWindow;
    known.then(|| {
        (
            window.Right - window.Left + 1,
            window.Bottom - window.Top + 1,
        )
    })
}

fn report(size: Option<(i16, i16)>) {
    match size {
        Some((columns, rows)) => println!("{columns}x{rows}"),
        None => println!("no console"),
    }
}
