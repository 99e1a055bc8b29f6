//! `objects hold NAME`: creates an event and a mutex of that name, says so, and keeps them.
//! `objects open NAME`: tries to open both, in the session's and in the global namespace.
#![allow(unsafe_code)] // Creates and opens named objects.

use std::ptr;
use std::time::Duration;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Threading::{
    CreateEventW, CreateMutexW, EVENT_ALL_ACCESS, MUTEX_ALL_ACCESS, OpenEventW, OpenMutexW,
};

fn main() {
    let argument = |place: usize| std::env::args().nth(place).unwrap_or_default();
    let name = argument(2);
    let prefixes = ["", r"Global\"];
    if argument(1) == "hold" {
        for prefix in prefixes {
            // SAFETY: the names are null-terminated, the attributes absent.
            unsafe { CreateEventW(ptr::null(), 1, 0, named(prefix, &name, "event").as_ptr()) };
            // SAFETY: as above.
            unsafe { CreateMutexW(ptr::null(), 0, named(prefix, &name, "mutex").as_ptr()) };
        }
        println!("holding");
        std::thread::sleep(Duration::from_secs(3600));
    }
    let opened = |handle: HANDLE| {
        if handle.is_null() {
            "missing"
        } else {
            "opened"
        }
    };
    for prefix in prefixes {
        let event = named(prefix, &name, "event");
        // SAFETY: the name is null-terminated.
        let event = unsafe { OpenEventW(EVENT_ALL_ACCESS, 0, event.as_ptr()) };
        println!("{prefix}event: {}", opened(event));
        let mutex = named(prefix, &name, "mutex");
        // SAFETY: as above.
        let mutex = unsafe { OpenMutexW(MUTEX_ALL_ACCESS, 0, mutex.as_ptr()) };
        println!("{prefix}mutex: {}", opened(mutex));
    }
}

/// Events and mutexes share one namespace, so each has its own name.
fn named(prefix: &str, name: &str, kind: &str) -> Vec<u16> {
    format!("{prefix}{name}-{kind}")
        .encode_utf16()
        .chain([0])
        .collect()
}
