//! The file systems of a silo: assembled on a staging directory of its own mount namespace, then
//! made its root.
//!
//! ```text
//! /            kernel package, read-only        /dev   null zero full random urandom
//! /c           union of layers and sandbox      /proc  own, masked; memory as limited
//! /prefix      registry, owned by the user      /tmp   tmpfs
//! /c/…         mapped directories                /run   tmpfs shared with the supervisor
//! /etc/{hosts,hostname,resolv.conf}             /sys   nothing but devices/system/cpu
//! ```
//!
//! The mount namespace belongs to the host's user namespace, not to the silo's: even a process
//! that had every capability of its user namespace could change no mount in it.

mod attach;
mod credentials;
mod devices;
mod drive;
mod mapped;
mod ownership;
mod proc;
mod union;
mod windows_lookup;

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use porthole_files::delete_tree_at;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags};

use crate::error::{Context, Result, SandboxError};
use crate::id_map::SiloMaps;
use crate::plan::{Plan, layout};
use crate::visible_memory;

pub use attach::tmpfs;
pub use credentials::as_owner;
pub use drive::{enter_running_drive, enter_stopped_drive};
pub use windows_lookup::{each_name, find_component, find_name, folded};

/// The drive letters of a prefix.
const DRIVES: &str = "dosdevices";

/// Everything that is opened or made before the silo's first process exists, so that the slow
/// and the refusable happens in the supervisor and the new process only assembles.
#[derive(Debug)]
pub struct Materials {
    prefix: OwnedFd,
    drive: drive::Parts,
    root: OwnedFd,
    certificates: Option<OwnedFd>,
}

impl Materials {
    /// Opens and ID-maps everything that `plan` names.
    ///
    /// # Errors
    /// When a path is missing, or cannot be mounted with an ID map.
    pub fn gather(plan: &Plan, maps: &SiloMaps) -> Result<Self> {
        prepare_prefix(&plan.prefix)?;
        let prefix = attach::mapped_tree(&plan.prefix, maps.of_root_to_user(), false)?;
        let drive = drive::Parts::gather(&plan.drive, maps.of_silo())?;
        let root = attach::read_only_tree(&plan.root)?;
        Ok(Self {
            prefix,
            drive,
            root,
            certificates: plan
                .root_certificates
                .as_deref()
                .map(attach::read_only_tree)
                .transpose()?,
        })
    }

    /// Assembles the silo's file systems and makes them the root of the calling process, which
    /// must be the first of a new PID namespace, in a mount namespace of its own.
    /// With `limited_memory`, `run` holds what the silo is to see as `/proc/meminfo`.
    pub(crate) fn assemble(
        &self,
        plan: &Plan,
        run: BorrowedFd<'_>,
        limited_memory: bool,
    ) -> Result<()> {
        drive::make_private()?;
        // What a process can read of its own mount table shows overlay's options as given: names
        // relative to the staging directory, which tell nothing of the host.
        attach::mount_tmpfs(&plan.staging, "mode=0755")?;
        std::env::set_current_dir(&plan.staging).at("enter", &plan.staging)?;
        attach::place_new(self.root.as_fd(), Path::new("root"))?;
        self.drive.mount(&inside(layout::C_DRIVE))?;
        attach::place(self.prefix.as_fd(), &inside(layout::PREFIX))?;
        attach::mount_tmpfs(&inside(layout::TMP), "mode=1777")?;
        attach::place(run, Path::new("root/run"))?;
        devices::populate(Path::new("root/dev"))?;
        proc::mount(Path::new("root/proc"))?;
        if limited_memory {
            let file = Path::new("root/run").join(visible_memory::FILE);
            attach::bind_read_only(&file, Path::new("root/proc/meminfo"))?;
        }
        devices::show_processors(Path::new("root/sys"))?;
        bind_configuration(plan)?;
        if let Some(certificates) = &self.certificates {
            attach::place(certificates.as_fd(), &inside(layout::ROOT_CERTIFICATES))?;
        }
        let c_drive = open_directory(&inside(layout::C_DRIVE))?;
        self.drive.fill(&c_drive, plan.drive.identity)?;
        for directory in &plan.directories {
            mapped::find_or_make(&c_drive, directory, true)?;
        }
        drop(c_drive);
        enter_root()
    }
}

/// The place of a silo's path in the staging directory.
fn inside(path: &str) -> PathBuf {
    PathBuf::from(format!("root{path}"))
}

fn open_directory(path: &Path) -> Result<OwnedFd> {
    rustix::fs::openat(
        CWD,
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .at("open", path)
}

/// Gives the prefix its only drive letter. What an earlier wineserver left is removed: it names
/// a directory in a `/tmp` that is gone. Everything in a prefix is its container's to write, so
/// what is there may be a link, or deeper than any recursion.
fn prepare_prefix(prefix: &Path) -> Result<()> {
    let at = |name: &str| prefix.join(name);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(prefix, flags, Mode::empty()).at("open", prefix)?;
    for stale in [DRIVES, "wineserver"] {
        delete_tree_at(&directory, stale).at("remove", at(stale))?;
    }
    rustix::fs::mkdirat(&directory, DRIVES, Mode::from_raw_mode(0o755)).at("create", at(DRIVES))?;
    let drives =
        rustix::fs::openat(&directory, DRIVES, flags, Mode::empty()).at("open", at(DRIVES))?;
    rustix::fs::symlinkat(layout::C_DRIVE, &drives, "c:").at("create", at(DRIVES))
}

fn bind_configuration(plan: &Plan) -> Result<()> {
    let files = [
        ("resolv.conf", plan.resolver.resolv_conf.clone()),
        ("hosts", plan.resolver.hosts.clone()),
        ("hostname", format!("{}\n", plan.host_name)),
    ];
    fs::create_dir("etc").at("create", "etc")?;
    for (name, content) in files {
        let source = Path::new("etc").join(name);
        fs::write(&source, content).at("write", &source)?;
        attach::bind_read_only(&source, &Path::new("root/etc").join(name))?;
    }
    Ok(())
}

/// Makes `root` the root directory and lets go of the host's.
fn enter_root() -> Result<()> {
    std::env::set_current_dir("root").at("enter", "root")?;
    // Both arguments the same: the old root lies over the new one and is taken off at once, so no
    // directory for it is needed in a read-only tree.
    rustix::process::pivot_root(".", ".").at("make root of", "the kernel package")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).at("detach", "the host's root")?;
    std::env::set_current_dir(layout::C_DRIVE).at("enter", layout::C_DRIVE)
}

/// Mount flags of everything that holds no device nodes.
const PLAIN: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

fn required<'a>(path: &'a Path, what: &'static str) -> Result<&'a Path> {
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(SandboxError::invalid(
            "use",
            path.display().to_string(),
            what,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_prefix_is_made_ready_whatever_its_container_left_there() {
        let home = tempfile::tempdir().unwrap();
        let (prefix, kept) = (home.path().join("prefix"), home.path().join("kept"));
        fs::create_dir_all(prefix.join("dosdevices/d:/below")).unwrap();
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "").unwrap();
        symlink(&kept, prefix.join("dosdevices/d:/below/link")).unwrap();
        symlink(&kept, prefix.join("wineserver")).unwrap();
        prepare_prefix(&prefix).unwrap();
        fs::remove_dir_all(prefix.join("dosdevices")).unwrap();
        symlink(&kept, prefix.join("dosdevices")).unwrap();
        prepare_prefix(&prefix).unwrap();
        let drives: Vec<_> = fs::read_dir(prefix.join("dosdevices")).unwrap().collect();
        assert_eq!(drives.len(), 1);
        let target = fs::read_link(prefix.join("dosdevices/c:")).unwrap();
        assert_eq!(target, Path::new(layout::C_DRIVE));
        assert!(kept.join("file").exists() && !prefix.join("wineserver").is_symlink());
    }

    #[test]
    fn a_prefix_may_hold_a_tree_deeper_than_any_recursion() {
        let home = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        fs::create_dir(home.path().join(DRIVES)).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut here = rustix::fs::open(home.path().join(DRIVES), flags, Mode::empty()).unwrap();
        for _ in 0..30_000 {
            rustix::fs::mkdirat(&here, "d", Mode::RWXU).unwrap();
            here = rustix::fs::openat(&here, "d", flags, Mode::empty()).unwrap();
        }
        prepare_prefix(home.path()).unwrap();
        assert!(home.path().join("dosdevices/c:").is_symlink());
    }
}
