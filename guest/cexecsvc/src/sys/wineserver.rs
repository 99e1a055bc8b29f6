//! Requests that only Wine's own system processes make: those of console hosts and of device
//! drivers. Windows has no calls for them, and Wine's libraries that do have are too heavy to load
//! into every silo's agent.
//!
//! Numbers and layouts are those of Wine 10.0's `server/protocol.def`, which is frozen with a
//! release; [`is_supported`] says whether this is that release.
#![allow(unsafe_code)] // Calls the server through a raw structure.

use std::ffi::{CStr, c_char};
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr;

use crate::error::{Failure, Outcome};

// No import library of a Windows toolchain has these.
#[link(name = "ntdll", kind = "raw-dylib")]
unsafe extern "C" {
    fn wine_server_call(request: *mut Call) -> u32;
    fn wine_get_version() -> *const c_char;
}

/// Whether the wineserver speaks the protocol that this module was written for.
pub(crate) fn is_supported() -> bool {
    // SAFETY: returns a constant string.
    let version = unsafe { CStr::from_ptr(wine_get_version()) };
    version.to_bytes() == b"10.0"
}

const GET_NEXT_CONSOLE_REQUEST: u32 = 60;
const SET_IRP_RESULT: u32 = 138;
const CREATE_DEVICE_MANAGER: u32 = 247;
const CREATE_DEVICE: u32 = 248;
const GET_NEXT_DEVICE_REQUEST: u32 = 250;
const SET_KERNEL_OBJECT_PTR: u32 = 252;

const STATUS_PENDING: u32 = 0x103;
const STATUS_BUFFER_OVERFLOW: u32 = 0x8000_0005;

/// Fixed part of every request and reply, in bytes.
const FIXED: usize = 64;

#[repr(C)]
struct Piece {
    start: *const u8,
    size: u32,
}

/// What `wine_server_call` takes; the reply overwrites the request.
#[repr(C, align(8))]
struct Call {
    message: [u8; FIXED],
    pieces: u32,
    reply: *mut u8,
    data: [Piece; 5],
}

impl Call {
    fn new(request: u32) -> Self {
        let mut call = Self {
            message: [0; FIXED],
            pieces: 0,
            reply: ptr::null_mut(),
            data: std::array::from_fn(|_| Piece {
                start: ptr::null(),
                size: 0,
            }),
        };
        call.put(0, &request.to_le_bytes());
        call
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.message[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn put_number(&mut self, offset: usize, number: u32) {
        self.put(offset, &number.to_le_bytes());
    }

    fn number(&self, offset: usize) -> u32 {
        let bytes = self.message[offset..offset + 4].try_into();
        bytes.map_or(0, u32::from_le_bytes)
    }

    fn long(&self, offset: usize) -> u64 {
        u64::from(self.number(offset)) | u64::from(self.number(offset + 4)) << 32
    }

    /// Makes the call with `data` as its variable part and `reply` for the reply's.
    fn make(&mut self, data: &[u8], reply: &mut [u8]) -> u32 {
        let size = |length| u32::try_from(length).unwrap_or(u32::MAX);
        self.put_number(4, size(data.len()));
        self.put_number(8, size(reply.len()));
        if !data.is_empty() {
            self.pieces = 1;
            self.data[0] = Piece {
                start: data.as_ptr(),
                size: size(data.len()),
            };
        }
        self.reply = reply.as_mut_ptr();
        // SAFETY: the structure has the layout that the call expects, and the slices that it
        // points to outlive the call.
        unsafe { wine_server_call(self) }
    }

    fn reply_size(&self) -> usize {
        self.number(4) as usize
    }
}

fn server_handle(handle: RawHandle) -> u32 {
    // Handles of Wine have 32 bits.
    u32::try_from(handle.addr()).unwrap_or(0)
}

/// A request of a console's programs to its host.
#[derive(Debug, Default)]
pub(crate) struct ConsoleRequest {
    /// The control code.
    pub(crate) code: u32,
    /// The screen buffer's number; 0 is the input.
    pub(crate) screen: u32,
    /// The most that the program takes as the result.
    pub(crate) result_size: usize,
    /// The parameters.
    pub(crate) parameters: Vec<u8>,
}

/// What a console's server has for its host.
#[derive(Debug)]
pub(crate) enum ConsoleTurn {
    /// A request, to be answered with the next call.
    Request(ConsoleRequest),
    /// Nothing at present.
    Idle,
    /// Nothing any more: no process is attached.
    Gone,
}

/// Answers the previous request, if any, with a status and a result, and takes the next one.
pub(crate) fn next_console_request(
    server: BorrowedHandle<'_>,
    status: u32,
    result: &[u8],
) -> ConsoleTurn {
    let mut parameters = vec![0; 1024];
    let (mut status, mut result) = (status, result);
    loop {
        let mut call = Call::new(GET_NEXT_CONSOLE_REQUEST);
        call.put_number(12, server_handle(server.as_raw_handle()));
        call.put_number(24, status);
        match call.make(result, &mut parameters) {
            0 => {
                parameters.truncate(call.reply_size());
                return ConsoleTurn::Request(ConsoleRequest {
                    code: call.number(8),
                    screen: call.number(12),
                    result_size: call.number(16) as usize,
                    parameters,
                });
            }
            STATUS_PENDING => return ConsoleTurn::Idle,
            STATUS_BUFFER_OVERFLOW => {
                // The answer has been taken, but the next request needs a larger buffer.
                (status, result) = (0, &[]);
                parameters.resize(call.number(16) as usize, 0);
            }
            _ => return ConsoleTurn::Gone,
        }
    }
}

/// The devices that one process serves.
#[derive(Debug)]
pub(crate) struct DeviceManager {
    manager: OwnedHandle,
    previous: u32,
    parameters: Vec<u8>,
}

/// A request to a device.
#[derive(Debug)]
pub(crate) enum DeviceRequest {
    /// A control request.
    Control(Control),
    /// Opening, closing and whatever else has no result.
    Other,
}

/// A control request to a device.
#[derive(Debug)]
pub(crate) struct Control {
    /// The number of the device.
    pub(crate) device: u64,
    /// The control code.
    pub(crate) code: u32,
    /// The most that the program takes as the result.
    pub(crate) result_size: usize,
    /// The parameters.
    pub(crate) parameters: Vec<u8>,
}

/// How a device answers the request before the one it takes.
#[derive(Debug)]
pub(crate) enum Answer {
    /// There was none.
    None,
    /// With this status and result.
    Done(u32, Vec<u8>),
    /// Later, through [`DelayedAnswer`].
    Later,
}

impl DeviceManager {
    /// A manager without devices.
    pub(crate) fn new() -> Outcome<Self> {
        const ALL: u32 = 0x001f_0000;
        let mut call = Call::new(CREATE_DEVICE_MANAGER);
        call.put_number(12, ALL);
        checked("create_device_manager", call.make(&[], &mut []))?;
        let handle = ptr::without_provenance_mut(call.number(8) as usize);
        // SAFETY: the server has just made the handle for us.
        let manager = unsafe { OwnedHandle::from_raw_handle(handle) };
        Ok(Self {
            manager,
            previous: 0,
            parameters: vec![0; 4096],
        })
    }

    /// Signaled when a request waits.
    pub(crate) fn handle(&self) -> &OwnedHandle {
        &self.manager
    }

    /// Makes a device; `number` (not 0) tells its requests.
    pub(crate) fn create_device(&self, name: &str, number: u64) -> Outcome<()> {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut call = Call::new(CREATE_DEVICE);
        call.put(16, &number.to_le_bytes());
        call.put_number(24, server_handle(self.manager.as_raw_handle()));
        checked("create_device", call.make(&name, &mut []))
    }

    /// Answers the previous request and takes the next; `None` when there is none at present.
    pub(crate) fn next(&mut self, answer: &Answer) -> Option<DeviceRequest> {
        let mut call = self.next_call();
        let data = self.put_answer(&mut call, answer);
        let mut status = call.make(data, &mut self.parameters);
        if status == STATUS_BUFFER_OVERFLOW {
            // The answer has been taken, but the next request needs a larger buffer.
            self.parameters.resize(call.number(56) as usize, 0);
            call = self.next_call();
            status = call.make(&[], &mut self.parameters);
        }
        if status == 0 {
            return Some(self.accept(&call));
        }
        self.previous = 0;
        None
    }

    fn next_call(&self) -> Call {
        let mut call = Call::new(GET_NEXT_DEVICE_REQUEST);
        call.put_number(12, server_handle(self.manager.as_raw_handle()));
        call
    }

    fn put_answer<'a>(&self, call: &mut Call, answer: &'a Answer) -> &'a [u8] {
        const ANYTHING: u64 = 1;
        call.put(24, &ANYTHING.to_le_bytes());
        match answer {
            Answer::None => &[],
            Answer::Done(status, result) => {
                call.put_number(16, self.previous);
                call.put_number(20, *status);
                call.put_number(36, *status);
                call.put_number(40, u32::try_from(result.len()).unwrap_or(0));
                result
            }
            Answer::Later => {
                call.put_number(20, STATUS_PENDING);
                call.put_number(32, 1);
                &[]
            }
        }
    }

    fn accept(&mut self, call: &Call) -> DeviceRequest {
        const CREATE: u32 = 1;
        const IOCTL: u32 = 6;
        self.previous = call.number(40);
        match call.number(8) {
            CREATE => {
                self.tag(call.number(32), call.long(24));
                DeviceRequest::Other
            }
            IOCTL => DeviceRequest::Control(Control {
                device: call.long(24) & 0xff,
                code: call.number(12),
                result_size: call.number(16) as usize,
                parameters: self.parameters[..call.reply_size()].to_vec(),
            }),
            _ => DeviceRequest::Other,
        }
    }

    /// Marks an opened file, whose later requests name only it, with its device's number.
    fn tag(&self, file: u32, device: u64) {
        use std::sync::atomic::{AtomicU64, Ordering};
        static FILES: AtomicU64 = AtomicU64::new(1);
        let mark = FILES.fetch_add(1, Ordering::Relaxed) << 8 | device;
        let mut call = Call::new(SET_KERNEL_OBJECT_PTR);
        call.put_number(12, server_handle(self.manager.as_raw_handle()));
        call.put_number(16, file);
        call.put(24, &mark.to_le_bytes());
        // Without its mark the file's requests are refused as unknown: nothing else can be done.
        call.make(&[], &mut []);
    }

    /// Takes over the request that was taken last, to answer it later.
    pub(crate) fn delay(&mut self) -> DelayedAnswer {
        DelayedAnswer(std::mem::take(&mut self.previous))
    }
}

/// A request whose answer comes from another thread.
#[derive(Debug)]
pub(crate) struct DelayedAnswer(u32);

impl DelayedAnswer {
    /// Answers it.
    pub(crate) fn give(self, status: u32, result: &[u8]) {
        let mut call = Call::new(SET_IRP_RESULT);
        call.put_number(12, self.0);
        call.put_number(16, status);
        call.put_number(20, u32::try_from(result.len()).unwrap_or(0));
        // The program that asked may be gone, and then nobody needs the answer.
        call.make(result, &mut []);
    }
}

fn checked(operation: &'static str, status: u32) -> Outcome<()> {
    Failure::check(operation, status.cast_signed())
}
