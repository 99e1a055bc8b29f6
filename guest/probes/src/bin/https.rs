//! `https HOST PORT`: asks for `/` by WinHTTP, which verifies the server's certificate by schannel,
//! and prints the HTTP status, or the code of the error.

#![allow(unsafe_code, reason = "Windows' interfaces are C")]

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::GetLastError;
use windows_sys::Win32::Networking::WinHttp::{
    WINHTTP_ACCESS_TYPE_NO_PROXY, WINHTTP_FLAG_SECURE, WINHTTP_QUERY_FLAG_NUMBER,
    WINHTTP_QUERY_STATUS_CODE, WinHttpConnect, WinHttpOpen, WinHttpOpenRequest,
    WinHttpQueryHeaders, WinHttpReceiveResponse, WinHttpSendRequest,
};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let host = arguments.next().unwrap_or_default();
    let port = arguments.next().and_then(|port| port.parse().ok());
    match status(&host, port.unwrap_or(443)) {
        Ok(status) => println!("status {status}"),
        Err((call, code)) => println!("{call} failed: {code}"),
    }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// What did not work, and the code that it left.
type Failure = (&'static str, u32);

fn failed(call: &'static str) -> Failure {
    // SAFETY: it takes nothing and reads the thread's own code.
    (call, unsafe { GetLastError() })
}

fn some(handle: *mut c_void, call: &'static str) -> Result<*mut c_void, Failure> {
    if handle.is_null() {
        return Err(failed(call));
    }
    Ok(handle)
}

fn done(outcome: i32, call: &'static str) -> Result<(), Failure> {
    if outcome == 0 {
        return Err(failed(call));
    }
    Ok(())
}

fn status(host: &str, port: u16) -> Result<u32, Failure> {
    let (agent, host, path) = (wide("probe"), wide(host), wide("/"));
    let (mut status, mut length) = (0_u32, 4_u32);
    // SAFETY: all texts end in zero and live during the calls, optional pointers are null, the
    // number's size is given. The end of the process closes the handles.
    unsafe {
        let access = WINHTTP_ACCESS_TYPE_NO_PROXY;
        let session = WinHttpOpen(agent.as_ptr(), access, null(), null(), 0);
        let session = some(session, "WinHttpOpen")?;
        let server = some(
            WinHttpConnect(session, host.as_ptr(), port, 0),
            "WinHttpConnect",
        )?;
        let request = WinHttpOpenRequest(
            server,
            null(),
            path.as_ptr(),
            null(),
            null(),
            null(),
            WINHTTP_FLAG_SECURE,
        );
        let request = some(request, "WinHttpOpenRequest")?;
        let sent = WinHttpSendRequest(request, null(), 0, null(), 0, 0, 0);
        done(sent, "WinHttpSendRequest")?;
        done(
            WinHttpReceiveResponse(request, null_mut()),
            "WinHttpReceiveResponse",
        )?;
        let what = WINHTTP_QUERY_STATUS_CODE | WINHTTP_QUERY_FLAG_NUMBER;
        let number = (&raw mut status).cast::<c_void>();
        let read = WinHttpQueryHeaders(request, what, null(), number, &raw mut length, null_mut());
        done(read, "WinHttpQueryHeaders")?;
    }
    Ok(status)
}
