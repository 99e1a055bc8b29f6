//! The finished registry of a base, made from what Wine's boot program leaves.

use porthole_registry::hive::{HiveKind, MachineHives};
use porthole_registry::{FileTime, Key, Value, regf, text};
use porthole_wine::OsVersion;

use crate::error::{Error, Result};
use crate::options::BaseKind;
use crate::patch::CURRENT_ZONE_KEY;
use crate::prefix::Prefix;

/// The account under which the boot program ran; its name is in many paths.
const BOOT_PROFILE: &str = r"C:\users\ContainerAdministrator";

const CURRENT_VERSION: &str = r"Software\Microsoft\Windows NT\CurrentVersion";
/// What 32-bit programs see of it.
const CURRENT_VERSION_32_BIT: &str = r"Software\Wow6432Node\Microsoft\Windows NT\CurrentVersion";

const CONTROL: &str = r"System\ControlSet001\Control";
const SERVICES: &str = r"System\ControlSet001\Services";

/// Keys that a container does not have: what is volatile, made by the guest agent for each
/// container, or for hardware and drivers that are left out.
const MACHINE_GONE: [&str; 12] = [
    "Hardware",
    r"Software\Microsoft\Windows NT\CurrentVersion\AeDebug",
    r"Software\Wow6432Node\Microsoft\Windows NT\CurrentVersion\AeDebug",
    r"System\ControlSet001\Control\ComputerName",
    r"System\ControlSet001\Enum",
    r"System\ControlSet001\Control\DeviceClasses",
    r"System\ControlSet001\Services\winebth",
    r"System\ControlSet001\Services\winebus",
    r"System\ControlSet001\Services\winehid",
    r"System\ControlSet001\Services\wineusb",
    r"System\ControlSet001\Services\winexinput",
    r"System\ControlSet001\Services\Tcpip\Parameters",
];

/// Services of Wine's that start with the service control manager, which a container does not want:
/// the guest agent is the mount manager and starts the network driver itself, there are no devices to
/// plug in, and nobody reads the event log. Each would cost some 9 MB. They start on demand.
const ON_DEMAND: [&str; 5] = ["Eventlog", "MountMgr", "NDIS", "PlugPlay", "nsiproxy"];

/// Keys of a user that are made anew for each account.
const USER_GONE: [&str; 2] = [
    "Volatile Environment",
    r"Software\Microsoft\Windows\CurrentVersion\Explorer\Shell Folders",
];

/// What nanoserver keeps of the machine's registry, beside `System`.
const NANOSERVER_KEPT: [&str; 4] = [
    r"Software\Microsoft\Windows NT\CurrentVersion",
    r"Software\Microsoft\Windows\CurrentVersion",
    r"Software\Microsoft\Cryptography",
    r"Software\Microsoft\SystemCertificates",
];

/// What it loses within that: what only programs with windows or telephones read.
const NANOSERVER_GONE: [&str; 8] = [
    r"Software\Microsoft\Windows\CurrentVersion\Telephony",
    r"Software\Microsoft\Windows\CurrentVersion\Fonts",
    r"Software\Microsoft\Windows\CurrentVersion\Installer",
    r"Software\Microsoft\Windows NT\CurrentVersion\Fonts",
    r"Software\Microsoft\Windows NT\CurrentVersion\FontLink",
    r"Software\Microsoft\Windows NT\CurrentVersion\Perflib",
    r"System\ControlSet001\Control\Class",
    r"System\ControlSet001\Control\MediaProperties",
];

/// The file of a hive, relative to the layer, and its content.
pub(crate) type HiveFile = (String, Vec<u8>);

/// The hive files of a base, all keys with the time `time`.
pub(crate) fn hives(
    prefix: &Prefix,
    kind: BaseKind,
    version: &OsVersion,
    time: FileTime,
) -> Result<Vec<HiveFile>> {
    let mut machine = read(prefix, "system.reg")?;
    finish_machine(&mut machine, kind, version)?;
    let mut user = read(prefix, "user.reg")?;
    let mut default_user = read(prefix, "userdef.reg")?;
    for tree in [&mut user, &mut default_user] {
        finish_user(tree);
    }
    let machine = MachineHives::split(machine);
    let config = |kind: HiveKind| format!("Files/Windows/System32/config/{}", kind.file_name());
    let hives = [
        (config(HiveKind::System), machine.system),
        (config(HiveKind::Software), machine.software),
        (config(HiveKind::Sam), machine.sam),
        (config(HiveKind::Security), machine.security),
        (config(HiveKind::Default), default_user),
        ("Files/Users/Default/NTUSER.DAT".to_owned(), user),
    ];
    hives
        .into_iter()
        .map(|(path, tree)| write(path, tree, time))
        .collect()
}

fn read(prefix: &Prefix, name: &str) -> Result<Key> {
    let document = text::read(&prefix.registry(name)?).map_err(|error| {
        Error::malformed("read registry", name, "not Wine's text").with_source(error)
    })?;
    Ok(document.tree)
}

fn write(path: String, mut tree: Key, time: FileTime) -> Result<HiveFile> {
    set_time(&mut tree, time);
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let bytes = regf::write(&regf::Hive::new(name, tree)).map_err(|error| {
        Error::malformed("write hive", &path, "the tree does not fit").with_source(error)
    })?;
    Ok((path, bytes))
}

/// Times are those of the build otherwise, and no two builds would give the same hive.
fn set_time(key: &mut Key, time: FileTime) {
    key.last_write = time;
    key.subkeys_mut()
        .for_each(|(_, subkey)| set_time(subkey, time));
}

fn finish_machine(machine: &mut Key, kind: BaseKind, version: &OsVersion) -> Result<()> {
    if kind == BaseKind::Nanoserver {
        trim_for_nanoserver(machine);
    }
    for path in MACHINE_GONE {
        machine.delete(path);
    }
    forget_devices(machine);
    start_on_demand(machine);
    set_version(machine, kind, *version);
    set_profiles(machine, kind);
    set_environment(machine);
    set_current_zone(machine)?;
    let codes = machine.create(&format!(r"{CONTROL}\Nls\CodePage"));
    for name in ["ACP", "OEMCP"] {
        codes.set_value(name, Value::string("65001"));
    }
    // Random otherwise. It identifies an installation, which an image is.
    machine
        .create(r"Software\Microsoft\Cryptography")
        .set_value(
            "MachineGuid",
            Value::string("9d0f6c3e-1f0b-4d52-8b2e-5f8c0a7b1e20"),
        );
    machine.create("SAM");
    machine.create("Security");
    Ok(())
}

/// Drops the drivers that were installed for devices of the machine that built the base, with the
/// time at which that was: the numbered keys of each class.
fn forget_devices(machine: &mut Key) {
    let Some(classes) = machine.open_mut(&format!(r"{CONTROL}\Class")) else {
        return;
    };
    for (_, class) in classes.subkeys_mut() {
        let is_number =
            |name: &str| name.len() == 4 && name.bytes().all(|byte| byte.is_ascii_digit());
        let names: Vec<_> = class.subkeys().map(|(name, _)| name.to_string()).collect();
        for name in names.iter().filter(|name| is_number(name)) {
            class.remove_subkey(name.as_str());
        }
    }
}

fn start_on_demand(machine: &mut Key) {
    const SERVICE_DEMAND_START: u32 = 3;
    for name in ON_DEMAND {
        if let Some(service) = machine.open_mut(&format!(r"{SERVICES}\{name}")) {
            service.set_value("Start", Value::dword(SERVICE_DEMAND_START));
        }
    }
}

fn trim_for_nanoserver(machine: &mut Key) {
    let kept: Vec<_> = NANOSERVER_KEPT
        .iter()
        .filter_map(|path| Some((*path, machine.delete(path)?)))
        .collect();
    machine.delete("Software");
    for (path, key) in kept {
        let (parent, name) = path.rsplit_once('\\').expect("each path has a parent");
        machine.create(parent).insert_subkey(name, key);
    }
    for path in NANOSERVER_GONE {
        machine.delete(path);
    }
    // Rules of past years: half of nanoserver's registry.
    if let Some(zones) = machine.open_mut(&format!(r"{CURRENT_VERSION}\Time Zones")) {
        for (_, zone) in zones.subkeys_mut() {
            zone.remove_subkey("Dynamic DST");
        }
    }
}

fn set_version(machine: &mut Key, kind: BaseKind, version: OsVersion) {
    version.write(machine.create("Software"));
    let installation = match kind {
        BaseKind::Nanoserver => "Nano Server",
        BaseKind::Servercore => "Server Core",
    };
    let strings = [
        ("CurrentVersion", "6.3"),
        ("EditionID", "ServerDatacenter"),
        ("InstallationType", installation),
        ("CSDVersion", ""),
    ];
    let mut paths = vec![CURRENT_VERSION];
    if machine.open(CURRENT_VERSION_32_BIT).is_some() {
        paths.push(CURRENT_VERSION_32_BIT);
    }
    for path in paths {
        let key = machine.create(path);
        for (name, value) in strings {
            key.set_value(name, Value::string(value));
        }
        key.remove_value("DigitalProductId");
    }
    let options = machine.create(&format!(r"{CONTROL}\ProductOptions"));
    options.set_value("ProductType", Value::string("ServerNT"));
}

/// Wine has one user, whatever the account; the guest agent points this at the account's profile.
fn set_profiles(machine: &mut Key, kind: BaseKind) {
    let profiles = machine.create(&format!(r"{CURRENT_VERSION}\ProfileList"));
    let values = [
        ("ProfilesDirectory", r"%SystemDrive%\Users"),
        ("Default", r"%SystemDrive%\Users\Default"),
        ("Public", r"%SystemDrive%\Users\Public"),
        ("ProgramData", r"%SystemDrive%\ProgramData"),
    ];
    for (name, value) in values {
        profiles.set_value(name, Value::expand_string(value));
    }
    let user = profiles.subkey_or_create("S-1-5-21-0-0-0-1000");
    let profile = format!(r"C:\Users\{}", kind.account().name());
    user.set_value("ProfileImagePath", Value::string(&profile));
    user.set_value("Flags", Value::dword(0));
}

fn set_environment(machine: &mut Key) {
    let environment = machine.create(&format!(r"{CONTROL}\Session Manager\Environment"));
    let values = [
        ("ComSpec", r"%SystemRoot%\system32\cmd.exe"),
        ("OS", "Windows_NT"),
        (
            "Path",
            r"%SystemRoot%\system32;%SystemRoot%;%SystemRoot%\System32\Wbem",
        ),
        (
            "PATHEXT",
            ".COM;.EXE;.BAT;.CMD;.VBS;.VBE;.JS;.JSE;.WSF;.WSH;.MSC",
        ),
        ("TEMP", r"%SystemRoot%\TEMP"),
        ("TMP", r"%SystemRoot%\TEMP"),
        ("windir", "%SystemRoot%"),
    ];
    for (name, value) in values {
        environment.set_value(name, Value::expand_string(value));
    }
}

/// Copies the zone of a container, UTC, to the key that the changed `ntdll.so` reads.
fn set_current_zone(machine: &mut Key) -> Result<()> {
    let zone = machine
        .open(&format!(r"{CURRENT_VERSION}\Time Zones\UTC"))
        .cloned();
    let zone =
        zone.ok_or_else(|| Error::malformed("find time zone", "UTC", "the registry has none"))?;
    machine
        .create(&format!(r"{CURRENT_VERSION}\{CURRENT_ZONE_KEY}"))
        .insert_subkey("UTC", zone);
    Ok(())
}

fn finish_user(user: &mut Key) {
    for path in USER_GONE {
        user.delete(path);
    }
    let environment = user.create("Environment");
    for name in ["TEMP", "TMP"] {
        environment.set_value(
            name,
            Value::expand_string(r"%USERPROFILE%\AppData\Local\Temp"),
        );
    }
    // No display, and no look for one.
    user.create(r"Software\Wine\Drivers")
        .set_value("Graphics", Value::string("null"));
    free_of_account(user);
}

/// Paths of the boot program's account become those of whatever account runs.
fn free_of_account(key: &mut Key) {
    let mut changed = Vec::new();
    for (name, value) in key.values() {
        let text = value.as_string().filter(|text| text.contains(BOOT_PROFILE));
        if let Some(text) = text {
            changed.push((
                name.clone(),
                Value::expand_string(&text.replace(BOOT_PROFILE, "%USERPROFILE%")),
            ));
        }
    }
    for (name, value) in changed {
        key.set_value(name, value);
    }
    key.subkeys_mut()
        .for_each(|(_, subkey)| free_of_account(subkey));
}

#[cfg(test)]
mod tests {
    use porthole_registry::ValueKind;

    use super::*;

    fn machine() -> Key {
        let mut machine = Key::default();
        machine.create(&format!(r"{CURRENT_VERSION}\Time Zones\UTC\Dynamic DST"));
        machine.create(&format!(r"{CURRENT_VERSION}\AeDebug"));
        machine.create(r"Software\Classes\CLSID");
        machine.create(CURRENT_VERSION_32_BIT);
        machine.create(&format!(r"{CONTROL}\Class\{{x}}\0000"));
        machine.create(&format!(r"{CONTROL}\Class\{{x}}\Properties"));
        machine.create(&format!(r"{SERVICES}\winebus"));
        machine
            .create(&format!(r"{SERVICES}\MountMgr"))
            .set_value("Start", Value::dword(0));
        machine
    }

    #[test]
    fn nanoserver_keeps_the_console_part() {
        let mut tree = machine();
        finish_machine(&mut tree, BaseKind::Nanoserver, &OsVersion::default()).unwrap();
        assert!(tree.open(r"Software\Classes").is_none());
        let start = tree.value_at(&format!(r"{SERVICES}\MountMgr"), "Start");
        assert_eq!(start, Some(&Value::dword(3)));
        assert!(
            tree.open(&format!(r"{CURRENT_VERSION}\Time Zone*\UTC"))
                .is_some()
        );
        assert!(
            tree.open(&format!(r"{CURRENT_VERSION}\Time Zones\UTC\Dynamic DST"))
                .is_none()
        );
    }

    #[test]
    fn servercore_keeps_all_but_desktop_and_hardware() {
        let mut tree = machine();
        finish_machine(&mut tree, BaseKind::Servercore, &OsVersion::default()).unwrap();
        assert!(tree.open(r"Software\Classes\CLSID").is_some());
        assert!(tree.open(&format!(r"{SERVICES}\winebus")).is_none());
        assert!(tree.open(&format!(r"{CURRENT_VERSION}\AeDebug")).is_none());
        let class = tree.open(&format!(r"{CONTROL}\Class\{{x}}")).unwrap();
        assert!(class.subkey("0000").is_none() && class.subkey("Properties").is_some());
        for path in [CURRENT_VERSION, CURRENT_VERSION_32_BIT] {
            let build = tree.value_at(path, "CurrentBuild").unwrap();
            assert_eq!(build.as_string().as_deref(), Some("20348"));
        }
    }

    #[test]
    fn a_user_is_free_of_the_boot_account() {
        let mut user = Key::default();
        let path = r"Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders";
        user.create(path).set_value(
            "Desktop",
            Value::string(&format!(r"{BOOT_PROFILE}\Desktop")),
        );
        user.create("Volatile Environment");
        finish_user(&mut user);
        let value = user.value_at(path, "Desktop").unwrap();
        assert_eq!(value.as_string().as_deref(), Some(r"%USERPROFILE%\Desktop"));
        assert_eq!(value.kind, ValueKind::EXPAND_STRING);
        assert!(user.open("Volatile Environment").is_none());
    }
}
