//! The silo's `/proc`: its own processes, without what tells of the host or steers it.
//!
//! The lists are those that Docker and runc use, and what a program can read without privilege.

use std::fs;
use std::path::Path;

use rustix::mount::MountFlags;

use super::{PLAIN, attach};
use crate::error::{Context, Result};

/// Replaced by something empty.
const MASKED: [&str; 12] = [
    "acpi",
    "asound",
    "interrupts",
    "kallsyms",
    "kcore",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
    "cmdline",
];

/// Made read-only.
const READ_ONLY: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// Mounts a `/proc` for the calling process's PID namespace.
pub(super) fn mount(target: &Path) -> Result<()> {
    rustix::mount::mount("proc", target, "proc", PLAIN | MountFlags::NOEXEC, None)
        .at("mount proc on", target)?;
    let empty = Path::new("empty");
    fs::create_dir(empty).at("create", empty)?;
    for name in MASKED {
        let path = target.join(name);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => attach::bind_read_only(empty, &path)?,
            Ok(_) => attach::bind_read_only(Path::new("root/dev/null"), &path)?,
            // Which of them exist depends on the host's kernel.
            Err(_) => {}
        }
    }
    for name in READ_ONLY {
        let path = target.join(name);
        if path.exists() {
            attach::bind_read_only(&path, &path)?;
        }
    }
    Ok(())
}
