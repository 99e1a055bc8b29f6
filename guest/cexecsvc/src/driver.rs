//! Hosting one of Wine's drivers: `cexecsvc.exe --driver NAME`.
//!
//! Wine's own way is `services.exe` with a `winedevice.exe` for each group of drivers, which cost
//! 29 MB and 110 ms. A driver needs neither, only `ntoskrnl.exe`'s functions and its loop.
#![allow(unsafe_code)] // Calls into a driver.

use std::ffi::c_void;
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_BAD_EXE_FORMAT, ERROR_FILE_NOT_FOUND, HANDLE, NTSTATUS, UNICODE_STRING,
};
use windows_sys::Win32::System::LibraryLoader::{
    GetProcAddress, LOAD_LIBRARY_SEARCH_DEFAULT_DIRS, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR,
    LoadLibraryExW,
};

use crate::error::{Failure, Outcome};
use crate::sys::process::{self, Process, Start};
use crate::sys::text::wide;

/// Starts a process that hosts the driver `name`.
pub(crate) fn start(name: &str) -> Outcome<Process> {
    const AGENT: &str = r"C:\Windows\System32\cexecsvc.exe";
    let command_line = format!("\"{AGENT}\" --driver {name}");
    Ok(process::start(&Start::server(AGENT, &command_line))?.process)
}

type DriverEntry = unsafe extern "system" fn(*mut c_void, *mut UNICODE_STRING) -> NTSTATUS;
type IoCreateDriver = unsafe extern "system" fn(*mut UNICODE_STRING, DriverEntry) -> NTSTATUS;
type MainLoop = unsafe extern "C" fn(HANDLE) -> NTSTATUS;

/// Loads the driver `name` and serves its devices for ever.
pub(crate) fn host(name: &str) -> Outcome<()> {
    let kernel = load(r"C:\Windows\System32\ntoskrnl.exe")?;
    // Windows keeps drivers in a folder of their own, Wine beside its libraries.
    let places = [r"C:\Windows\System32\drivers", r"C:\Windows\System32"];
    let module = places
        .into_iter()
        .map(|place| load(&format!(r"{place}\{name}.sys")))
        .reduce(Result::or)
        .unwrap_or(Err(Failure::new("LoadLibrary", ERROR_FILE_NOT_FOUND)))?;
    // SAFETY: a driver's entry point has this signature; the module is never unloaded.
    let entry = unsafe { std::mem::transmute::<*const c_void, DriverEntry>(entry_point(module)?) };
    // SAFETY: the function has this signature in Windows and Wine.
    let create = unsafe {
        std::mem::transmute::<unsafe extern "system" fn() -> isize, IoCreateDriver>(function(
            kernel,
            c"IoCreateDriver",
        )?)
    };
    // SAFETY: the function has this signature in Wine, which alone has it.
    let main_loop = unsafe {
        std::mem::transmute::<unsafe extern "system" fn() -> isize, MainLoop>(function(
            kernel,
            c"wine_ntoskrnl_main_loop",
        )?)
    };
    let mut units = wide(&format!(r"\Driver\{name}"));
    let bytes = u16::try_from((units.len() - 1) * 2).unwrap_or(0);
    let mut driver = UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes + 2,
        Buffer: units.as_mut_ptr(),
    };
    // SAFETY: the name is alive; the entry point is the driver's.
    Failure::check("IoCreateDriver", unsafe { create(&raw mut driver, entry) })?;
    let stop = crate::sys::event::Event::new()?;
    use std::os::windows::io::AsRawHandle as _;
    // SAFETY: the event stays open during the loop.
    Failure::check("main loop", unsafe {
        main_loop(stop.handle().as_raw_handle())
    })
}

fn load(path: &str) -> Outcome<*mut c_void> {
    let path = wide(path);
    // SAFETY: the path is null-terminated; modules of Wine run their own start code.
    let module = unsafe {
        LoadLibraryExW(
            path.as_ptr(),
            ptr::null_mut(),
            LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS,
        )
    };
    if module.is_null() {
        Err(Failure::last("LoadLibrary"))
    } else {
        Ok(module)
    }
}

fn function(
    module: *mut c_void,
    name: &std::ffi::CStr,
) -> Outcome<unsafe extern "system" fn() -> isize> {
    // SAFETY: module and name are valid.
    unsafe { GetProcAddress(module, name.as_ptr().cast()) }
        .ok_or_else(|| Failure::last("GetProcAddress"))
}

/// Where a loaded driver begins: `AddressOfEntryPoint` of its header.
fn entry_point(module: *mut c_void) -> Outcome<*const c_void> {
    const NEW_HEADER: usize = 0x3c;
    const ENTRY: usize = 0x28;
    let base = module.cast::<u8>().cast_const();
    // SAFETY: the loader has mapped the headers of the module.
    let header = unsafe { ptr::read_unaligned(base.add(NEW_HEADER).cast::<u32>()) };
    // SAFETY: as above.
    let entry = unsafe { ptr::read_unaligned(base.add(header as usize + ENTRY).cast::<u32>()) };
    if entry == 0 {
        return Err(Failure::new("LoadDriver", ERROR_BAD_EXE_FORMAT));
    }
    // SAFETY: the entry point lies inside the module.
    Ok(unsafe { base.add(entry as usize) }.cast())
}
