//! `version`: the version of Windows as the loader, the shared page and the registry's reader say it.

#![allow(unsafe_code, reason = "reads the page that the kernel shares")]

use windows_sys::Wdk::System::SystemServices::RtlGetVersion;
use windows_sys::Win32::System::SystemInformation::OSVERSIONINFOW;

/// Where `KUSER_SHARED_DATA` is, and in it build, major and minor number.
const SHARED: usize = 0x7ffe_0000;
const NUMBERS: [usize; 3] = [0x26c, 0x270, 0x260];

fn main() {
    let mut info = OSVERSIONINFOW {
        dwOSVersionInfoSize: u32::try_from(size_of::<OSVERSIONINFOW>()).unwrap_or(0),
        ..Default::default()
    };
    // SAFETY: the structure is writable and says its size.
    unsafe { RtlGetVersion(&raw mut info) };
    println!(
        "loader {}.{}.{}",
        info.dwMajorVersion, info.dwMinorVersion, info.dwBuildNumber
    );
    let numbers = NUMBERS.map(|offset| {
        let place = std::ptr::with_exposed_provenance::<u32>(SHARED + offset);
        // SAFETY: the page is mapped in every process, and the place is aligned.
        unsafe { place.read_volatile() }
    });
    println!("shared {}.{}.{}", numbers[0], numbers[1], numbers[2]);
}
