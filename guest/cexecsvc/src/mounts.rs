//! What the mount manager knows: one volume, C:.

use crate::devices::{STATUS_NOT_SUPPORTED, STATUS_SUCCESS};
use crate::sys::wineserver::Control;

/// The device that C: names. Nothing answers there: a container may not read the raw disk.
pub(crate) const DEVICE: &str = r"\Device\HarddiskVolume1";

/// The volume's unique name.
pub(crate) const VOLUME: &str = r"\??\Volume{506f7274-686f-6c65-0043-3a0000000000}";

const DRIVE: &str = r"\DosDevices\C:";

/// Shown by `dir` and `vol`; any number does that is not 0.
const SERIAL: u32 = 0x506f_7274;

const STATUS_BUFFER_OVERFLOW: u32 = 0x8000_0005;
const STATUS_INVALID_PARAMETER: u32 = 0xc000_000d;
const STATUS_NO_SUCH_DEVICE: u32 = 0xc000_000e;

/// Control codes, by their function.
mod function {
    pub(super) const QUERY_POINTS: u32 = 2;
    pub(super) const QUERY_UNIX_DRIVE: u32 = 33;
}

/// Answers a control request: a status and a result.
pub(crate) fn answer(control: &Control) -> (u32, Vec<u8>) {
    let outcome = match control.code >> 2 & 0xfff {
        function::QUERY_POINTS => points(control),
        function::QUERY_UNIX_DRIVE => drive(control),
        _ => Err(STATUS_NOT_SUPPORTED),
    };
    match outcome {
        Ok(answer) => answer,
        Err(status) => (status, Vec::new()),
    }
}

type Outcome = Result<(u32, Vec<u8>), u32>;

/// `mountmgr_unix_drive`: kind of drive, file system, serial number, label.
fn drive(control: &Control) -> Outcome {
    const DRIVE_FIXED: u32 = 3;
    const NTFS: u32 = 0;
    const SIZE: usize = 32;
    const LETTER: usize = 24;
    let letter = control
        .parameters
        .get(LETTER..LETTER + 2)
        .ok_or(STATUS_INVALID_PARAMETER)?;
    let letter = u16::from_le_bytes([letter[0], letter[1]]) | 0x20;
    // Without a letter a mapped directory's file system is asked for: it looks like C:'s.
    if letter != u16::from(b'c') && letter != 0x20 {
        return Err(STATUS_NO_SUCH_DEVICE);
    }
    let text_at = u16::try_from(SIZE).unwrap_or(0);
    let mut drive = Vec::with_capacity(SIZE + 8);
    drive.extend(u32::try_from(SIZE + 8).unwrap_or(0).to_le_bytes());
    drive.extend(DRIVE_FIXED.to_le_bytes());
    drive.extend(NTFS.to_le_bytes());
    drive.extend(SERIAL.to_le_bytes());
    drive.extend(0_u64.to_le_bytes()); // Unix device
    drive.extend(u16::from(b'c').to_le_bytes());
    drive.extend(0_u16.to_le_bytes()); // no mount point
    drive.extend(0_u16.to_le_bytes()); // no device
    drive.extend(text_at.to_le_bytes());
    drive.extend([0; 8]); // an empty label
    if drive.len() > control.result_size {
        drive.truncate(control.result_size);
        return Ok((STATUS_BUFFER_OVERFLOW, drive));
    }
    Ok((STATUS_SUCCESS, drive))
}

/// `MOUNTMGR_MOUNT_POINTS`: the names of the volume that match the one asked for.
fn points(control: &Control) -> Outcome {
    const POINT: usize = 24;
    const HEADER: usize = 8;
    let asked = Asked::parse(&control.parameters).ok_or(STATUS_INVALID_PARAMETER)?;
    let names: Vec<_> = [DRIVE, VOLUME]
        .into_iter()
        .filter(|name| asked.matches(name))
        .collect();
    let mut table = Vec::new();
    let mut texts = Vec::new();
    let texts_at = HEADER + POINT * names.len();
    for name in &names {
        let mut put = |text: &str| {
            let at = texts_at + texts.len();
            texts.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
            let length = texts_at + texts.len() - at;
            [number(at), number(length)]
        };
        // Symbolic link, unique ID, device: each an offset and a length.
        let fields = [put(name), put(VOLUME), put(DEVICE)];
        table.extend(fields.into_iter().flatten().flat_map(u32::to_le_bytes));
    }
    let size = texts_at + texts.len();
    if size > control.result_size {
        return Ok((STATUS_BUFFER_OVERFLOW, number(size).to_le_bytes().to_vec()));
    }
    let mut result = number(size).to_le_bytes().to_vec();
    result.extend(number(names.len()).to_le_bytes());
    result.extend(table);
    result.extend(texts);
    Ok((STATUS_SUCCESS, result))
}

/// `MOUNTMGR_MOUNT_POINT` as input: each name that is given must match.
struct Asked {
    link: String,
    device: String,
}

impl Asked {
    fn parse(parameters: &[u8]) -> Option<Self> {
        let field = |place: usize| {
            let offset = long(parameters, place)?;
            let length = long(parameters, place + 4)? & 0xffff;
            let bytes = parameters.get(offset..)?.get(..length)?;
            let units: Vec<u16> = bytes
                .chunks_exact(2)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                .collect();
            Some(String::from_utf16_lossy(&units))
        };
        Some(Self {
            link: field(0)?,
            device: field(16)?,
        })
    }

    fn matches(&self, name: &str) -> bool {
        let given = |asked: &str, name: &str| asked.is_empty() || asked.eq_ignore_ascii_case(name);
        given(&self.link, name) && given(&self.device, DEVICE)
    }
}

fn long(bytes: &[u8], offset: usize) -> Option<usize> {
    let bytes = bytes.get(offset..offset + 4)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
