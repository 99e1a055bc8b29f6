//! Looking into 32-bit processes: where a function of one of their libraries is.
#![allow(unsafe_code)] // Reads another process's memory.

use std::ffi::CStr;
use std::mem;
use std::num::NonZero;
use std::os::windows::io::AsRawHandle;
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_BAD_EXE_FORMAT, ERROR_MOD_NOT_FOUND, HMODULE};
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::ProcessStatus::{
    K32EnumProcessModulesEx, K32GetModuleBaseNameW, LIST_MODULES_32BIT,
};

use super::process::Process;
use super::text;
use crate::error::{Failure, Outcome};

/// The most that is read of a library's export directory, in bytes: what a process says of its own
/// libraries may be anything.
const LARGEST: usize = 1 << 20;

/// The address of `function` in the library `name` of a 32-bit process.
///
/// # Errors
/// When the process has no such library (yet), or no such function is in it.
pub(super) fn function(process: &Process, name: &str, function: &CStr) -> Outcome<NonZero<usize>> {
    let module = find_module(process, name)?;
    let library = Library { process, module };
    library
        .export(function)?
        .and_then(NonZero::new)
        .ok_or(Failure::new("GetProcAddress", ERROR_BAD_EXE_FORMAT))
}

fn find_module(process: &Process, name: &str) -> Outcome<usize> {
    let mut modules: Vec<HMODULE> = vec![ptr::null_mut(); 512];
    let bytes = u32::try_from(mem::size_of_val(&modules[..])).unwrap_or(0);
    let mut needed = 0;
    // SAFETY: the list holds `bytes` bytes.
    let done = unsafe {
        K32EnumProcessModulesEx(
            process.handle().as_raw_handle(),
            modules.as_mut_ptr(),
            bytes,
            &raw mut needed,
            LIST_MODULES_32BIT,
        )
    };
    Failure::check_bool("EnumProcessModules", done)?;
    modules.truncate(needed as usize / size_of::<HMODULE>());
    modules
        .into_iter()
        .find(|&module| base_name(process, module).eq_ignore_ascii_case(name))
        .map(|module| module.addr())
        .ok_or(Failure::new("EnumProcessModules", ERROR_MOD_NOT_FOUND))
}

fn base_name(process: &Process, module: HMODULE) -> String {
    let mut name = [0_u16; 64];
    // SAFETY: the buffer holds the 64 units that are announced.
    unsafe {
        K32GetModuleBaseNameW(
            process.handle().as_raw_handle(),
            module,
            name.as_mut_ptr(),
            64,
        )
    };
    text::narrow(&name)
}

/// A library in a 32-bit process.
struct Library<'a> {
    process: &'a Process,
    module: usize,
}

impl Library<'_> {
    /// Finds an exported function by the directory in the library's headers.
    fn export(&self, wanted: &CStr) -> Outcome<Option<usize>> {
        /// Where the headers say where they go on, and there, in the 32-bit form, where the export
        /// directory is.
        const NEW_HEADER: usize = 0x3c;
        const EXPORTS: usize = 0x78;
        let header = self.number(NEW_HEADER)?;
        let directory = self.number(header + EXPORTS)?;
        let size = self.number(header + EXPORTS + 4)?;
        let exports = Exports {
            start: directory,
            bytes: self.read(directory, size.min(LARGEST))?,
        };
        Ok(exports.find(wanted).map(|offset| self.module + offset))
    }

    fn number(&self, offset: usize) -> Outcome<usize> {
        let bytes = self.read(offset, 4)?;
        let number = bytes.try_into().map_or(0, u32::from_le_bytes);
        Ok(number as usize)
    }

    fn read(&self, offset: usize, length: usize) -> Outcome<Vec<u8>> {
        let mut bytes = vec![0; length];
        // SAFETY: the buffer holds `length` bytes; the call fails where the process has no memory.
        let done = unsafe {
            ReadProcessMemory(
                self.process.handle().as_raw_handle(),
                ptr::without_provenance(self.module.wrapping_add(offset)),
                bytes.as_mut_ptr().cast(),
                length,
                ptr::null_mut(),
            )
        };
        Failure::check_bool("ReadProcessMemory", done)?;
        Ok(bytes)
    }
}

/// An export directory; everything in it is named by its offset in the library.
struct Exports {
    start: usize,
    bytes: Vec<u8>,
}

impl Exports {
    fn find(&self, wanted: &CStr) -> Option<usize> {
        const COUNT: usize = 24;
        const FUNCTIONS: usize = 28;
        const NAMES: usize = 32;
        const ORDINALS: usize = 36;
        let field = |offset| self.number(self.start + offset);
        let (count, functions) = (field(COUNT)?, field(FUNCTIONS)?);
        let (names, ordinals) = (field(NAMES)?, field(ORDINALS)?);
        let place = (0..count.min(LARGEST / 4)).find(|place| {
            let name = self.number(names + place * 4).and_then(|at| self.at(at));
            name.is_some_and(|name| name.starts_with(wanted.to_bytes_with_nul()))
        })?;
        let ordinal = self.number(ordinals + place * 2)? & 0xffff;
        self.number(functions + ordinal * 4)
    }

    fn number(&self, offset: usize) -> Option<usize> {
        let bytes = self.at(offset)?;
        // The table of ordinals, of 16 bits each, may end the directory.
        let mut number = [0; 4];
        let length = bytes.len().min(4);
        number[..length].copy_from_slice(&bytes[..length]);
        Some(u32::from_le_bytes(number) as usize)
    }

    fn at(&self, offset: usize) -> Option<&[u8]> {
        self.bytes.get(offset.checked_sub(self.start)?..)
    }
}
