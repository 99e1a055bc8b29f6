//! The list of running processes, as the kernel gives it.
#![allow(unsafe_code)] // One native call fills a buffer.

use porthole_protocol::ProcessEntry;
use windows_sys::Win32::Foundation::{NTSTATUS, STATUS_INFO_LENGTH_MISMATCH};

use crate::error::{Failure, Outcome};

#[link(name = "ntdll")]
unsafe extern "system" {
    fn NtQuerySystemInformation(class: u32, data: *mut u8, size: u32, needed: *mut u32)
    -> NTSTATUS;
}

const SYSTEM_PROCESS_INFORMATION: u32 = 5;

/// More than a silo's processes could need.
const LARGEST: usize = 64 << 20;

/// All processes of the silo.
pub(crate) fn processes() -> Outcome<Vec<ProcessEntry>> {
    let mut list = vec![0_u8; 64 << 10];
    loop {
        let mut needed = 0;
        let size = u32::try_from(list.len()).unwrap_or(u32::MAX);
        // SAFETY: the list is `size` bytes long.
        let status = unsafe {
            NtQuerySystemInformation(
                SYSTEM_PROCESS_INFORMATION,
                list.as_mut_ptr(),
                size,
                &raw mut needed,
            )
        };
        if status != STATUS_INFO_LENGTH_MISMATCH || list.len() >= LARGEST {
            Failure::check("NtQuerySystemInformation", status)?;
            return Ok(parse(&list, list.as_ptr().addr()));
        }
        list.resize((needed as usize).max(list.len()) * 2, 0);
    }
}

/// Offsets of `SYSTEM_PROCESS_INFORMATION` for 64 bits.
mod offset {
    pub(super) const CREATE_TIME: usize = 32;
    pub(super) const USER_TIME: usize = 40;
    pub(super) const KERNEL_TIME: usize = 48;
    pub(super) const NAME_LENGTH: usize = 56;
    pub(super) const NAME_POINTER: usize = 64;
    pub(super) const PROCESS_ID: usize = 80;
    pub(super) const PAGEFILE_USAGE: usize = 184;
}

/// Reads the linked list in `list`, which the kernel filled while it lay at address `base`.
fn parse(list: &[u8], base: usize) -> Vec<ProcessEntry> {
    let mut entries = Vec::new();
    let mut start = 0_usize;
    while let Some(entry) = list.get(start..) {
        let pid = number(entry, offset::PROCESS_ID);
        let length = number(entry, offset::NAME_LENGTH) & 0xffff;
        let name = usize::try_from(number(entry, offset::NAME_POINTER)).unwrap_or(0);
        if pid != 0 {
            // Wine counts resident anonymous pages and swap as page-file usage: what is private.
            let private = number(entry, offset::PAGEFILE_USAGE);
            entries.push(ProcessEntry {
                pid: u32::try_from(pid).unwrap_or(0),
                image_name: file_name(list, name.wrapping_sub(base), length),
                user_time_100ns: number(entry, offset::USER_TIME),
                kernel_time_100ns: number(entry, offset::KERNEL_TIME),
                create_time: number(entry, offset::CREATE_TIME),
                private_working_set: private,
                commit: private,
            });
        }
        match number(entry, 0) & 0xffff_ffff {
            0 => break,
            next => start += usize::try_from(next).unwrap_or(list.len()),
        }
    }
    entries
}

fn number(entry: &[u8], offset: usize) -> u64 {
    let bytes = entry
        .get(offset..offset + 8)
        .and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_le_bytes)
}

fn file_name(list: &[u8], start: usize, length: u64) -> String {
    let length = usize::try_from(length).unwrap_or(0);
    let Some(bytes) = list.get(start..).and_then(|tail| tail.get(..length)) else {
        return String::new();
    };
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let path = String::from_utf16_lossy(&units);
    path.rsplit('\\').next().unwrap_or_default().to_owned()
}

// No test module: Wine and Windows are needed to run one, and tests/agent asks for the list there.
