//! One daemon for a run-time root: a locked file with the process's ID.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use porthole_files::{Claim, GRACE, claim};

/// The file in the run-time root.
const FILE: &str = "portholed.pid";

/// The claim on a run-time root; given up when dropped.
#[derive(Debug)]
pub(crate) struct Instance {
    path: PathBuf,
    _lock: File,
}

impl Instance {
    /// Claims a run-time root.
    ///
    /// # Errors
    /// When another daemon has it.
    pub(crate) fn claim(exec_root: &Path) -> Result<Self> {
        let path = exec_root.join(FILE);
        let context = || format!("cannot claim {}", path.display());
        match claim(&path, GRACE).with_context(context)? {
            Claim::Ours(lock) => Ok(Self { path, _lock: lock }),
            Claim::Theirs(mut file) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).with_context(context)?;
                bail!(
                    "portholed runs already for {} (process {})",
                    exec_root.display(),
                    pid.trim()
                );
            }
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Still locked, so that nobody is taken for its owner who is not. A file that stays behind
        // claims nothing.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_names_the_first_process() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = Instance::claim(directory.path()).expect("the first claim");
        let error = Instance::claim(directory.path()).expect_err("the second claim");
        assert!(
            error.to_string().contains(&std::process::id().to_string()),
            "{error}"
        );
        drop(first);
        Instance::claim(directory.path()).expect("a claim after the first has ended");
    }
}
