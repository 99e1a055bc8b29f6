//! Porthole's programs, beside the one that runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::files::{Content, install};
use super::layout::Layout;
use super::manifest::Manifest;
use super::report::Report;

/// The daemon.
pub(super) const DAEMON: &str = "portholed";

/// All programs; each finds the next in its own directory.
const ALL: [&str; 4] = [
    DAEMON,
    "porthole-compute",
    "porthole-supervisor",
    "porthole",
];

/// Where a build and an installation keep the programs that go into base images.
const GUEST: [&str; 3] = ["guest", "../guest", "../lib/porthole/guest"];

/// The directory of the program that runs, which must hold the others.
pub(super) fn source() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let directory = own.parent().unwrap_or(Path::new("/")).to_owned();
    for program in ALL {
        let path = directory.join(program);
        anyhow::ensure!(
            path.is_file(),
            "{} is missing: setup installs all programs of Porthole together, from the directory of the one that runs",
            path.display()
        );
    }
    Ok(directory)
}

/// Copies the programs from `source`. Tells whether any was new.
pub(super) fn copy(
    source: &Path,
    layout: &Layout,
    manifest: &mut Manifest,
    report: &mut Report,
) -> Result<bool> {
    let mut changed = false;
    for program in ALL {
        let target = layout.programs().join(program);
        changed |= copy_one(&source.join(program), &target, 0o755, manifest, report)?;
    }
    match GUEST
        .map(|path| source.join(path))
        .iter()
        .find(|path| path.is_dir())
    {
        Some(guest) => copy_guest(guest, layout, manifest, report)?,
        None => report.skipped(
            layout.guest_programs().display().to_string(),
            "no guest programs beside these: 'porthole base build' will need --guest-programs",
        ),
    }
    Ok(changed)
}

fn copy_guest(
    source: &Path,
    layout: &Layout,
    manifest: &mut Manifest,
    report: &mut Report,
) -> Result<()> {
    let mut programs: Vec<_> = fs::read_dir(source)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .with_context(|| format!("cannot read {}", source.display()))?;
    programs.sort_by_key(fs::DirEntry::file_name);
    for program in programs {
        // The programs are what stands there; below are those for tests.
        if program.file_type()?.is_file() {
            let target = layout.guest_programs().join(program.file_name());
            copy_one(&program.path(), &target, 0o644, manifest, report)?;
        }
    }
    Ok(())
}

fn copy_one(
    source: &Path,
    target: &Path,
    mode: u32,
    manifest: &mut Manifest,
    report: &mut Report,
) -> Result<bool> {
    let bytes = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
    let content = Content {
        bytes: &bytes,
        mode,
    };
    install(target, content, manifest, report)
}
