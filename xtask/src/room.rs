//! Room on the disk. Without it a build ends after half an hour, somewhere, with what looks like a
//! fault of the program that was just being tested.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::command::target_directory;

const GIB: u64 = 1 << 30;

/// What everything takes that the suites compile, fetch and install: 11 GiB in the target directory
/// and 2 in the test's data root.
const FROM_NOTHING: u64 = 14 * GIB;

/// What a run writes where all of that is there.
const AGAIN: u64 = 3 * GIB;

/// Checks that the suites will find room.
///
/// # Errors
/// When they will not, with what there is and what it takes.
pub(crate) fn ensure() -> Result<()> {
    let target = target_directory();
    std::fs::create_dir_all(&target)?;
    let needed = if target.join("debug/deps").exists() {
        AGAIN
    } else {
        FROM_NOTHING
    };
    for place in [target.as_path(), Path::new("/var/lib")] {
        let free = free(place)?;
        if free < needed {
            bail!(
                "the tests need {:.1} GiB on the disk of {}, where {:.1} are free; free some, or set \
                 CARGO_TARGET_DIR to a directory of another disk",
                gib(needed),
                place.display(),
                gib(free)
            );
        }
    }
    Ok(())
}

fn free(place: &Path) -> Result<u64> {
    let room = rustix::fs::statvfs(place)
        .with_context(|| format!("cannot ask how much room {} has", place.display()))?;
    Ok(room.f_bavail * room.f_frsize)
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn gib(bytes: u64) -> f64 {
    bytes as f64 / GIB as f64
}
