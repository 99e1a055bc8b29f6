//! Registry keys and values.
#![allow(unsafe_code)] // Wraps registry calls.

use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, ERROR_MORE_DATA, ERROR_SUCCESS};

use super::text::{bytes, narrow, wide};
use crate::error::{Failure, Outcome};

type RawKey = *mut std::ffi::c_void;

const HKEY_CURRENT_USER: RawKey = std::ptr::without_provenance_mut(0xffff_ffff_8000_0001);
const HKEY_LOCAL_MACHINE: RawKey = std::ptr::without_provenance_mut(0xffff_ffff_8000_0002);
const KEY_READ: u32 = 0x0002_0019;
const KEY_WRITE: u32 = 0x0002_0006;
const REG_OPTION_NON_VOLATILE: u32 = 0;
const REG_OPTION_VOLATILE: u32 = 1;
const REG_SZ: u32 = 1;
const REG_EXPAND_SZ: u32 = 2;
const REG_BINARY: u32 = 3;
const REG_DWORD: u32 = 4;

// From where they are, which every process has loaded: through advapi32.dll, as the bindings have
// them (hence the constants above), they bring three more libraries into the agent.
#[link(name = "kernelbase", kind = "raw-dylib")]
unsafe extern "system" {
    fn RegCloseKey(key: RawKey) -> u32;
    fn RegCreateKeyExW(
        root: RawKey,
        path: *const u16,
        reserved: u32,
        class: *const u16,
        options: u32,
        access: u32,
        security: *const u8,
        key: *mut RawKey,
        disposition: *mut u32,
    ) -> u32;
    fn RegEnumValueW(
        key: RawKey,
        index: u32,
        name: *mut u16,
        name_length: *mut u32,
        reserved: *const u32,
        kind: *mut u32,
        data: *mut u8,
        length: *mut u32,
    ) -> u32;
    fn RegOpenKeyExW(
        root: RawKey,
        path: *const u16,
        options: u32,
        access: u32,
        key: *mut RawKey,
    ) -> u32;
    fn RegQueryValueExW(
        key: RawKey,
        name: *const u16,
        reserved: *const u32,
        kind: *mut u32,
        data: *mut u8,
        length: *mut u32,
    ) -> u32;
    fn RegDeleteTreeW(key: RawKey, subkey: *const u16) -> u32;
    fn RegCopyTreeW(source: RawKey, subkey: *const u16, target: RawKey) -> u32;
    fn RegSetValueExW(
        key: RawKey,
        name: *const u16,
        reserved: u32,
        kind: u32,
        data: *const u8,
        length: u32,
    ) -> u32;
}

/// A predefined key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// `HKEY_LOCAL_MACHINE`.
    Machine,
    /// `HKEY_CURRENT_USER`.
    User,
}

impl Root {
    const fn key(self) -> RawKey {
        match self {
            Self::Machine => HKEY_LOCAL_MACHINE,
            Self::User => HKEY_CURRENT_USER,
        }
    }
}

/// Whether a key is kept when the silo ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// Written to the hive.
    Stored,
    /// Gone with the silo.
    Volatile,
}

/// An open key.
#[derive(Debug)]
pub(crate) struct Key(RawKey);

impl Key {
    /// Opens `path` below `root`, creating what is missing.
    pub(crate) fn create(root: Root, path: &str, keeping: Keeping) -> Outcome<Self> {
        let options = match keeping {
            Keeping::Stored => REG_OPTION_NON_VOLATILE,
            Keeping::Volatile => REG_OPTION_VOLATILE,
        };
        let path = wide(path);
        let mut key = ptr::null_mut();
        // SAFETY: the path is null-terminated, the rest is optional.
        let code = unsafe {
            RegCreateKeyExW(
                root.key(),
                path.as_ptr(),
                0,
                ptr::null(),
                options,
                KEY_READ | KEY_WRITE,
                ptr::null(),
                &raw mut key,
                ptr::null_mut(),
            )
        };
        succeeded("RegCreateKeyEx", code)?;
        Ok(Self(key))
    }

    /// Opens `path` below `root` for reading.
    pub(crate) fn open(root: Root, path: &str) -> Outcome<Self> {
        let path = wide(path);
        let mut key = ptr::null_mut();
        // SAFETY: the path is null-terminated.
        let code = unsafe { RegOpenKeyExW(root.key(), path.as_ptr(), 0, KEY_READ, &raw mut key) };
        succeeded("RegOpenKeyEx", code)?;
        Ok(Self(key))
    }

    /// Deletes `path` below `root` with all that is in it; one that is not there is fine.
    pub(crate) fn delete_tree(root: Root, path: &str) -> Outcome<()> {
        let path = wide(path);
        // SAFETY: the path is null-terminated.
        match unsafe { RegDeleteTreeW(root.key(), path.as_ptr()) } {
            ERROR_FILE_NOT_FOUND => Ok(()),
            code => succeeded("RegDeleteTree", code),
        }
    }

    /// Copies values and keys below this one.
    pub(crate) fn copy_to(&self, target: &Self) -> Outcome<()> {
        // SAFETY: both keys are open.
        let code = unsafe { RegCopyTreeW(self.0, ptr::null(), target.0) };
        succeeded("RegCopyTree", code)
    }

    /// Makes sure that the string `name` of the key `path` is `text`.
    ///
    /// Nothing is written when it is already: wineserver writes a hive's whole file anew at the
    /// silo's end if anything in it was written.
    pub(crate) fn ensure_text(
        root: Root,
        path: &str,
        keeping: Keeping,
        name: &str,
        text: &str,
    ) -> Outcome<()> {
        if Self::open(root, path).is_ok_and(|key| key.has_text(name, text)) {
            return Ok(());
        }
        Self::create(root, path, keeping)?.set_text(name, text)
    }

    fn has_text(&self, name: &str, text: &str) -> bool {
        let (name, expected) = (wide(name), bytes(&wide(text)));
        let mut data = vec![0; expected.len()];
        let (mut kind, mut length) = (0, u32::try_from(data.len()).unwrap_or(0));
        // SAFETY: the buffer is as long as stated.
        let code = unsafe {
            RegQueryValueExW(
                self.0,
                name.as_ptr(),
                std::ptr::null(),
                &raw mut kind,
                data.as_mut_ptr(),
                &raw mut length,
            )
        };
        code == ERROR_SUCCESS && kind == REG_SZ && length as usize == data.len() && data == expected
    }

    /// Sets a string.
    pub(crate) fn set_text(&self, name: &str, text: &str) -> Outcome<()> {
        self.set(name, REG_SZ, &bytes(&wide(text)))
    }

    /// Sets a 32-bit number.
    pub(crate) fn set_number(&self, name: &str, number: u32) -> Outcome<()> {
        self.set(name, REG_DWORD, &number.to_le_bytes())
    }

    /// Sets raw bytes.
    pub(crate) fn set_binary(&self, name: &str, data: &[u8]) -> Outcome<()> {
        self.set(name, REG_BINARY, data)
    }

    fn set(&self, name: &str, kind: u32, data: &[u8]) -> Outcome<()> {
        let name = wide(name);
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        // SAFETY: the data is `length` bytes long.
        let code = unsafe { RegSetValueExW(self.0, name.as_ptr(), 0, kind, data.as_ptr(), length) };
        succeeded("RegSetValueEx", code)
    }

    /// All string values: name, text, and whether `%NAME%` in the text is to be replaced.
    pub(crate) fn texts(&self) -> Vec<(String, String, bool)> {
        let mut texts = Vec::new();
        let mut data = vec![0_u16; 4096];
        for index in 0.. {
            match self.value(index, &mut data) {
                Ok(Some(text)) => texts.push(text),
                Ok(None) => {}
                Err(failure) if failure.code() == ERROR_MORE_DATA => {}
                Err(_) => break,
            }
        }
        texts
    }

    fn value(&self, index: u32, data: &mut [u16]) -> Outcome<Option<(String, String, bool)>> {
        let mut name = [0_u16; 256];
        let mut name_length = 256;
        let mut kind = 0;
        let mut length = u32::try_from(data.len() * 2).unwrap_or(u32::MAX);
        // SAFETY: both buffers are as long as stated.
        let code = unsafe {
            RegEnumValueW(
                self.0,
                index,
                name.as_mut_ptr(),
                &raw mut name_length,
                ptr::null(),
                &raw mut kind,
                data.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        succeeded("RegEnumValue", code)?;
        if kind != REG_SZ && kind != REG_EXPAND_SZ {
            return Ok(None);
        }
        let text = narrow(&data[..(length / 2) as usize]);
        Ok(Some((
            narrow(&name[..name_length as usize]),
            text,
            kind == REG_EXPAND_SZ,
        )))
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the key is open and not used again.
        unsafe { RegCloseKey(self.0) };
    }
}

fn succeeded(operation: &'static str, code: u32) -> Outcome<()> {
    if code == ERROR_SUCCESS {
        Ok(())
    } else {
        Err(Failure::new(operation, code))
    }
}
