//! Drive C: of a container: assembled for its silo, or for the moment for somebody who copies
//! files while it does not run.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{
    CapabilitySet, CapabilitySets, ThreadNameSpaceType, move_into_thread_name_spaces,
};

use super::{attach, mapped, open_directory, ownership, union};
use crate::error::{Context, Result};
use crate::id_map::{IdMap, IdRange};
use crate::plan::{DrivePlan, Identity, layout};
use crate::sys;

/// What of C: is opened and ID-mapped before it is assembled.
#[derive(Debug)]
pub(super) struct Parts {
    layers: Vec<OwnedFd>,
    sandbox: OwnedFd,
    mapped: Vec<mapped::Source>,
}

impl Parts {
    /// Opens and ID-maps everything that `plan` names; `map` is that of the layers.
    pub(super) fn gather(plan: &DrivePlan, map: &IdMap) -> Result<Self> {
        let layers = plan
            .layers
            .iter()
            .map(|layer| attach::mapped_tree(layer, map, true))
            .collect::<Result<_>>()?;
        for name in ["upper", "work"] {
            let path = plan.sandbox.join(name);
            fs::create_dir_all(&path).at("create", &path)?;
        }
        let sandbox = attach::mapped_tree(&plan.sandbox, map, false)?;
        let temporary = plan
            .temporary
            .iter()
            .map(|entry| mapped::Source::temporary(entry, plan.identity));
        let mapped = plan
            .mapped
            .iter()
            .map(|entry| mapped::Source::open(entry, plan.identity))
            .chain(temporary)
            .collect::<Result<_>>()?;
        Ok(Self {
            layers,
            sandbox,
            mapped,
        })
    }

    /// Mounts the union on `target`. The current directory is the staging directory.
    pub(super) fn mount(&self, target: &Path) -> Result<()> {
        union::mount(&self.layers, self.sandbox.as_fd(), target)
    }

    /// Attaches what is mapped into the mounted union, and gives the user what is the user's.
    pub(super) fn fill(&self, c_drive: &OwnedFd, identity: Identity) -> Result<()> {
        if identity == Identity::User {
            ownership::give_to_user(c_drive)?;
        }
        for source in &self.mapped {
            source.attach(c_drive)?;
        }
        Ok(())
    }
}

/// Enters the mount namespace of a silo that runs, and makes its C: this process's root.
/// `init` is a process descriptor of its first process. The process must have one thread; the
/// silo's mounts stay as long as it does.
///
/// # Errors
/// When the silo has ended, or the kernel refuses.
pub fn enter_running_drive(init: BorrowedFd<'_>) -> Result<OwnedFd> {
    move_into_thread_name_spaces(init, ThreadNameSpaceType::MOUNT)
        .context("enter", "the silo's mount namespace")?;
    enter(Path::new(layout::C_DRIVE))
}

/// Assembles C: in a mount namespace of this process's own, and makes it its root. The process
/// must have one thread; the mounts go with it.
///
/// # Errors
/// When something that `plan` names is missing, or the kernel refuses.
pub fn enter_stopped_drive(plan: &DrivePlan) -> Result<OwnedFd> {
    let map = IdMap::new(IdRange::SILO, IdRange::SILO)?;
    let parts = Parts::gather(plan, &map)?;
    sys::unshare(libc::CLONE_NEWNS).context("enter", "a mount namespace")?;
    make_private()?;
    // Any directory will do that is there: what lies below is open already.
    attach::mount_tmpfs(&plan.sandbox, "mode=0755,size=64k")?;
    std::env::set_current_dir(&plan.sandbox).at("enter", &plan.sandbox)?;
    let target = Path::new("c");
    fs::create_dir(target).at("create", target)?;
    parts.mount(target)?;
    parts.fill(&open_directory(target)?, plan.identity)?;
    enter(target)
}

/// Keeps what happens in this mount namespace from the host's.
pub(super) fn make_private() -> Result<()> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).at("make private", "/")
}

/// Makes `drive` the root, and keeps no more rights than copying files takes.
fn enter(drive: &Path) -> Result<OwnedFd> {
    std::env::set_current_dir(drive).at("enter", drive)?;
    rustix::process::chroot(".").at("make root of", drive)?;
    keep_rights_over_files().context("drop privileges of", "the process that copies files")?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open("/", flags, Mode::empty()).at("open", drive)
}

fn keep_rights_over_files() -> rustix::io::Result<()> {
    let kept = CapabilitySet::DAC_OVERRIDE
        | CapabilitySet::FOWNER
        // To act as the silo's user, to whom new files belong.
        | CapabilitySet::SETUID
        | CapabilitySet::SETGID;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    rustix::thread::set_no_new_privs(true)
}
