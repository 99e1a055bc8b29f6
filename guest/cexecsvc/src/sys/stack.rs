//! Giving back what Wine's start of a thread takes.
#![allow(unsafe_code)] // Discards pages below the stack pointer.

use std::ptr;

use windows_sys::Win32::System::Memory::{MEM_RESET, PAGE_READWRITE, VirtualAlloc};
use windows_sys::Win32::System::Threading::GetCurrentThreadStackLimits;

/// Bytes below the caller's frame that stay: calls made from here run in them.
const KEPT: usize = 32 << 10;
const PAGE: usize = 4 << 10;
/// Guard pages at the bottom, with room to spare.
const GUARD: usize = 4 * PAGE;

/// Gives the unused part of the calling thread's stack back to the system.
///
/// Wine writes zeroes over 960 KiB of a thread's stack before the thread runs, which makes each
/// thread of the agent cost a megabyte that it never uses.
#[inline(never)]
pub(crate) fn release_unused() {
    let here = 0_u8;
    let top = ((&raw const here).addr() - KEPT) & !(PAGE - 1);
    let (mut low, mut high) = (0, 0);
    // SAFETY: writes two numbers.
    unsafe { GetCurrentThreadStackLimits(&raw mut low, &raw mut high) };
    let bottom = low + GUARD;
    if bottom >= top {
        return;
    }
    // SAFETY: the range lies in this thread's stack, below everything that is in use; what is
    // written there later begins from zeroed pages. Failing costs memory only.
    unsafe {
        VirtualAlloc(
            ptr::without_provenance_mut(bottom),
            top - bottom,
            MEM_RESET,
            PAGE_READWRITE,
        );
    }
}
