//! Security descriptors of keys, as bytes.

use std::sync::Arc;

/// A self-relative security descriptor. Cheap to clone: keys of a hive share them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecurityDescriptor(Arc<[u8]>);

/// Bytes of the fixed part of a self-relative descriptor.
const HEADER: usize = 20;
/// `SE_SELF_RELATIVE`: offsets, not pointers.
const SELF_RELATIVE: u8 = 0x80;

impl SecurityDescriptor {
    /// A descriptor of these bytes, if they begin as a self-relative one does.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let plausible = bytes.len() >= HEADER && bytes[0] == 1 && bytes[3] & SELF_RELATIVE != 0;
        plausible.then(|| Self(bytes.into()))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What a hive's root gets when nothing else is said, as Windows gives it:
    /// `O:BAG:SYD:(A;CI;KA;;;BA)(A;CI;KA;;;SY)(A;CI;KR;;;BU)(A;CIIO;GA;;;CO)`.
    #[must_use]
    pub fn hive_default() -> Self {
        const ALL: u32 = 0x000f_003f;
        const READ: u32 = 0x0002_0019;
        const GENERIC_ALL: u32 = 0x1000_0000;
        const CONTAINER_INHERIT: u8 = 2;
        const INHERIT_ONLY: u8 = 8;
        let administrators = sid(5, &[32, 544]);
        let users = sid(5, &[32, 545]);
        let system = sid(5, &[18]);
        let creator_owner = sid(3, &[0]);
        let entries = [
            allow(CONTAINER_INHERIT, ALL, &administrators),
            allow(CONTAINER_INHERIT, ALL, &system),
            allow(CONTAINER_INHERIT, READ, &users),
            allow(
                CONTAINER_INHERIT | INHERIT_ONLY,
                GENERIC_ALL,
                &creator_owner,
            ),
        ];
        let acl = acl(&entries);

        let dacl_at = HEADER;
        let owner_at = dacl_at + acl.len();
        let group_at = owner_at + administrators.len();
        // Control: DACL present, self-relative.
        let mut bytes = vec![1, 0, 0x04, SELF_RELATIVE];
        for at in [owner_at, group_at, 0, dacl_at] {
            bytes.extend(u32::try_from(at).unwrap_or(0).to_le_bytes());
        }
        bytes.extend(acl);
        bytes.extend(administrators);
        bytes.extend(system);
        Self(bytes.into())
    }
}

fn sid(authority: u8, sub_authorities: &[u32]) -> Vec<u8> {
    let count = u8::try_from(sub_authorities.len()).unwrap_or(u8::MAX);
    let mut bytes = vec![1, count, 0, 0, 0, 0, 0, authority];
    bytes.extend(sub_authorities.iter().flat_map(|part| part.to_le_bytes()));
    bytes
}

fn allow(flags: u8, mask: u32, sid: &[u8]) -> Vec<u8> {
    let size = u16::try_from(8 + sid.len()).unwrap_or(u16::MAX);
    let mut bytes = vec![0, flags];
    bytes.extend(size.to_le_bytes());
    bytes.extend(mask.to_le_bytes());
    bytes.extend(sid);
    bytes
}

fn acl(entries: &[Vec<u8>]) -> Vec<u8> {
    let size = 8 + entries.iter().map(Vec::len).sum::<usize>();
    let mut bytes = vec![2, 0];
    bytes.extend(u16::try_from(size).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(
        u16::try_from(entries.len())
            .unwrap_or(u16::MAX)
            .to_le_bytes(),
    );
    bytes.extend([0, 0]);
    bytes.extend(entries.iter().flatten());
    bytes
}

#[cfg(test)]
mod tests {
    use super::SecurityDescriptor;

    #[test]
    fn the_default_is_self_relative_and_consistent() {
        let descriptor = SecurityDescriptor::hive_default();
        let bytes = descriptor.as_bytes();
        assert_eq!(
            SecurityDescriptor::from_bytes(bytes).as_ref(),
            Some(&descriptor)
        );
        let group = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        assert_eq!(
            group as usize + 12,
            bytes.len(),
            "S-1-5-18 is the last part"
        );
    }

    #[test]
    fn other_bytes_are_no_descriptor() {
        assert_eq!(SecurityDescriptor::from_bytes(&[1, 0, 4]), None);
        assert_eq!(SecurityDescriptor::from_bytes(&[2; 40]), None);
    }
}
