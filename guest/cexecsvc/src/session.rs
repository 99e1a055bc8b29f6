//! What a boot would have filled in, done in the place of Wine's `wineboot.exe`.

use std::os::windows::io::OwnedHandle;

use porthole_protocol::agent::{Configuration, RegistryFiles};

use crate::error::Outcome;
use crate::sys::file::{self, Direction};
use crate::sys::registry::{Keeping, Key, Root};
use crate::sys::shared_data::{self, SharedData};
use crate::sys::{cpu, nt, save};

/// Objects that must live as long as the silo.
#[derive(Debug)]
pub(crate) struct Session {
    _boot_event: OwnedHandle,
}

/// Tells Wine that the system is up: every process that is started from the Unix side waits for
/// this event, or starts `wineboot.exe` where it is missing.
pub(crate) fn open() -> Outcome<Session> {
    fill_shared_data()?;
    let _boot_event = nt::signal_named_event(r"\KernelObjects\__wineboot_event")?;
    Ok(Session { _boot_event })
}

/// Offsets in `KUSER_SHARED_DATA`, which have not moved since Windows 2000.
mod offset {
    pub(super) const TICK_COUNT_MULTIPLIER: usize = 0x004;
    pub(super) const SYSTEM_ROOT: usize = 0x030;
    pub(super) const LARGE_PAGE_MINIMUM: usize = 0x244;
    pub(super) const BUILD: usize = 0x260;
    pub(super) const PRODUCT_TYPE: usize = 0x264;
    pub(super) const PRODUCT_TYPE_IS_VALID: usize = 0x268;
    pub(super) const NATIVE_ARCHITECTURE: usize = 0x26a;
    pub(super) const MAJOR: usize = 0x26c;
    pub(super) const MINOR: usize = 0x270;
    pub(super) const PROCESSOR_FEATURES: usize = 0x274;
    pub(super) const SUITE_MASK: usize = 0x2d0;
    pub(super) const NX_POLICY: usize = 0x2d5;
    pub(super) const ACTIVE_PROCESSORS: usize = 0x3c0;
    pub(super) const XSTATE: usize = 0x3d8;
}

fn fill_shared_data() -> Outcome<()> {
    const AMD64: u16 = 9;
    let page = SharedData::map()?;
    let version = shared_data::version();
    let root: Vec<u8> = "C:\\windows\0"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    page.write(offset::TICK_COUNT_MULTIPLIER, &(1_u32 << 24).to_le_bytes());
    page.write(offset::SYSTEM_ROOT, &root);
    page.write(offset::LARGE_PAGE_MINIMUM, &(2_u32 << 20).to_le_bytes());
    page.write(offset::BUILD, &version.build.to_le_bytes());
    page.write(
        offset::PRODUCT_TYPE,
        &u32::from(version.product_type).to_le_bytes(),
    );
    page.write(offset::PRODUCT_TYPE_IS_VALID, &[1]);
    page.write(offset::NATIVE_ARCHITECTURE, &AMD64.to_le_bytes());
    page.write(offset::MAJOR, &version.major.to_le_bytes());
    page.write(offset::MINOR, &version.minor.to_le_bytes());
    page.write(offset::PROCESSOR_FEATURES, &processor_features());
    page.write(offset::SUITE_MASK, &u32::from(version.suite).to_le_bytes());
    page.write(offset::NX_POLICY, &[2]);
    page.write(offset::XSTATE, &extended_states());
    Ok(())
}

/// `ProcessorFeatures`, indexed by `PF_…`.
fn processor_features() -> [u8; 64] {
    const AVX: u64 = 0b110;
    const AVX512: u64 = 0b1110_0110;
    let (basic, more, extended) = (cpu::leaf(1, 0), cpu::leaf(7, 0), cpu::leaf(0x8000_0001, 0));
    let saved = cpu::saved_states();
    let bit = |register: u32, bit: u32| register >> bit & 1 != 0;
    let present = [
        (2, bit(basic.edx, 8)),                              // CMPXCHG8B
        (3, bit(basic.edx, 23)),                             // MMX
        (6, bit(basic.edx, 25)),                             // SSE
        (8, bit(basic.edx, 4)),                              // RDTSC
        (9, bit(basic.edx, 6)),                              // PAE
        (10, bit(basic.edx, 26)),                            // SSE2
        (12, bit(extended.edx, 20)),                         // NX
        (13, bit(basic.ecx, 0)),                             // SSE3
        (14, bit(basic.ecx, 13)),                            // CMPXCHG16B
        (17, bit(basic.ecx, 27)),                            // XSAVE
        (22, bit(more.ebx, 0)),                              // RDFSBASE
        (23, true),                                          // fast fail
        (32, bit(extended.edx, 27)),                         // RDTSCP
        (36, bit(basic.ecx, 9)),                             // SSSE3
        (37, bit(basic.ecx, 19)),                            // SSE4.1
        (38, bit(basic.ecx, 20)),                            // SSE4.2
        (39, bit(basic.ecx, 28) && saved & AVX == AVX),      // AVX
        (40, bit(more.ebx, 5) && saved & AVX == AVX),        // AVX2
        (41, bit(more.ebx, 16) && saved & AVX512 == AVX512), // AVX-512F
    ];
    let mut features = [0; 64];
    for (feature, present) in present {
        features[feature] = u8::from(present);
    }
    features
}

/// `XSTATE_CONFIGURATION`: where `XSAVE` puts each register state, without which Windows reports
/// no AVX state to programs that save contexts. All zeroes where there is none.
fn extended_states() -> Vec<u8> {
    const WINE_SAVES: u64 = 0xfc;
    const LEGACY: u64 = 0b11;
    const FEATURES: usize = 64;
    const HEADER_END: u32 = 512 + 64;
    let layout = cpu::leaf(0xd, 0);
    let supported = u64::from(layout.edx) << 32 | u64::from(layout.eax);
    let extended = supported & cpu::saved_states() & WINE_SAVES;
    if extended == 0 {
        return Vec::new();
    }
    let how = cpu::leaf(0xd, 1).eax;
    let compacted = how & 2 != 0;
    let mut places = [(0_u32, 0_u32); FEATURES];
    (places[0], places[1]) = ((0, 160), (160, 256));
    let (mut aligned, mut compact_end, mut end) = (0_u64, HEADER_END, HEADER_END);
    for state in (2..FEATURES).filter(|state| extended >> state & 1 != 0) {
        let place = cpu::leaf(0xd, u32::try_from(state).unwrap_or(0));
        places[state] = (place.ebx, place.eax);
        if place.ecx & 2 != 0 {
            aligned |= 1 << state;
            compact_end = compact_end.next_multiple_of(64);
        }
        compact_end += place.eax;
        end = place.ebx + place.eax;
    }
    let enabled = LEGACY | extended;
    let mut bytes = Vec::with_capacity(0x338);
    bytes.extend(enabled.to_le_bytes());
    bytes.extend(enabled.to_le_bytes());
    bytes.extend(if compacted { compact_end } else { end }.to_le_bytes());
    bytes.extend((how & 3).to_le_bytes());
    bytes.extend(
        places
            .iter()
            .flat_map(|(at, size)| [at.to_le_bytes(), size.to_le_bytes()].concat()),
    );
    bytes.extend(0_u64.to_le_bytes()); // supervisor states
    bytes.extend(aligned.to_le_bytes());
    bytes.extend(layout.ebx.to_le_bytes());
    bytes.extend(places.iter().flat_map(|(_, size)| size.to_le_bytes()));
    bytes
}

/// Applies the supervisor's configuration.
pub(crate) fn configure(configuration: &Configuration) -> Outcome<()> {
    let page = SharedData::map()?;
    page.write(
        offset::ACTIVE_PROCESSORS,
        &configuration.processors.to_le_bytes(),
    );
    set_names(&configuration.host_name)
}

/// Sets computer and host names as `SetComputerNameEx` and a restart would.
fn set_names(host_name: &str) -> Outcome<()> {
    const NAMES: &str = r"System\CurrentControlSet\Control\ComputerName";
    const TCPIP: &str = r"System\CurrentControlSet\Services\Tcpip\Parameters";
    let net_bios = net_bios_name(host_name);
    let (host, domain) = host_name.split_once('.').unwrap_or((host_name, ""));
    let (stored, active) = (
        format!(r"{NAMES}\ComputerName"),
        format!(r"{NAMES}\ActiveComputerName"),
    );
    let values = [
        (
            stored.as_str(),
            Keeping::Stored,
            "ComputerName",
            net_bios.as_str(),
        ),
        (
            active.as_str(),
            Keeping::Volatile,
            "ComputerName",
            net_bios.as_str(),
        ),
        (TCPIP, Keeping::Stored, "Hostname", host),
        (TCPIP, Keeping::Stored, "NV Hostname", host),
        (TCPIP, Keeping::Stored, "Domain", domain),
        (TCPIP, Keeping::Stored, "NV Domain", domain),
    ];
    for (path, keeping, name, text) in values {
        Key::ensure_text(Root::Machine, path, keeping, name, text)?;
    }
    Ok(())
}

/// Makes `name` the zone that Wine finds when a process starts. It looks at the keys of
/// [`CURRENT_ZONE`] alone, of which there is one, because a look at all zones costs more than the
/// rest of the start.
pub(crate) fn set_time_zone(name: &str) -> Outcome<()> {
    const VERSION: &str = r"Software\Microsoft\Windows NT\CurrentVersion";
    const CURRENT_ZONE: &str = "Time Zone*";
    const SETTING: &str = r"System\CurrentControlSet\Control\TimeZoneInformation";
    let current = format!(r"{VERSION}\{CURRENT_ZONE}");
    let chosen = format!(r"{current}\{name}");
    if Key::open(Root::Machine, &chosen).is_ok() {
        return Ok(());
    }
    let zone = Key::open(Root::Machine, &format!(r"{VERSION}\Time Zones\{name}"))?;
    Key::delete_tree(Root::Machine, &current)?;
    zone.copy_to(&Key::create(Root::Machine, &chosen, Keeping::Stored)?)?;
    Key::ensure_text(
        Root::Machine,
        SETTING,
        Keeping::Stored,
        "TimeZoneKeyName",
        name,
    )
}

/// Describes the account that processes run as, as a logon would.
pub(crate) fn log_on(account: &str) -> Outcome<()> {
    // Wine gives every user of a prefix this identifier.
    const PROFILE: &str =
        r"Software\Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-0-0-0-1000";
    let profile = format!(r"C:\Users\{account}");
    Key::ensure_text(
        Root::Machine,
        PROFILE,
        Keeping::Stored,
        "ProfileImagePath",
        &profile,
    )?;
    let variables = Key::create(Root::User, "Volatile Environment", Keeping::Volatile)?;
    variables.set_text("APPDATA", &format!(r"{profile}\AppData\Roaming"))?;
    variables.set_text("LOCALAPPDATA", &format!(r"{profile}\AppData\Local"))?;
    variables.set_text("USERNAME", account)?;
    variables.set_text("USERPROFILE", &profile)
}

/// Writes each root of the registry to its file.
pub(crate) fn save_registry(files: &RegistryFiles) -> Outcome<()> {
    save::allow()?;
    let roots = [
        (save::Root::Machine, &files.machine),
        (save::Root::User, &files.user),
        (save::Root::DefaultUser, &files.default_user),
    ];
    for (root, path) in roots {
        let file = file::open_unix(path, Direction::Write, false)?;
        save::save(root, &file)?;
    }
    Ok(())
}

/// The NetBIOS form of a host name: its first label, upper case, at most 15 characters.
pub(crate) fn net_bios_name(host_name: &str) -> String {
    let label = host_name.split('.').next().unwrap_or_default();
    label.chars().take(15).collect::<String>().to_uppercase()
}

/// Describes the hardware in the registry, which programs read (Node.js: `os.cpus()`): every processor
/// that `GetSystemInfo` counts. A limit makes those no fewer, and a program that looks for the next
/// one and does not find it takes none to be there.
pub(crate) fn describe_hardware() -> Outcome<()> {
    const SYSTEM: &str = r"Hardware\Description\System";
    let (vendor, brand, megahertz) = (cpu::vendor(), cpu::brand(), megahertz());
    let identifier = processor_identifier();
    let system = Key::create(Root::Machine, SYSTEM, Keeping::Volatile)?;
    system.set_text("Identifier", "AT/AT COMPATIBLE")?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    for number in 0..processors {
        let path = format!(r"{SYSTEM}\CentralProcessor\{number}");
        let key = Key::create(Root::Machine, &path, Keeping::Volatile)?;
        key.set_text("Identifier", &identifier)?;
        key.set_text("ProcessorNameString", &brand)?;
        key.set_text("VendorIdentifier", &vendor)?;
        key.set_number("~MHz", megahertz)?;
        key.set_binary("Update Revision", &[0; 8])?;
        let floating = format!(r"{SYSTEM}\FloatingPointProcessor\{number}");
        Key::create(Root::Machine, &floating, Keeping::Volatile)?
            .set_text("Identifier", &identifier)?;
    }
    Ok(())
}

/// The key with the variables of every user.
pub(crate) const SYSTEM_VARIABLES: &str =
    r"System\CurrentControlSet\Control\Session Manager\Environment";

/// What the variables `PROCESSOR_LEVEL` and `PROCESSOR_REVISION` say.
pub(crate) fn processor_version() -> (String, String) {
    let (family, model, stepping) = cpu::signature();
    (family.to_string(), format!("{:04x}", model << 8 | stepping))
}

/// For example `Intel64 Family 6 Model 143 Stepping 8`.
pub(crate) fn processor_identifier() -> String {
    let (family, model, stepping) = cpu::signature();
    let make = if cpu::vendor() == "AuthenticAMD" {
        "AMD64"
    } else {
        "Intel64"
    };
    format!("{make} Family {family} Model {model} Stepping {stepping}")
}

/// The processor's frequency: what it says itself, else what the kernel says; 0 when neither does.
fn megahertz() -> u32 {
    let base = cpu::leaf(0x16, 0).eax & 0xffff;
    if base != 0 {
        return base;
    }
    let lines = std::fs::read_to_string(r"\\?\unix\proc\cpuinfo").unwrap_or_default();
    let line = lines.lines().find_map(|line| line.strip_prefix("cpu MHz"));
    let number = line.and_then(|line| line.split([':', '.']).nth(1)?.trim().parse().ok());
    number.unwrap_or(0)
}
