//! The one call that Wine makes in the way of 32-bit processes.
//!
//! A program of 32 bits runs in a 64-bit process whose thread block has a segment of its own;
//! Wine makes it with `set_thread_area`, which the kernel offers to `int $0x80` only. A compiled
//! filter kills whoever calls in that way, so this goes before it.

use seccompiler::{BpfProgram, sock_filter};

/// The architecture of `int $0x80`, as the kernel names it to filters.
const AUDIT_ARCH_I386: u32 = 0x4000_0003;

/// `set_thread_area` there.
const SET_THREAD_AREA: u32 = 243;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// The program, with every call of 32-bit processes but the one refused before it.
pub(super) fn before(program: BpfProgram) -> BpfProgram {
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let not_implemented = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
    let mut all = vec![
        instruction(LOAD, 0, 0, ARCHITECTURE),
        instruction(JUMP_IF_EQUAL, 0, 4, AUDIT_ARCH_I386),
        instruction(LOAD, 0, 0, NUMBER),
        instruction(JUMP_IF_EQUAL, 0, 1, SET_THREAD_AREA),
        instruction(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        instruction(RETURN, 0, 0, not_implemented),
    ];
    all.extend(program);
    all
}
