//! The calls to the service control manager that `sc` makes.
#![allow(unsafe_code, reason = "Windows' interfaces are C")]

use std::io::{Error, Result};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, ERROR_MORE_DATA};
use windows_sys::Win32::System::Services::{
    ChangeServiceConfig2W, ChangeServiceConfigW, CloseServiceHandle, ControlService,
    CreateServiceW, DeleteService, ENUM_SERVICE_STATUS_PROCESSW, EnumServicesStatusExW,
    OpenSCManagerW, OpenServiceW, QUERY_SERVICE_CONFIGW, QueryServiceConfig2W, QueryServiceConfigW,
    QueryServiceStatusEx, SC_ENUM_PROCESS_INFO, SC_HANDLE, SC_STATUS_PROCESS_INFO,
    SERVICE_CONFIG_DESCRIPTION, SERVICE_DESCRIPTIONW, SERVICE_NO_CHANGE, SERVICE_STATUS,
    SERVICE_STATUS_PROCESS, StartServiceW,
};

use crate::service_text::{Changes, Config, Filter, Status};
use crate::windows::wide;

/// Access to everything that a manager or a service allows: what the caller may do is for the
/// manager to say.
const ALL_OF_MANAGER: u32 = 0xf003f;
const ALL_OF_SERVICE: u32 = 0xf01ff;

/// A handle of the service control manager.
#[derive(Debug)]
struct Handle(SC_HANDLE);

impl Handle {
    fn new(handle: SC_HANDLE) -> Result<Self> {
        if handle.is_null() {
            Err(Error::last_os_error())
        } else {
            Ok(Self(handle))
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle was opened by the manager and is closed once.
        unsafe { CloseServiceHandle(self.0) };
    }
}

fn check(done: i32) -> Result<()> {
    if done == 0 {
        Err(Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Calls `ask` with room for its answer, which is larger when it says so: bytes that are aligned for
/// every structure, which begin with the answer.
fn answer(mut ask: impl FnMut(*mut u8, u32, &mut u32) -> i32) -> Result<Vec<u64>> {
    let mut room = vec![0_u64; 512];
    loop {
        let size = u32::try_from(room.len() * 8).map_err(Error::other)?;
        let mut needed = 0;
        if ask(room.as_mut_ptr().cast(), size, &mut needed) != 0 {
            return Ok(room);
        }
        let error = Error::last_os_error();
        let code = error.raw_os_error().map(i32::cast_unsigned);
        if !matches!(code, Some(ERROR_INSUFFICIENT_BUFFER | ERROR_MORE_DATA)) {
            return Err(error);
        }
        // What is needed may grow between two calls.
        let more = usize::try_from(needed).map_err(Error::other)?.div_ceil(8);
        room.resize(room.len() * 2 + more, 0);
    }
}

/// The text that a structure of an answer points to.
///
/// # Safety
/// `text` is null or ends with a zero.
unsafe fn text(text: *const u16) -> String {
    let mut length = 0;
    // SAFETY: the caller answers for the zero.
    while !text.is_null() && unsafe { *text.add(length) } != 0 {
        length += 1;
    }
    if length == 0 {
        return String::new();
    }
    // SAFETY: `length` units stand before the zero.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, length) })
}

/// Texts one after another, up to an empty one.
///
/// # Safety
/// `list` is null, or the last text is empty.
unsafe fn texts(list: *const u16) -> Vec<String> {
    let mut found = Vec::new();
    let mut start = list;
    loop {
        // SAFETY: the caller answers for it, and an empty text is not passed.
        let next = unsafe { text(start) };
        if next.is_empty() {
            return found;
        }
        // SAFETY: what follows this text's zero belongs to the list.
        start = unsafe { start.add(next.encode_utf16().count() + 1) };
        found.push(next);
    }
}

/// The service control manager.
#[derive(Debug)]
pub struct Manager(Handle);

/// A service.
#[derive(Debug)]
pub struct Service(Handle);

/// A service in the manager's list.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub display_name: String,
    /// Its state.
    pub status: Status,
}

impl Manager {
    /// Opens the manager.
    ///
    /// # Errors
    /// What the system answered, here and below.
    pub fn open() -> Result<Self> {
        // SAFETY: null names this machine and its one database.
        let handle = unsafe { OpenSCManagerW(null(), null(), ALL_OF_MANAGER) };
        Handle::new(handle).map(Self)
    }

    /// Opens a service.
    ///
    /// # Errors
    /// What the system answered.
    pub fn service(&self, name: &str) -> Result<Service> {
        let name = wide(name);
        // SAFETY: the name outlives the call.
        let handle = unsafe { OpenServiceW(self.0.0, name.as_ptr(), ALL_OF_SERVICE) };
        Handle::new(handle).map(Service)
    }

    /// The services that `filter` asks for.
    ///
    /// # Errors
    /// What the system answered.
    pub fn list(&self, filter: Filter) -> Result<Vec<Listed>> {
        let mut count = 0;
        let room = answer(|room, size, needed| {
            let mut resume = 0;
            // SAFETY: the room holds `size` bytes; the numbers outlive the call.
            unsafe {
                EnumServicesStatusExW(
                    self.0.0,
                    SC_ENUM_PROCESS_INFO,
                    filter.kinds,
                    filter.states,
                    room,
                    size,
                    needed,
                    &mut count,
                    &mut resume,
                    null(),
                )
            }
        })?;
        let count = usize::try_from(count).map_err(Error::other)?;
        let start = room.as_ptr().cast::<ENUM_SERVICE_STATUS_PROCESSW>();
        // SAFETY: the answer begins with so many structures.
        let entries = unsafe { std::slice::from_raw_parts(start, count) };
        let listed = entries.iter().map(|entry| Listed {
            // SAFETY: the texts lie in the answer, which lives.
            name: unsafe { text(entry.lpServiceName) },
            // SAFETY: as above.
            display_name: unsafe { text(entry.lpDisplayName) },
            status: status(&entry.ServiceStatusProcess),
        });
        Ok(listed.collect())
    }

    /// Makes a service: one with a process of its own, started on demand, unless `wanted` says
    /// otherwise.
    ///
    /// # Errors
    /// What the system answered.
    pub fn create(&self, name: &str, wanted: &Changes) -> Result<()> {
        const OWN_PROCESS: u32 = 0x10;
        const ON_DEMAND: u32 = 3;
        const NORMAL_ERROR: u32 = 1;
        let name = wide(name);
        let mut texts = Texts::of(wanted);
        // As Windows does; Wine leaves the service without one, and `net start` shows "(null)".
        texts.display_name.get_or_insert_with(|| name.clone());
        // SAFETY: the texts outlive the call; those that are not given are null.
        let handle = unsafe {
            CreateServiceW(
                self.0.0,
                name.as_ptr(),
                pointer(&texts.display_name),
                ALL_OF_SERVICE,
                wanted.kind.unwrap_or(OWN_PROCESS),
                wanted.start.unwrap_or(ON_DEMAND),
                wanted.error.unwrap_or(NORMAL_ERROR),
                pointer(&texts.path),
                pointer(&texts.group),
                null_mut(),
                pointer(&texts.dependencies),
                pointer(&texts.account),
                pointer(&texts.password),
            )
        };
        Handle::new(handle).map(drop)
    }
}

impl Service {
    /// Its state.
    ///
    /// # Errors
    /// What the system answered, here and below.
    pub fn status(&self) -> Result<Status> {
        let room = answer(|room, size, needed| {
            // SAFETY: the room holds `size` bytes.
            unsafe { QueryServiceStatusEx(self.0.0, SC_STATUS_PROCESS_INFO, room, size, needed) }
        })?;
        // SAFETY: the answer begins with this structure.
        Ok(status(unsafe { &*room.as_ptr().cast() }))
    }

    /// How it is set up.
    ///
    /// # Errors
    /// What the system answered.
    pub fn config(&self) -> Result<Config> {
        let room = answer(|room, size, needed| {
            // SAFETY: the room holds `size` bytes.
            unsafe { QueryServiceConfigW(self.0.0, room.cast(), size, needed) }
        })?;
        // SAFETY: the answer begins with this structure.
        let config = unsafe { &*room.as_ptr().cast::<QUERY_SERVICE_CONFIGW>() };
        Ok(Config {
            kind: config.dwServiceType,
            start: config.dwStartType,
            error: config.dwErrorControl,
            tag: config.dwTagId,
            // SAFETY: this text and those below lie in the answer, which lives.
            path: unsafe { text(config.lpBinaryPathName) },
            // SAFETY: as above.
            group: unsafe { text(config.lpLoadOrderGroup) },
            // SAFETY: as above.
            display_name: unsafe { text(config.lpDisplayName) },
            // SAFETY: as above; the list ends with an empty text.
            dependencies: unsafe { texts(config.lpDependencies) },
            // SAFETY: as above.
            account: unsafe { text(config.lpServiceStartName) },
        })
    }

    /// Its description.
    ///
    /// # Errors
    /// What the system answered.
    pub fn description(&self) -> Result<String> {
        let room = answer(|room, size, needed| {
            // SAFETY: the room holds `size` bytes.
            unsafe {
                QueryServiceConfig2W(self.0.0, SERVICE_CONFIG_DESCRIPTION, room, size, needed)
            }
        })?;
        // SAFETY: the answer begins with this structure.
        let description = unsafe { &*room.as_ptr().cast::<SERVICE_DESCRIPTIONW>() };
        // SAFETY: the text lies in the answer, which lives.
        Ok(unsafe { text(description.lpDescription) })
    }

    /// Sets its description.
    ///
    /// # Errors
    /// What the system answered.
    pub fn describe(&self, description: &str) -> Result<()> {
        let mut description = wide(description);
        let given = SERVICE_DESCRIPTIONW {
            lpDescription: description.as_mut_ptr(),
        };
        // SAFETY: structure and text outlive the call.
        check(unsafe {
            ChangeServiceConfig2W(
                self.0.0,
                SERVICE_CONFIG_DESCRIPTION,
                (&raw const given).cast(),
            )
        })
    }

    /// Changes how it is set up.
    ///
    /// # Errors
    /// What the system answered.
    pub fn change(&self, changes: &Changes) -> Result<()> {
        let texts = Texts::of(changes);
        // SAFETY: the texts outlive the call; those that are not given are null.
        check(unsafe {
            ChangeServiceConfigW(
                self.0.0,
                changes.kind.unwrap_or(SERVICE_NO_CHANGE),
                changes.start.unwrap_or(SERVICE_NO_CHANGE),
                changes.error.unwrap_or(SERVICE_NO_CHANGE),
                pointer(&texts.path),
                pointer(&texts.group),
                null_mut(),
                pointer(&texts.dependencies),
                pointer(&texts.account),
                pointer(&texts.password),
                pointer(&texts.display_name),
            )
        })
    }

    /// Starts it with arguments of its own.
    ///
    /// # Errors
    /// What the system answered.
    pub fn start(&self, arguments: &[String]) -> Result<()> {
        let texts: Vec<_> = arguments.iter().map(|text| wide(text)).collect();
        let pointers: Vec<_> = texts.iter().map(|text| text.as_ptr()).collect();
        let count = u32::try_from(pointers.len()).map_err(Error::other)?;
        // SAFETY: `count` pointers to texts that outlive the call are passed.
        check(unsafe { StartServiceW(self.0.0, count, pointers.as_ptr()) })
    }

    /// Sends it a control, `SERVICE_CONTROL_STOP` and the like; its state after that.
    ///
    /// # Errors
    /// What the system answered.
    pub fn control(&self, control: u32) -> Result<Status> {
        let mut state = SERVICE_STATUS::default();
        // SAFETY: the structure outlives the call.
        check(unsafe { ControlService(self.0.0, control, &mut state) })?;
        Ok(Status {
            kind: state.dwServiceType,
            state: state.dwCurrentState,
            accepted: state.dwControlsAccepted,
            exit_code: state.dwWin32ExitCode,
            service_exit_code: state.dwServiceSpecificExitCode,
            checkpoint: state.dwCheckPoint,
            wait_hint: state.dwWaitHint,
            ..Status::default()
        })
    }

    /// Deletes it, once it has stopped.
    ///
    /// # Errors
    /// What the system answered.
    pub fn delete(&self) -> Result<()> {
        // SAFETY: the handle is a service's.
        check(unsafe { DeleteService(self.0.0) })
    }
}

/// The texts of changes, as Windows takes them.
struct Texts {
    display_name: Option<Vec<u16>>,
    path: Option<Vec<u16>>,
    group: Option<Vec<u16>>,
    dependencies: Option<Vec<u16>>,
    account: Option<Vec<u16>>,
    password: Option<Vec<u16>>,
}

impl Texts {
    fn of(changes: &Changes) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(wide);
        // Each name ends with a zero, and the list with another one.
        let list = |names: &Vec<String>| wide(&(names.join("\0") + "\0"));
        Self {
            display_name: text(&changes.display_name),
            path: text(&changes.path),
            group: text(&changes.group),
            dependencies: changes.dependencies.as_ref().map(list),
            account: text(&changes.account),
            password: text(&changes.password),
        }
    }
}

fn pointer(text: &Option<Vec<u16>>) -> *const u16 {
    text.as_ref().map_or(null(), |text| text.as_ptr())
}

fn status(status: &SERVICE_STATUS_PROCESS) -> Status {
    Status {
        kind: status.dwServiceType,
        state: status.dwCurrentState,
        accepted: status.dwControlsAccepted,
        exit_code: status.dwWin32ExitCode,
        service_exit_code: status.dwServiceSpecificExitCode,
        checkpoint: status.dwCheckPoint,
        wait_hint: status.dwWaitHint,
        pid: status.dwProcessId,
        flags: status.dwServiceFlags,
    }
}
