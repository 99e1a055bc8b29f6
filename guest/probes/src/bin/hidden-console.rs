//! `hidden-console`: prints what its console answers, though its output is a pipe.
#![allow(unsafe_code)] // Asks the console.

use std::ptr;

use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_SHARE_READ, FILE_SHARE_WRITE, OPEN_EXISTING,
};
use windows_sys::Win32::System::Console::{
    CONSOLE_SCREEN_BUFFER_INFO, GetConsoleCP, GetConsoleOutputCP, GetConsoleScreenBufferInfo,
    GetConsoleTitleW, SetConsoleTitleW, WriteConsoleW,
};

fn main() {
    // SAFETY: takes nothing.
    let input = unsafe { GetConsoleCP() };
    // SAFETY: takes nothing.
    let output = unsafe { GetConsoleOutputCP() };
    println!("code pages {input} {output}");
    let name = wide("CONOUT$");
    // SAFETY: the name is null-terminated.
    let screen = unsafe {
        CreateFileW(
            name.as_ptr(),
            GENERIC_READ | GENERIC_WRITE,
            FILE_SHARE_READ | FILE_SHARE_WRITE,
            ptr::null(),
            OPEN_EXISTING,
            0,
            ptr::null_mut(),
        )
    };
    let mut info = CONSOLE_SCREEN_BUFFER_INFO::default();
    // SAFETY: the structure is writable.
    unsafe { GetConsoleScreenBufferInfo(screen, &raw mut info) };
    println!("screen {}x{}", info.dwSize.X, info.dwSize.Y);
    let text = wide("hello");
    let mut written = 0;
    // SAFETY: the text is as long as stated.
    unsafe { WriteConsoleW(screen, text.as_ptr(), 5, &raw mut written, ptr::null()) };
    println!("written {written}");
    // SAFETY: the title is null-terminated.
    unsafe { SetConsoleTitleW(wide("Ship").as_ptr()) };
    let mut title = [0_u16; 64];
    // SAFETY: the buffer is as long as stated.
    let length = unsafe { GetConsoleTitleW(title.as_mut_ptr(), 64) };
    println!(
        "title {}",
        String::from_utf16_lossy(&title[..length as usize])
    );
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
