//! `drives`: prints each drive with its kind and file system, and what device C: is.
#![allow(unsafe_code)] // Asks for the drives.

use std::ptr;

use windows_sys::Win32::Storage::FileSystem::{
    GetDriveTypeW, GetLogicalDrives, GetVolumeInformationW, QueryDosDeviceW,
};

fn main() {
    // SAFETY: takes nothing.
    let drives = unsafe { GetLogicalDrives() };
    for letter in ('A'..='Z').filter(|&letter| drives >> (letter as u32 - 'A' as u32) & 1 != 0) {
        let root = wide(&format!("{letter}:\\"));
        // SAFETY: the path is null-terminated.
        let kind = match unsafe { GetDriveTypeW(root.as_ptr()) } {
            3 => "fixed",
            _ => "other",
        };
        println!("{letter}:\\ {kind} {}", file_system(&root));
    }
    let mut device = [0_u16; 260];
    // SAFETY: name and buffer are as long as stated.
    unsafe { QueryDosDeviceW(wide("C:").as_ptr(), device.as_mut_ptr(), 260) };
    println!("QueryDosDevice C: {}", narrow(&device));
}

fn file_system(root: &[u16]) -> String {
    let mut name = [0_u16; 32];
    // SAFETY: the path is null-terminated and the buffer as long as stated.
    unsafe {
        GetVolumeInformationW(
            root.as_ptr(),
            ptr::null_mut(),
            0,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            name.as_mut_ptr(),
            32,
        )
    };
    narrow(&name)
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

fn narrow(buffer: &[u16]) -> String {
    let end = buffer
        .iter()
        .position(|&unit| unit == 0)
        .unwrap_or(buffer.len());
    String::from_utf16_lossy(&buffer[..end])
}
