//! Starting processes and acting on them.
#![allow(unsafe_code)] // Wraps process calls.

use std::ffi::{CStr, c_void};
use std::num::NonZero;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::{mem, ptr};

use windows_sys::Win32::Foundation::{HANDLE, HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Threading::{
    CREATE_UNICODE_ENVIRONMENT, CreateProcessW, CreateRemoteThread, DETACHED_PROCESS,
    DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT, GetExitCodeProcess,
    InitializeProcThreadAttributeList, IsWow64Process, LPPROC_THREAD_ATTRIBUTE_LIST, OpenProcess,
    PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROC_THREAD_ATTRIBUTE_JOB_LIST,
    PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, PROCESS_ALL_ACCESS, PROCESS_INFORMATION,
    STARTF_USESTDHANDLES, STARTUPINFOEXW, TerminateProcess, UpdateProcThreadAttribute,
};

use super::console::Reference;
use super::job::Job;
use super::text::wide;
use super::wow64;
use crate::error::{Failure, Outcome};

/// Makes `handle` one that no child inherits.
pub(super) fn forbid_inheritance(handle: RawHandle) {
    // SAFETY: changes a flag of one handle; fails without effect on one that is not open.
    unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0) };
}

/// Where programs' windows go: a window station that nobody sees, like that of services on
/// Windows. For a visible one Wine starts explorer.exe with the first window.
const DESKTOP: &str = r"Service-0x0-3e7$\Default";

/// What a process gets beside its command line.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    /// The program, when it is not the first word of the command line.
    pub(crate) application: Option<&'a str>,
    /// The raw command line.
    pub(crate) command_line: &'a str,
    /// The environment block, or the agent's own environment.
    pub(crate) environment: Option<&'a [u16]>,
    /// The working directory.
    pub(crate) directory: Option<&'a str>,
    /// Standard input, output and error, inheritable.
    pub(crate) stdio: Option<[&'a OwnedHandle; 3]>,
    /// Further handles that are inherited.
    pub(crate) inherited: &'a [&'a OwnedHandle],
    /// The job that the process starts in.
    pub(crate) job: Option<&'a Job>,
    /// The console that it is attached to; without one it has none.
    pub(crate) console: Option<&'a Reference>,
}

impl<'a> Start<'a> {
    /// One that serves the container: it has the agent's environment, no streams and no console.
    pub(crate) const fn server(application: &'a str, command_line: &'a str) -> Self {
        Self {
            application: Some(application),
            command_line,
            environment: None,
            directory: None,
            stdio: None,
            inherited: &[],
            job: None,
            console: None,
        }
    }
}

/// A started process.
#[derive(Debug)]
pub(crate) struct Started {
    /// The process.
    pub(crate) process: Process,
    /// Its ID.
    pub(crate) pid: u32,
}

/// A process handle with all rights.
#[derive(Debug)]
pub(crate) struct Process(OwnedHandle);

/// The layout that `PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE` points to, on Windows and in Wine.
#[repr(C)]
struct PseudoConsole {
    signal: HANDLE,
    reference: HANDLE,
    process: HANDLE,
}

/// Starts a process.
pub(crate) fn start(how: &Start<'_>) -> Outcome<Started> {
    let mut desktop = wide(DESKTOP);
    let mut handles = inherited_handles(how);
    let jobs = how.job.iter().map(|job| job.handle().as_raw_handle());
    let mut jobs: Vec<HANDLE> = jobs.collect();
    let pseudo = how.console.map(|console| PseudoConsole {
        signal: ptr::null_mut(),
        reference: console.as_raw_handle(),
        process: ptr::null_mut(),
    });

    let mut attributes = Attributes::new(3)?;
    attributes.set_handles(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &mut handles)?;
    attributes.set_handles(PROC_THREAD_ATTRIBUTE_JOB_LIST, &mut jobs)?;
    if let Some(pseudo) = &pseudo {
        attributes.set(
            PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE,
            (&raw const *pseudo).cast(),
            size_of::<HANDLE>(),
        )?;
    }

    let mut info = startup_info(how.stdio);
    info.StartupInfo.lpDesktop = desktop.as_mut_ptr();
    info.lpAttributeList = attributes.list();
    // SAFETY: desktop, attributes and what these point to live until the end of this function.
    unsafe { create(how, &info, !handles.is_empty()) }
}

/// How the process is to be started, but for desktop and attributes.
fn startup_info(stdio: Option<[&OwnedHandle; 3]>) -> STARTUPINFOEXW {
    let mut info = STARTUPINFOEXW::default();
    info.StartupInfo.cb = u32::try_from(size_of::<STARTUPINFOEXW>()).unwrap_or(0);
    info.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    if let Some([input, output, error]) = stdio {
        info.StartupInfo.hStdInput = input.as_raw_handle();
        info.StartupInfo.hStdOutput = output.as_raw_handle();
        info.StartupInfo.hStdError = error.as_raw_handle();
    }
    info
}

/// Calls `CreateProcess`.
///
/// # Safety
/// What `info` points to must be alive, and its texts must end with a zero.
unsafe fn create(how: &Start<'_>, info: &STARTUPINFOEXW, inherits: bool) -> Outcome<Started> {
    let application = how.application.map(wide);
    let mut command_line = wide(how.command_line);
    let directory = how.directory.map(wide);
    let console = match how.console {
        Some(_) => 0,
        None => DETACHED_PROCESS,
    };
    let text = |text: &Option<Vec<u16>>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    let block = how.environment.map_or(ptr::null(), <[u16]>::as_ptr);
    let mut created = PROCESS_INFORMATION::default();
    // SAFETY: every text and block passed is alive and null-terminated; the command line is
    // writable as the call demands; the caller answers for `info`.
    let done = unsafe {
        CreateProcessW(
            text(&application),
            command_line.as_mut_ptr(),
            ptr::null(),
            ptr::null(),
            i32::from(inherits),
            CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT | console,
            block.cast(),
            text(&directory),
            (&raw const *info).cast(),
            &raw mut created,
        )
    };
    Failure::check_bool("CreateProcess", done)?;
    // SAFETY: the call succeeded, so the handle is ours.
    drop(unsafe { OwnedHandle::from_raw_handle(created.hThread) });
    // SAFETY: as above.
    let process = Process(unsafe { OwnedHandle::from_raw_handle(created.hProcess) });
    Ok(Started {
        process,
        pid: created.dwProcessId,
    })
}

/// Every handle to inherit, each once as the attribute demands.
fn inherited_handles(how: &Start<'_>) -> Vec<HANDLE> {
    let stdio = how.stdio.iter().flatten();
    let mut handles: Vec<HANDLE> = stdio
        .chain(how.inherited)
        .map(|handle| handle.as_raw_handle())
        .collect();
    handles.sort_unstable();
    handles.dedup();
    handles
}

/// An attribute list for `CreateProcess`.
struct Attributes(Vec<usize>);

impl Attributes {
    fn new(count: u32) -> Outcome<Self> {
        let mut size = 0;
        // SAFETY: asks for the size only.
        unsafe { InitializeProcThreadAttributeList(ptr::null_mut(), count, 0, &raw mut size) };
        let mut list = vec![0_usize; size.div_ceil(size_of::<usize>())];
        // SAFETY: the list has the size that was asked for.
        let done = unsafe {
            InitializeProcThreadAttributeList(list.as_mut_ptr().cast(), count, 0, &raw mut size)
        };
        Failure::check_bool("InitializeProcThreadAttributeList", done)?;
        Ok(Self(list))
    }

    fn set(&mut self, attribute: u32, value: *const c_void, size: usize) -> Outcome<()> {
        // SAFETY: callers keep `value` alive until the list has been used.
        let done = unsafe {
            UpdateProcThreadAttribute(
                self.list(),
                0,
                attribute as usize,
                value,
                size,
                ptr::null_mut(),
                ptr::null(),
            )
        };
        Failure::check_bool("UpdateProcThreadAttribute", done)
    }

    fn set_handles(&mut self, attribute: u32, handles: &mut [HANDLE]) -> Outcome<()> {
        if handles.is_empty() {
            return Ok(());
        }
        self.set(
            attribute,
            handles.as_ptr().cast(),
            mem::size_of_val(handles),
        )
    }

    fn list(&mut self) -> LPPROC_THREAD_ATTRIBUTE_LIST {
        self.0.as_mut_ptr().cast()
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: the list was initialised and is not used again.
        unsafe { DeleteProcThreadAttributeList(self.list()) };
    }
}

impl Process {
    /// Opens a running process.
    pub(crate) fn open(pid: u32) -> Outcome<Self> {
        // SAFETY: takes and returns plain values.
        let handle = unsafe { OpenProcess(PROCESS_ALL_ACCESS, 0, pid) };
        if handle.is_null() {
            return Err(Failure::last("OpenProcess"));
        }
        // SAFETY: the call succeeded, so the handle is ours.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// The handle, signaled once the process has ended.
    pub(crate) fn handle(&self) -> &OwnedHandle {
        &self.0
    }

    /// The exit code; meaningful once the process has ended.
    pub(crate) fn exit_code(&self) -> Outcome<u32> {
        let mut code = 0;
        // SAFETY: writes one number.
        let done = unsafe { GetExitCodeProcess(self.0.as_raw_handle(), &raw mut code) };
        Failure::check_bool("GetExitCodeProcess", done)?;
        Ok(code)
    }

    /// Whether it is a 32-bit process.
    pub(crate) fn is_32_bit(&self) -> bool {
        let mut emulated = 0;
        // SAFETY: writes one number.
        let known = unsafe { IsWow64Process(self.0.as_raw_handle(), &raw mut emulated) };
        known != 0 && emulated != 0
    }

    /// Ends the process at once.
    pub(crate) fn terminate(&self, exit_code: u32) -> Outcome<()> {
        // SAFETY: takes plain values.
        let done = unsafe { TerminateProcess(self.0.as_raw_handle(), exit_code) };
        Failure::check_bool("TerminateProcess", done)
    }

    /// Runs the process's console control handlers for `event` in a new thread of it.
    ///
    /// `CtrlRoutine` is where a console's events end up on Windows and in Wine.
    pub(crate) fn run_control_handlers(&self, event: u32) -> Outcome<OwnedHandle> {
        let routine = if self.is_32_bit() {
            wow64::function(self, CONTROL_LIBRARY, CONTROL_ROUTINE)?
        } else {
            control_routine()?
        };
        // SAFETY: `CtrlRoutine` is a thread procedure: one pointer-sized argument, a 32-bit result.
        // It is not called here, and in the process that calls it a wrong address harms that alone.
        let routine = unsafe {
            mem::transmute::<*const c_void, unsafe extern "system" fn(*mut c_void) -> u32>(
                ptr::without_provenance(routine.get()),
            )
        };
        // SAFETY: runs a thread procedure of the target with a plain number as its argument.
        let thread = unsafe {
            CreateRemoteThread(
                self.0.as_raw_handle(),
                ptr::null(),
                0,
                Some(routine),
                ptr::without_provenance(event as usize),
                0,
                ptr::null_mut(),
            )
        };
        if thread.is_null() {
            return Err(Failure::last("CreateRemoteThread"));
        }
        // SAFETY: the call succeeded, so the handle is ours.
        Ok(unsafe { OwnedHandle::from_raw_handle(thread) })
    }
}

/// The library of `CtrlRoutine`, and its name.
const CONTROL_LIBRARY: &str = "kernelbase.dll";
const CONTROL_ROUTINE: &CStr = c"CtrlRoutine";

/// The address of `CtrlRoutine`. System libraries have the same one in every process of one bitness,
/// so ours is theirs.
fn control_routine() -> Outcome<NonZero<usize>> {
    let library = wide(CONTROL_LIBRARY);
    // SAFETY: the name is null-terminated; kernelbase is never unloaded.
    let module = unsafe { GetModuleHandleW(library.as_ptr()) };
    // SAFETY: the name is null-terminated.
    unsafe { GetProcAddress(module, CONTROL_ROUTINE.as_ptr().cast()) }
        .and_then(|routine| NonZero::new(routine as usize))
        .ok_or_else(|| Failure::last("GetProcAddress"))
}
