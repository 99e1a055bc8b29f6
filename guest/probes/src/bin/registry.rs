//! `registry change` changes the registry in every way that there is: values of every type, deleted
//! values and keys, links, classes, names that few programs can write. `registry list HKLM\KEY…`
//! prints keys and values with all that is in them.

#![allow(unsafe_code, reason = "Windows' interfaces are C")]

use std::fmt::Write;
use std::process::ExitCode;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{ERROR_NO_MORE_ITEMS, ERROR_SUCCESS};
use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, HKEY_USERS, KEY_ALL_ACCESS, KEY_CREATE_LINK,
    KEY_READ, REG_OPTION_CREATE_LINK, REG_OPTION_NON_VOLATILE, REG_OPTION_VOLATILE, RegCloseKey,
    RegCreateKeyExW, RegDeleteTreeW, RegDeleteValueW, RegEnumKeyExW, RegEnumValueW, RegOpenKeyExW,
    RegSetValueExW,
};

/// The part of a name that is half of a pair of surrogates.
const LONE: u16 = 0xd83d;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["change"] => change(),
        ["list", ..] => words[1..].iter().try_for_each(|path| {
            let (root, path) = root(path);
            list(&open(root, path)?, path)
        }),
        _ => Err(("usage: registry change | list KEY…", 87)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((call, code)) => {
            eprintln!("{call} failed: {code}");
            ExitCode::FAILURE
        }
    }
}

/// The call that failed, and its code.
type Failure = (&'static str, u32);

fn done(call: &'static str, code: u32) -> Result<(), Failure> {
    match code {
        ERROR_SUCCESS => Ok(()),
        code => Err((call, code)),
    }
}

/// Text that ends in zero.
fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

struct Key(HKEY);

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the key is open and not used again.
        unsafe { RegCloseKey(self.0) };
    }
}

/// A root and the path below it.
fn root(path: &str) -> (HKEY, &str) {
    let (root, rest) = path.split_once('\\').unwrap_or((path, ""));
    match root {
        "HKLM" => (HKEY_LOCAL_MACHINE, rest),
        "HKU" => (HKEY_USERS, rest),
        _ => (HKEY_CURRENT_USER, rest),
    }
}

fn open(root: HKEY, path: &str) -> Result<Key, Failure> {
    let (path, mut key) = (wide(path), null_mut());
    // SAFETY: the path ends in zero, the key is writable.
    let code = unsafe { RegOpenKeyExW(root, path.as_ptr(), 0, KEY_READ, &raw mut key) };
    done("RegOpenKeyEx", code).map(|()| Key(key))
}

fn make(root: HKEY, path: &[u16], class: Option<&str>, options: u32) -> Result<Key, Failure> {
    let path: Vec<u16> = path.iter().copied().chain([0]).collect();
    let class = class.map(wide);
    let class = class.as_ref().map_or(null(), |class| class.as_ptr());
    let access = match options {
        REG_OPTION_CREATE_LINK => KEY_ALL_ACCESS | KEY_CREATE_LINK,
        _ => KEY_ALL_ACCESS,
    };
    let mut key = null_mut();
    // SAFETY: texts end in zero and live during the call, the key is writable, the rest is optional.
    let code = unsafe {
        let out = &raw mut key;
        RegCreateKeyExW(
            root,
            path.as_ptr(),
            0,
            class,
            options,
            access,
            null(),
            out,
            null_mut(),
        )
    };
    done("RegCreateKeyEx", code).map(|()| Key(key))
}

fn plain(root: HKEY, path: &str) -> Result<Key, Failure> {
    let path: Vec<u16> = path.encode_utf16().collect();
    make(root, &path, None, REG_OPTION_NON_VOLATILE)
}

fn set(key: &Key, name: &[u16], kind: u32, data: &[u8]) -> Result<(), Failure> {
    let name: Vec<u16> = name.iter().copied().chain([0]).collect();
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    // Wine looks at the address even where there is nothing.
    let data = if data.is_empty() { &[0] } else { data };
    // SAFETY: the name ends in zero, the data is as long as stated.
    let code = unsafe { RegSetValueExW(key.0, name.as_ptr(), 0, kind, data.as_ptr(), length) };
    done("RegSetValueEx", code)
}

fn set_text(key: &Key, name: &str, text: &str) -> Result<(), Failure> {
    let name: Vec<u16> = name.encode_utf16().collect();
    let data: Vec<u8> = wide(text).into_iter().flat_map(u16::to_le_bytes).collect();
    set(key, &name, 1, &data)
}

fn delete_value(root: HKEY, path: &str, name: &str) -> Result<(), Failure> {
    let (key, name) = (plain(root, path)?, wide(name));
    // SAFETY: the name ends in zero.
    done("RegDeleteValue", unsafe {
        RegDeleteValueW(key.0, name.as_ptr())
    })
}

fn delete_key(root: HKEY, path: &str) -> Result<(), Failure> {
    let path = wide(path);
    // SAFETY: the path ends in zero.
    done("RegDeleteTree", unsafe {
        RegDeleteTreeW(root, path.as_ptr())
    })
}

fn change() -> Result<(), Failure> {
    for root in [HKEY_LOCAL_MACHINE, HKEY_CURRENT_USER] {
        let probe = plain(root, r"Software\Probe")?;
        values(&probe)?;
        names(&probe)?;
        kinds_of_keys(&probe)?;
    }
    let default = plain(HKEY_USERS, r".Default\Software\Probe")?;
    set_text(&default, "user", "every")?;
    // Of the base: through a link, of both views, and without one that has subkeys.
    delete_key(
        HKEY_LOCAL_MACHINE,
        r"System\CurrentControlSet\Control\VMM32Files",
    )?;
    let version = r"Software\Microsoft\Windows NT\CurrentVersion";
    delete_value(HKEY_LOCAL_MACHINE, version, "InstallationType")?;
    let version = plain(HKEY_LOCAL_MACHINE, version)?;
    set_text(&version, "EditionID", "Probe")?;
    delete_key(HKEY_CURRENT_USER, r"Software\Wine\Debug")?;
    delete_value(HKEY_CURRENT_USER, "Environment", "TMP")?;
    let environment = plain(HKEY_CURRENT_USER, "Environment")?;
    set_text(&environment, "TEMP", r"C:\Probe")
}

/// Values of every type that has a name, and of some that have none.
fn values(key: &Key) -> Result<(), Failure> {
    let types = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x1234, u32::MAX];
    for kind in types {
        for (suffix, data) in [
            ("", &b"a\0b\0\0\0\0\0"[..]),
            (" empty", b""),
            (" odd", b"\x01\xff\0"),
            (" four", b"\x78\x56\x34\x12"),
        ] {
            let name: Vec<u16> = format!("type {kind}{suffix}").encode_utf16().collect();
            set(key, &name, kind, data)?;
        }
    }
    let large: Vec<u8> = (0..=255).cycle().take(40_000).collect();
    set(key, &[], 3, b"default")?;
    set(key, &"large".encode_utf16().collect::<Vec<_>>(), 3, &large)
}

/// Names that need care in every form of a registry.
fn names(key: &Key) -> Result<(), Failure> {
    for name in [
        "quote\" [x]=\\",
        "Grün 中文 😀",
        "tab\tline\nend",
        "ünïcödé7",
    ] {
        set_text(key, name, name)?;
    }
    set(key, &[LONE, u16::from(b'a')], 4, &7_u32.to_le_bytes())?;
    for name in ["[odd] \"key\"", "Grün 中文 😀", "7é7"] {
        set_text(&plain(key.0, name)?, "in", name)?;
    }
    let lone = make(key.0, &[LONE], None, REG_OPTION_NON_VOLATILE)?;
    set_text(&lone, "in", "half of a pair")
}

/// Keys with a class, links, empty and volatile keys.
fn kinds_of_keys(key: &Key) -> Result<(), Failure> {
    let name = |name: &str| name.encode_utf16().collect::<Vec<_>>();
    make(
        key.0,
        &name("Class"),
        Some("a \"class\""),
        REG_OPTION_NON_VOLATILE,
    )?;
    plain(key.0, r"Empty\Deep\Deeper")?;
    let gone = make(key.0, &name("Volatile"), None, REG_OPTION_VOLATILE)?;
    set_text(&gone, "gone", "with the silo")?;
    let link = make(key.0, &name("Link"), None, REG_OPTION_CREATE_LINK)?;
    let target = r"\Registry\Machine\Software\Probe\Class".encode_utf16();
    let target: Vec<u8> = target.flat_map(u16::to_le_bytes).collect();
    set(&link, &name("SymbolicLinkValue"), 6, &target)
}

fn shown(units: &[u16]) -> String {
    char::decode_utf16(units.iter().copied()).fold(String::new(), |mut text, unit| {
        match unit {
            Ok(char @ ' '..='~') => text.push(char),
            Ok(char) => drop(write!(text, "{{{:x}}}", u32::from(char))),
            Err(lone) => drop(write!(text, "{{{:x}}}", lone.unpaired_surrogate())),
        }
        text
    })
}

fn list(key: &Key, path: &str) -> Result<(), Failure> {
    println!("{path}");
    for index in 0.. {
        let (mut name, mut data) = (vec![0_u16; 16384], vec![0_u8; 1 << 20]);
        let (mut length, mut size, mut kind) = (16384, 1 << 20, 0);
        // SAFETY: both buffers are as long as stated.
        let code = unsafe {
            let (name, data) = (name.as_mut_ptr(), data.as_mut_ptr());
            let (length, size) = (&raw mut length, &raw mut size);
            RegEnumValueW(
                key.0,
                index,
                name,
                length,
                null(),
                &raw mut kind,
                data,
                size,
            )
        };
        if code == ERROR_NO_MORE_ITEMS {
            break;
        }
        done("RegEnumValue", code)?;
        name.truncate(length as usize);
        data.truncate(size as usize);
        let bytes: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{path} : {} = {kind:x}:{bytes}", shown(&name));
    }
    for index in 0.. {
        let (mut name, mut class) = (vec![0_u16; 256], vec![0_u16; 256]);
        let (mut length, mut class_length) = (256, 256);
        // SAFETY: both buffers are as long as stated.
        let code = unsafe {
            let (name, class) = (name.as_mut_ptr(), class.as_mut_ptr());
            let (length, class_length) = (&raw mut length, &raw mut class_length);
            RegEnumKeyExW(
                key.0,
                index,
                name,
                length,
                null(),
                class,
                class_length,
                null_mut(),
            )
        };
        if code == ERROR_NO_MORE_ITEMS {
            break;
        }
        done("RegEnumKeyEx", code)?;
        name.truncate(length as usize);
        class.truncate(class_length as usize);
        let path = format!("{path}\\{}", shown(&name));
        if !class.is_empty() {
            println!("{path} class {}", shown(&class));
        }
        let mut units = name.clone();
        units.push(0);
        let mut below = null_mut();
        // SAFETY: the name ends in zero, the key is writable.
        let code = unsafe { RegOpenKeyExW(key.0, units.as_ptr(), 0, KEY_READ, &raw mut below) };
        // A link that leads nowhere cannot be opened.
        match code {
            ERROR_SUCCESS => list(&Key(below), &path)?,
            code => println!("{path} cannot be opened: {code}"),
        }
    }
    Ok(())
}
