//! Files that setup writes and takes away again.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::manifest::Manifest;
use super::report::Report;

/// What a file is written from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content<'a> {
    /// Its bytes.
    pub(super) bytes: &'a [u8],
    /// Its permissions.
    pub(super) mode: u32,
}

/// Writes a file unless it is there as it should be. Tells whether it was written. One that
/// somebody else has put there just so stays theirs.
pub(super) fn install(
    path: &Path,
    content: Content<'_>,
    manifest: &mut Manifest,
    report: &mut Report,
) -> Result<bool> {
    let what = path.display().to_string();
    if is_as_wanted(path, content)? {
        report.unchanged(what);
        if !report.is_dry() && manifest.owns(path) {
            manifest.written(path, content.bytes)?;
        }
        return Ok(false);
    }
    report.change(what, || {
        manifest.make_parents(path)?;
        manifest.intend(path, content.bytes)?;
        write(path, content)?;
        manifest.written(path, content.bytes)
    })
}

fn is_as_wanted(path: &Path, content: Content<'_>) -> Result<bool> {
    let Some(bytes) = read(path)? else {
        return Ok(false);
    };
    let mode = fs::symlink_metadata(path)?.permissions().mode() & 0o7777;
    Ok(bytes == content.bytes && mode == content.mode)
}

/// A file's content, if it is there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn write(path: &Path, content: Content<'_>) -> Result<()> {
    porthole_files::replace_synced(path, content.bytes, content.mode)?;
    // The process's mask has no say in what others may run and read here.
    fs::set_permissions(path, fs::Permissions::from_mode(content.mode))?;
    Ok(())
}

/// Takes a file away if it is as setup wrote it.
pub(super) fn uninstall(path: &Path, manifest: &mut Manifest, report: &mut Report) -> Result<()> {
    let what = path.display().to_string();
    let there = read(path)?;
    if let Some(bytes) = &there
        && manifest.is_as_written(path, bytes)
    {
        return report
            .change(format!("remove {what}"), || {
                fs::remove_file(path)?;
                manifest.forget(path)
            })
            .map(drop);
    }
    if there.is_some() {
        report.kept(what, "it has been changed since setup wrote it");
    }
    if report.is_dry() {
        return Ok(());
    }
    manifest.forget(path)
}

/// Takes away the directories that setup made and that are empty now.
pub(super) fn remove_directories(manifest: &mut Manifest) {
    let mut left = Vec::new();
    for directory in manifest.directories.drain(..).rev() {
        // One that others have put something into stays.
        if fs::remove_dir(&directory).is_err() {
            left.insert(0, directory);
        }
    }
    manifest.directories = left;
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: Content<'_> = Content {
        bytes: b"ours",
        mode: 0o755,
    };

    #[test]
    fn what_was_written_is_taken_away_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join("made/deep").join(name);
        let mut manifest = Manifest::load(&root.path().join("setup.json")).unwrap();
        let mut report = Report::new(false, true);
        for name in ["plain", "edited"] {
            assert!(install(&at(name), CONTENT, &mut manifest, &mut report).unwrap());
            assert!(!install(&at(name), CONTENT, &mut manifest, &mut report).unwrap());
        }
        fs::write(at("edited"), "theirs").unwrap();
        let mut manifest = Manifest::load(&root.path().join("setup.json")).unwrap();
        for name in ["plain", "edited"] {
            uninstall(&at(name), &mut manifest, &mut report).unwrap();
        }
        remove_directories(&mut manifest);
        assert!(!at("plain").exists() && root.path().join("made/deep").exists());
        assert_eq!(fs::read(at("edited")).unwrap(), b"theirs");
        fs::remove_file(at("edited")).unwrap();
    }

    #[test]
    fn what_stood_there_already_is_not_ours() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("theirs");
        write(&path, CONTENT).unwrap();
        let mut manifest = Manifest::load(&root.path().join("setup.json")).unwrap();
        let mut report = Report::new(false, true);
        assert!(!install(&path, CONTENT, &mut manifest, &mut report).unwrap());
        assert!(manifest.is_empty());
        // But what was written just before setup was cut short is.
        manifest.intend(&path, CONTENT.bytes).unwrap();
        let mut manifest = Manifest::load(&root.path().join("setup.json")).unwrap();
        uninstall(&path, &mut manifest, &mut report).unwrap();
        assert!(!path.exists() && manifest.is_empty());
    }

    #[test]
    fn an_upgrade_that_was_cut_short_is_undone_in_either_version() {
        for written in [CONTENT.bytes, b"newer"] {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join("file");
            let mut manifest = Manifest::load(&root.path().join("setup.json")).unwrap();
            let mut report = Report::new(false, true);
            install(&path, CONTENT, &mut manifest, &mut report).unwrap();
            manifest.intend(&path, b"newer").unwrap();
            fs::write(&path, written).unwrap();
            let mut manifest = Manifest::load(&root.path().join("setup.json")).unwrap();
            uninstall(&path, &mut manifest, &mut report).unwrap();
            assert!(!path.exists() && manifest.is_empty());
        }
    }

    #[test]
    fn everybody_may_read_what_is_made() {
        let root = tempfile::tempdir().unwrap();
        let mut manifest = Manifest::load(&root.path().join("setup.json")).unwrap();
        let mut report = Report::new(false, true);
        let path = root.path().join("made/deep/file");
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        let installed = install(&path, CONTENT, &mut manifest, &mut report);
        rustix::process::umask(before);
        assert!(installed.unwrap());
        for made in path.ancestors().take(3) {
            let mode = fs::metadata(made).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o755, "{}", made.display());
        }
    }

    #[test]
    fn a_dry_run_writes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let mut manifest = Manifest::load(&root.path().join("setup.json")).unwrap();
        let mut report = Report::new(true, true);
        let path = root.path().join("file");
        assert!(!install(&path, CONTENT, &mut manifest, &mut report).unwrap());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        assert_eq!(report.steps().len(), 1);
    }
}
