//! The calls into Windows that the tools make.

#![allow(unsafe_code, reason = "Windows' interfaces are C")]

use std::net::IpAddr;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_BUFFER_OVERFLOW, ERROR_INSUFFICIENT_BUFFER, ERROR_SUCCESS, HANDLE, LocalFree,
};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    FIXED_INFO_W2KSP1, GetExtendedTcpTable, GetExtendedUdpTable, GetNetworkParams,
    TCP_TABLE_OWNER_PID_ALL, UDP_TABLE_OWNER_PID,
};
use windows_sys::Win32::Networking::WinSock::{AF_INET, AF_INET6};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{
    GetTokenInformation, LUID_AND_ATTRIBUTES, LookupAccountSidW, LookupPrivilegeNameW, PSID,
    SID_AND_ATTRIBUTES, TOKEN_GROUPS, TOKEN_INFORMATION_CLASS, TOKEN_PRIVILEGES, TOKEN_QUERY,
    TOKEN_USER, TokenGroups, TokenPrivileges, TokenUser,
};
use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, KEY_SET_VALUE, REG_EXPAND_SZ, REG_SZ, RegCloseKey,
    RegCreateKeyExW, RegSetValueExW,
};
use windows_sys::Win32::System::SystemInformation::{ComputerNameDnsHostname, GetComputerNameExW};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    HWND_BROADCAST, SMTO_ABORTIFHUNG, SendMessageTimeoutW, WM_SETTINGCHANGE,
};

use crate::connections::Kind;

/// A text as Windows takes it: UTF-16 with a zero at its end.
pub(crate) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// The name of this host, as DNS has it.
///
/// # Errors
/// What Windows answered.
pub fn host_name() -> std::io::Result<String> {
    let mut name = [0; 256];
    let mut length = 256;
    // SAFETY: the buffer has as many characters as the length says.
    let known =
        unsafe { GetComputerNameExW(ComputerNameDnsHostname, name.as_mut_ptr(), &raw mut length) };
    if known == 0 {
        return Err(last_error());
    }
    let length = usize::try_from(length).unwrap_or(0).min(name.len());
    Ok(String::from_utf16_lossy(&name[..length]))
}

fn last_error() -> std::io::Error {
    std::io::Error::last_os_error()
}

/// Sets a variable of the user's or, with `machine`, of everybody's environment for programs that
/// start from now on.
///
/// # Errors
/// What the registry answered.
pub fn set_variable(name: &str, value: &str, machine: bool) -> std::io::Result<()> {
    let (root, path) = if machine {
        (
            HKEY_LOCAL_MACHINE,
            r"SYSTEM\CurrentControlSet\Control\Session Manager\Environment",
        )
    } else {
        (HKEY_CURRENT_USER, "Environment")
    };
    let path = wide(path);
    let mut key: HKEY = null_mut();
    // SAFETY: all pointers are valid for the call; optional ones are null.
    let status = unsafe {
        RegCreateKeyExW(
            root,
            path.as_ptr(),
            0,
            null(),
            0,
            KEY_SET_VALUE,
            null(),
            &mut key,
            null_mut(),
        )
    };
    check(status)?;
    let kind = if value.contains('%') {
        REG_EXPAND_SZ
    } else {
        REG_SZ
    };
    let (name, value) = (wide(name), wide(value));
    let size = u32::try_from(value.len() * 2).map_err(std::io::Error::other)?;
    // SAFETY: `value` holds `size` bytes; the key was just opened.
    let status =
        unsafe { RegSetValueExW(key, name.as_ptr(), 0, kind, value.as_ptr().cast(), size) };
    // SAFETY: the key was opened above and is closed once.
    unsafe { RegCloseKey(key) };
    check(status)?;
    announce_change();
    Ok(())
}

/// Tells programs with windows that the environment has changed.
fn announce_change() {
    let subject = wide("Environment");
    // SAFETY: the text outlives the call, which waits at most 100 ms for each window.
    unsafe {
        SendMessageTimeoutW(
            HWND_BROADCAST,
            WM_SETTINGCHANGE,
            0,
            subject.as_ptr() as isize,
            SMTO_ABORTIFHUNG,
            100,
            null_mut(),
        )
    };
}

fn check(status: u32) -> std::io::Result<()> {
    if status == ERROR_SUCCESS {
        Ok(())
    } else {
        Err(std::io::Error::from_raw_os_error(status.cast_signed()))
    }
}

/// The resolver's name servers, in order.
///
/// # Errors
/// What the system answered.
pub fn name_servers() -> std::io::Result<Vec<IpAddr>> {
    let mut size = 0;
    // SAFETY: a null buffer of no bytes asks for the size.
    let status = unsafe { GetNetworkParams(null_mut(), &mut size) };
    if status != ERROR_BUFFER_OVERFLOW {
        check(status)?;
    }
    let words = usize::try_from(size).unwrap_or(0).div_ceil(8);
    let mut buffer = vec![0_u64; words.max(size_of::<FIXED_INFO_W2KSP1>().div_ceil(8))];
    // SAFETY: the buffer is aligned and holds `size` bytes.
    check(unsafe { GetNetworkParams(buffer.as_mut_ptr().cast(), &mut size) })?;
    // SAFETY: on success the buffer begins with this structure.
    let information = unsafe { &*buffer.as_ptr().cast::<FIXED_INFO_W2KSP1>() };
    let mut servers = Vec::new();
    let mut entry = &raw const information.DnsServerList;
    while !entry.is_null() {
        // SAFETY: entries are linked within the buffer and end with null.
        let server = unsafe { &*entry };
        let text: String = server
            .IpAddress
            .String
            .iter()
            .take_while(|byte| **byte != 0)
            .map(|byte| char::from(byte.cast_unsigned()))
            .collect();
        servers.extend(text.parse::<IpAddr>());
        entry = server.Next;
    }
    Ok(servers)
}

/// A table of sockets with their processes, as `porthole_tools::connections` reads it.
///
/// # Errors
/// What the system answered.
pub fn sockets(kind: Kind) -> std::io::Result<Vec<u32>> {
    let family = u32::from(if kind.is_ipv6 { AF_INET6 } else { AF_INET });
    let mut table = vec![0_u32; 1024];
    loop {
        let mut size = u32::try_from(table.len() * 4).map_err(std::io::Error::other)?;
        let room = table.as_mut_ptr().cast();
        let status = if kind.is_tcp {
            // SAFETY: the table holds `size` bytes.
            unsafe { GetExtendedTcpTable(room, &mut size, 1, family, TCP_TABLE_OWNER_PID_ALL, 0) }
        } else {
            // SAFETY: as above.
            unsafe { GetExtendedUdpTable(room, &mut size, 1, family, UDP_TABLE_OWNER_PID, 0) }
        };
        if status != ERROR_INSUFFICIENT_BUFFER {
            check(status)?;
            return Ok(table);
        }
        // There may be more of them the next time.
        table.resize(table.len() * 2 + usize::try_from(size).unwrap_or(0) / 4, 0);
    }
}

/// An account, group or privilege of this process's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name, with its domain.
    pub name: String,
    /// Its SID, as text.
    pub sid: String,
    /// Its attributes: `SE_GROUP_*`.
    pub attributes: u32,
}

/// A token's buffer of one information class, aligned for every structure in it.
struct Information(Vec<u64>);

fn token_information(class: TOKEN_INFORMATION_CLASS) -> std::io::Result<Information> {
    let mut token: HANDLE = null_mut();
    // SAFETY: the pseudo handle is always valid; `token` outlives the call.
    if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token) } == 0 {
        return Err(last_error());
    }
    let mut buffer = vec![0_u64; 8192];
    let mut needed = 0;
    // SAFETY: the buffer holds the 65536 bytes that are announced.
    let done = unsafe {
        GetTokenInformation(token, class, buffer.as_mut_ptr().cast(), 65536, &mut needed)
    };
    let error = last_error();
    // SAFETY: the token was opened above and is closed once.
    unsafe { CloseHandle(token) };
    if done == 0 {
        Err(error)
    } else {
        Ok(Information(buffer))
    }
}

/// The user that this process runs as.
///
/// # Errors
/// What the system answered.
pub fn user() -> std::io::Result<Identity> {
    let information = token_information(TokenUser)?;
    // SAFETY: on success the buffer begins with this structure.
    let user = unsafe { &*information.0.as_ptr().cast::<TOKEN_USER>() };
    identity(&user.User)
}

/// The groups of this process's token.
///
/// # Errors
/// What the system answered.
pub fn groups() -> std::io::Result<Vec<Identity>> {
    let information = token_information(TokenGroups)?;
    // SAFETY: on success the buffer begins with this structure.
    let groups = unsafe { &*information.0.as_ptr().cast::<TOKEN_GROUPS>() };
    let count = usize::try_from(groups.GroupCount).unwrap_or(0);
    // SAFETY: the system wrote `count` entries from this one on.
    let entries = unsafe { std::slice::from_raw_parts(groups.Groups.as_ptr(), count) };
    entries.iter().map(identity).collect()
}

/// The privileges of this process's token, and whether each is enabled.
///
/// # Errors
/// What the system answered.
pub fn privileges() -> std::io::Result<Vec<(String, bool)>> {
    let information = token_information(TokenPrivileges)?;
    // SAFETY: on success the buffer begins with this structure.
    let privileges = unsafe { &*information.0.as_ptr().cast::<TOKEN_PRIVILEGES>() };
    let count = usize::try_from(privileges.PrivilegeCount).unwrap_or(0);
    // SAFETY: the system wrote `count` entries from this one on.
    let entries = unsafe { std::slice::from_raw_parts(privileges.Privileges.as_ptr(), count) };
    Ok(entries
        .iter()
        .map(|entry| (privilege_name(entry), entry.Attributes & 2 != 0))
        .collect())
}

fn privilege_name(entry: &LUID_AND_ATTRIBUTES) -> String {
    let mut name = [0_u16; 128];
    let mut length = 128;
    // SAFETY: the name's buffer holds the 128 units that are announced.
    let done = unsafe { LookupPrivilegeNameW(null(), &entry.Luid, name.as_mut_ptr(), &mut length) };
    let length = if done == 0 {
        0
    } else {
        usize::try_from(length).unwrap_or(0)
    };
    String::from_utf16_lossy(&name[..length.min(128)])
}

fn identity(entry: &SID_AND_ATTRIBUTES) -> std::io::Result<Identity> {
    let sid = sid_text(entry.Sid)?;
    let name = account_name(entry.Sid).unwrap_or_else(|| sid.clone());
    Ok(Identity {
        name,
        sid,
        attributes: entry.Attributes,
    })
}

fn sid_text(sid: PSID) -> std::io::Result<String> {
    let mut text: *mut u16 = null_mut();
    // SAFETY: the SID comes from a token's information; `text` receives an allocation.
    if unsafe { ConvertSidToStringSidW(sid, &mut text) } == 0 {
        return Err(last_error());
    }
    let mut length = 0;
    // SAFETY: the text ends with a zero.
    while unsafe { *text.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: `length` units stand before the zero.
    let owned = String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, length) });
    // SAFETY: allocated by the call above, freed once.
    unsafe { LocalFree(text.cast()) };
    Ok(owned)
}

fn account_name(sid: PSID) -> Option<String> {
    let (mut name, mut domain) = ([0_u16; 256], [0_u16; 256]);
    let (mut name_length, mut domain_length, mut kind) = (256, 256, 0);
    // SAFETY: both buffers hold the 256 units that are announced.
    let done = unsafe {
        LookupAccountSidW(
            null(),
            sid,
            name.as_mut_ptr(),
            &mut name_length,
            domain.as_mut_ptr(),
            &mut domain_length,
            &mut kind,
        )
    };
    if done == 0 {
        return None;
    }
    let text = |units: &[u16], length: u32| {
        String::from_utf16_lossy(&units[..usize::try_from(length).unwrap_or(0).min(units.len())])
    };
    let (name, domain) = (text(&name, name_length), text(&domain, domain_length));
    Some(if domain.is_empty() {
        name
    } else {
        format!("{domain}\\{name}")
    })
}
