//! C: as the union of layers and sandbox (overlayfs).
//!
//! On disk everything belongs to root. Layers and sandbox are mounted with the silo's ID map, so
//! that what is root's on disk is ID 0's inside, and what ID 1000 writes is 1000's on disk; the
//! union of them then needs no map of its own.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::credentials::as_silo_root;
use super::{PLAIN, attach};
use crate::error::{Context, Result, SandboxError};

/// What the sandbox's `upper` may look like, whatever the host's kernel has as default: files are
/// whole, and a directory is where its path says. Renaming a directory that a layer holds is then
/// refused, as it is in a container on Windows.
const FORMAT: &str = "redirect_dir=nofollow,metacopy=off,index=off";

/// Mounts the union on `target`. The current directory is the staging directory.
pub(super) fn mount(layers: &[OwnedFd], sandbox: BorrowedFd<'_>, target: &Path) -> Result<()> {
    if layers.is_empty() {
        return Err(SandboxError::invalid("mount", "C:", "there is no layer"));
    }
    attach::place_new(sandbox, Path::new("s"))?;
    // Short relative names: all options together must fit into one page.
    let mut names = Vec::with_capacity(layers.len());
    for (number, layer) in layers.iter().enumerate() {
        let name = number.to_string();
        attach::place_new(layer.as_fd(), Path::new(&name))?;
        names.push(name);
    }
    let options = format!(
        "{FORMAT},lowerdir={},upperdir=s/upper,workdir=s/work",
        names.join(":")
    );
    let options = CString::new(options).at("mount", target)?;
    // Overlayfs keeps the credentials that it was mounted with for all that it does on its own,
    // such as making its work directory.
    as_silo_root(|| {
        rustix::mount::mount(
            "overlay",
            target,
            "overlay",
            PLAIN,
            Some(options.as_c_str()),
        )
    })?
    .at("mount the union of layers on", target)
}
