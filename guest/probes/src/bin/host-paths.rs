//! `host-paths PATH…`: tries each Unix path in every form that might lead out of the silo, and
//! prints for each form `opened`, `listed` or `missing`. Then prints the drives it finds.
#![allow(unsafe_code)] // Asks for the drives.

use std::fs;

use windows_sys::Win32::Storage::FileSystem::{GetDriveTypeW, GetLogicalDrives};

fn main() {
    for path in std::env::args().skip(1) {
        let windows = path.replace('/', r"\");
        for form in [
            format!(r"\\?\unix{windows}"),
            format!(r"\\.\unix{windows}"),
            format!(r"Z:{windows}"),
            format!(r"\\?\GLOBALROOT\??\unix{windows}"),
            path.clone(),
        ] {
            println!("{form} {}", state(&form));
        }
    }
    for letter in 'A'..='Z' {
        if letter != 'C' && exists(letter) {
            println!("drive {letter}: exists");
        }
    }
}

fn state(path: &str) -> &'static str {
    if fs::File::open(path).is_ok() {
        return "opened";
    }
    if fs::read_dir(path).is_ok() {
        "listed"
    } else {
        "missing"
    }
}

fn exists(letter: char) -> bool {
    const NO_ROOT: u32 = 1;
    let root: Vec<u16> = format!("{letter}:\\\0").encode_utf16().collect();
    // SAFETY: takes nothing.
    let listed = unsafe { GetLogicalDrives() } >> (letter as u32 - 'A' as u32) & 1 != 0;
    // SAFETY: the path is null-terminated.
    listed || unsafe { GetDriveTypeW(root.as_ptr()) } != NO_ROOT
}
