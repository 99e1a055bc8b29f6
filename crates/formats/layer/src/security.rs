//! Security descriptors that entries get when nothing else is said: those that other builders of
//! Windows layers on Linux give.

/// Of a directory:
/// `O:BAG:SYD:(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;;FA;;;BA)(A;OICIIO;GA;;;CO)(A;OICI;0x1200a9;;;BU)(A;CI;LC;;;BU)(A;CI;DC;;;BU)`.
#[must_use]
pub fn directory_default() -> Vec<u8> {
    const BOTH: u8 = OBJECT_INHERIT | CONTAINER_INHERIT;
    descriptor(&[
        allow(BOTH, FILE_ALL, &ADMINISTRATORS),
        allow(BOTH, FILE_ALL, &SYSTEM),
        allow(0, FILE_ALL, &ADMINISTRATORS),
        allow(BOTH | INHERIT_ONLY, GENERIC_ALL, &CREATOR_OWNER),
        allow(BOTH, READ_AND_EXECUTE, &USERS),
        allow(CONTAINER_INHERIT, LIST_CHILDREN, &USERS),
        allow(CONTAINER_INHERIT, DELETE_CHILD, &USERS),
    ])
}

/// Of a file: `O:BAG:SYD:(A;;FA;;;BA)(A;;FA;;;SY)(A;;0x1200a9;;;BU)`.
#[must_use]
pub fn file_default() -> Vec<u8> {
    descriptor(&[
        allow(0, FILE_ALL, &ADMINISTRATORS),
        allow(0, FILE_ALL, &SYSTEM),
        allow(0, READ_AND_EXECUTE, &USERS),
    ])
}

const OBJECT_INHERIT: u8 = 1;
const CONTAINER_INHERIT: u8 = 2;
const INHERIT_ONLY: u8 = 8;

const FILE_ALL: u32 = 0x001f_01ff;
const READ_AND_EXECUTE: u32 = 0x0012_00a9;
const GENERIC_ALL: u32 = 0x1000_0000;
/// SDDL's `LC`.
const LIST_CHILDREN: u32 = 4;
/// SDDL's `DC`.
const DELETE_CHILD: u32 = 2;

/// A security identifier: its authority's last byte, and its parts.
struct Sid(u8, &'static [u32]);

const ADMINISTRATORS: Sid = Sid(5, &[32, 544]);
const USERS: Sid = Sid(5, &[32, 545]);
const SYSTEM: Sid = Sid(5, &[18]);
const CREATOR_OWNER: Sid = Sid(3, &[0]);

impl Sid {
    fn bytes(&self) -> Vec<u8> {
        let count = u8::try_from(self.1.len()).unwrap_or(u8::MAX);
        let mut bytes = vec![1, count, 0, 0, 0, 0, 0, self.0];
        bytes.extend(self.1.iter().flat_map(|part| part.to_le_bytes()));
        bytes
    }
}

fn allow(flags: u8, mask: u32, sid: &Sid) -> Vec<u8> {
    let sid = sid.bytes();
    let mut bytes = vec![0, flags];
    bytes.extend(short(8 + sid.len()));
    bytes.extend(mask.to_le_bytes());
    bytes.extend(sid);
    bytes
}

fn short(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes()
}

/// A self-relative descriptor: owner, group, list of entries.
fn descriptor(entries: &[Vec<u8>]) -> Vec<u8> {
    const HEADER: usize = 20;
    let (owner, group) = (ADMINISTRATORS.bytes(), SYSTEM.bytes());
    let offsets = [
        HEADER,
        HEADER + owner.len(),
        0,
        HEADER + owner.len() + group.len(),
    ];
    // Revision 1; a discretionary list is present, offsets are relative.
    let mut bytes = vec![1, 0, 0x04, 0x80];
    bytes.extend(
        offsets
            .iter()
            .flat_map(|&at| u32::try_from(at).unwrap_or(0).to_le_bytes()),
    );
    bytes.extend(owner);
    bytes.extend(group);
    let size = 8 + entries.iter().map(Vec::len).sum::<usize>();
    bytes.extend([2, 0]);
    bytes.extend(short(size));
    bytes.extend(short(entries.len()));
    bytes.extend([0, 0]);
    bytes.extend(entries.iter().flatten());
    bytes
}

#[cfg(test)]
mod tests {
    use super::{directory_default, file_default};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn the_defaults_are_those_of_other_builders() {
        assert_eq!(STANDARD.encode(directory_default()), DIRECTORY);
        assert_eq!(STANDARD.encode(file_default()), FILE);
    }

    const DIRECTORY: &str = "AQAEgBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgCoAAcAAAAAAxgA\
        /wEfAAECAAAAAAAFIAAAACACAAAAAxQA/wEfAAEBAAAAAAAFEgAAAAAAGAD/AR8AAQIAAAAAAAUgAAAA\
        IAIAAAALFAAAAAAQAQEAAAAAAAMAAAAAAAMYAKkAEgABAgAAAAAABSAAAAAhAgAAAAIYAAQAAAABAgAA\
        AAAABSAAAAAhAgAAAAIYAAIAAAABAgAAAAAABSAAAAAhAgAA";
    const FILE: &str = "AQAEgBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgBMAAMAAAAAABgA\
        /wEfAAECAAAAAAAFIAAAACACAAAAABQA/wEfAAEBAAAAAAAFEgAAAAAAGACpABIAAQIAAAAAAAUgAAAA\
        IQIAAA==";
}
