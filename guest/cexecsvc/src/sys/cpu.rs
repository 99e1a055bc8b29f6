//! What the processor says about itself.
#![allow(unsafe_code)] // Reads a control register.

use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv, CpuidResult};

/// One leaf of `CPUID`, or zeroes beyond the last leaf of its range.
pub(crate) fn leaf(leaf: u32, subleaf: u32) -> CpuidResult {
    let last = __cpuid(leaf & 0x8000_0000).eax;
    if leaf > last {
        return CpuidResult {
            eax: 0,
            ebx: 0,
            ecx: 0,
            edx: 0,
        };
    }
    __cpuid_count(leaf, subleaf)
}

/// `GenuineIntel`, `AuthenticAMD` and the like.
pub(crate) fn vendor() -> String {
    let id = leaf(0, 0);
    text(&[id.ebx, id.edx, id.ecx])
}

/// The marketing name.
pub(crate) fn brand() -> String {
    let leaves = [0x8000_0002, 0x8000_0003, 0x8000_0004];
    let registers: Vec<u32> = leaves
        .into_iter()
        .map(|number| leaf(number, 0))
        .flat_map(|id| [id.eax, id.ebx, id.ecx, id.edx])
        .collect();
    text(&registers)
}

/// Family, model and stepping.
pub(crate) fn signature() -> (u32, u32, u32) {
    let id = leaf(1, 0).eax;
    let (base_family, base_model) = (id >> 8 & 0xf, id >> 4 & 0xf);
    let family = if base_family == 0xf {
        base_family + (id >> 20 & 0xff)
    } else {
        base_family
    };
    let extended = matches!(base_family, 0x6 | 0xf);
    let model = if extended {
        base_model | (id >> 16 & 0xf) << 4
    } else {
        base_model
    };
    (family, model, id & 0xf)
}

/// The register states that the kernel saves at task switches (XCR0), 0 without `XSAVE`.
pub(crate) fn saved_states() -> u64 {
    const OSXSAVE: u32 = 1 << 27;
    if leaf(1, 0).ecx & OSXSAVE == 0 {
        return 0;
    }
    #[target_feature(enable = "xsave")]
    fn read() -> u64 {
        // SAFETY: register 0 always exists with `XSAVE`.
        unsafe { _xgetbv(0) }
    }
    // SAFETY: the kernel has enabled `XSAVE`, as just tested.
    unsafe { read() }
}

fn text(registers: &[u32]) -> String {
    let bytes: Vec<u8> = registers
        .iter()
        .flat_map(|register| register.to_le_bytes())
        .collect();
    let end = bytes
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}
