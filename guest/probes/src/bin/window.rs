//! Opens a window, waits until it is asked to draw, draws, and ends with 7.
#![allow(unsafe_code)] // Calls Windows.

use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{HWND, LPARAM, LRESULT, WPARAM};
use windows_sys::Win32::Graphics::Gdi::{
    BeginPaint, EndPaint, PAINTSTRUCT, TextOutW, UpdateWindow,
};
use windows_sys::Win32::System::LibraryLoader::GetModuleHandleW;
use windows_sys::Win32::UI::WindowsAndMessaging::{
    CreateWindowExW, DefWindowProcW, DispatchMessageW, GetMessageW, IsWindowVisible, MSG,
    PostQuitMessage, RegisterClassW, WM_PAINT, WNDCLASSW, WS_OVERLAPPEDWINDOW, WS_VISIBLE,
};

fn main() {
    let name: Vec<u16> = "probe\0".encode_utf16().collect();
    // SAFETY: null names this program.
    let instance = unsafe { GetModuleHandleW(null()) };
    let class = WNDCLASSW {
        lpfnWndProc: Some(procedure),
        hInstance: instance,
        lpszClassName: name.as_ptr(),
        ..WNDCLASSW::default()
    };
    // SAFETY: the class and its name outlive the call.
    unsafe { RegisterClassW(&raw const class) };
    // SAFETY: the name outlives the call; what is optional is null.
    let window = unsafe {
        CreateWindowExW(
            0,
            name.as_ptr(),
            name.as_ptr(),
            WS_OVERLAPPEDWINDOW | WS_VISIBLE,
            0,
            0,
            200,
            100,
            null_mut(),
            null_mut(),
            instance,
            null(),
        )
    };
    // SAFETY: takes a plain value, here and below.
    let visible = unsafe { IsWindowVisible(window) } != 0;
    println!("visible {visible}");
    // SAFETY: as above.
    unsafe { UpdateWindow(window) };
    let mut message = MSG::default();
    // SAFETY: the structure outlives the call, here and below.
    while unsafe { GetMessageW(&raw mut message, null_mut(), 0, 0) } > 0 {
        // SAFETY: as above.
        unsafe { DispatchMessageW(&raw const message) };
    }
    std::process::exit(i32::try_from(message.wParam).unwrap_or(1));
}

extern "system" fn procedure(window: HWND, message: u32, first: WPARAM, second: LPARAM) -> LRESULT {
    if message != WM_PAINT {
        // SAFETY: passes on what the system has given.
        return unsafe { DefWindowProcW(window, message, first, second) };
    }
    let text: Vec<u16> = "drawn".encode_utf16().collect();
    let mut paint = PAINTSTRUCT::default();
    // SAFETY: the structure outlives the drawing.
    let context = unsafe { BeginPaint(window, &raw mut paint) };
    // SAFETY: the text has five units.
    let drawn = unsafe { TextOutW(context, 1, 1, text.as_ptr(), 5) } != 0;
    // SAFETY: ends what was begun above.
    unsafe { EndPaint(window, &raw const paint) };
    println!("drawn {drawn}");
    // SAFETY: takes a plain value.
    unsafe { PostQuitMessage(7) };
    0
}
