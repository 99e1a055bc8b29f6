//! ICMP echo requests.

#![allow(unsafe_code, reason = "Windows' interfaces are C")]

use std::net::Ipv4Addr;
use std::ptr::null;

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::NetworkManagement::IpHelper::{
    ICMP_ECHO_REPLY, IP_OPTION_INFORMATION, IcmpCloseHandle, IcmpCreateFile, IcmpSendEcho,
};

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// Who answered.
    pub from: Ipv4Addr,
    /// `IP_SUCCESS` (0), or why the answer is no reply, for example 11003 for an unreachable host.
    pub status: u32,
    /// Milliseconds.
    pub time: u32,
    /// Bytes of data that came back.
    pub size: u16,
    /// The time to live that was left.
    pub ttl: u8,
}

/// A source of echo requests.
#[derive(Debug)]
pub struct Echo {
    handle: isize,
}

impl Echo {
    /// Opens the system's ICMP interface.
    ///
    /// # Errors
    /// What the system answered.
    pub fn open() -> std::io::Result<Self> {
        // SAFETY: takes nothing.
        let handle = unsafe { IcmpCreateFile() };
        if handle == INVALID_HANDLE_VALUE {
            return Err(std::io::Error::last_os_error());
        }
        Ok(Self {
            handle: handle as isize,
        })
    }

    /// Sends `size` bytes and waits at most `timeout` milliseconds; nothing came when `None`.
    #[must_use]
    pub fn send(&self, to: Ipv4Addr, size: u16, ttl: u8, timeout: u32) -> Option<Reply> {
        let data: Vec<u8> = (b'a'..=b'w').cycle().take(usize::from(size)).collect();
        let options = IP_OPTION_INFORMATION {
            Ttl: ttl,
            ..IP_OPTION_INFORMATION::default()
        };
        // Room for the structure, the data and an ICMP error, aligned for the structure.
        let mut buffer = vec![0_u64; (size_of::<ICMP_ECHO_REPLY>() + usize::from(size)) / 8 + 16];
        let length = u32::try_from(buffer.len() * 8).unwrap_or(u32::MAX);
        // SAFETY: data and buffer hold as many bytes as are announced and outlive the call.
        let replies = unsafe {
            IcmpSendEcho(
                self.handle as _,
                u32::from_ne_bytes(to.octets()),
                data.as_ptr().cast(),
                size,
                if ttl == 0 { null() } else { &raw const options },
                buffer.as_mut_ptr().cast(),
                length,
                timeout,
            )
        };
        if replies == 0 {
            return None;
        }
        // SAFETY: at least one reply was written at the start of the aligned buffer.
        let reply = unsafe { &*buffer.as_ptr().cast::<ICMP_ECHO_REPLY>() };
        Some(Reply {
            from: Ipv4Addr::from(reply.Address.to_ne_bytes()),
            status: reply.Status,
            time: reply.RoundTripTime,
            size: reply.DataSize,
            ttl: reply.Options.Ttl,
        })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // SAFETY: the handle was opened by `open` and is closed once.
        unsafe { IcmpCloseHandle(self.handle as _) };
    }
}
