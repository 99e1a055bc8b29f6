//! Undoing what setup did.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::configuration::Roots;
use super::layout::Layout;
use super::manifest::Manifest;
use super::report::Report;
use super::{accounts, context, files, running, service};

/// Does it; returns what to say at the end.
pub(super) fn remove(layout: &Layout, purge: bool, report: &mut Report) -> Result<Vec<String>> {
    let mut manifest = Manifest::load(&layout.manifest())?;
    let roots = Roots::load(layout, &service::arguments(layout)?)?;
    if let Some(running) = running::described(&roots.exec_root)? {
        bail!("{running}: stop them first, with 'porthole ps' and 'porthole stop'");
    }
    if manifest.is_empty() && !purge {
        return Ok(vec![
            "Nothing to undo: setup has done nothing here.".to_owned(),
        ]);
    }
    service::stop(layout, &mut manifest, report)?;
    let daemons = || running::end_daemons(&roots.exec_root);
    report.change("end the daemons", daemons)?;
    // Whoever starts containers, a policy or a client, could do so until now.
    if let Some(running) = running::described(&roots.exec_root)? {
        bail!(
            "{running}, started meanwhile. The daemons have ended and nothing is deleted: run \
             'porthole setup', stop the containers, and remove again"
        );
    }
    delete_all(layout, &roots, purge, &mut manifest, report)?;
    Ok(closing(&roots.data_root, report))
}

/// Takes away what setup made, now that nothing uses it.
fn delete_all(
    layout: &Layout,
    roots: &Roots,
    purge: bool,
    manifest: &mut Manifest,
    report: &mut Report,
) -> Result<()> {
    context::remove(manifest, report)?;
    let installed: Vec<PathBuf> = manifest.all_files().cloned().collect();
    for path in installed {
        files::uninstall(&path, manifest, report)?;
    }
    service::forget(report)?;
    accounts::remove_group(manifest, report)?;
    delete(&roots.exec_root, report)?;
    if purge {
        delete(&roots.data_root, report)?;
    }
    if report.is_dry() {
        return Ok(());
    }
    if manifest.is_empty() {
        manifest.delete()?;
    }
    files::remove_directories(manifest);
    if manifest.is_empty() {
        return Ok(());
    }
    report.kept(
        layout.manifest().display().to_string(),
        "it says what is left to undo",
    );
    manifest.save()
}

/// Deletes a root with all that is in it. One that is a mount point or a link is somebody's
/// arrangement: it stays, empty.
fn delete(root: &Path, report: &mut Report) -> Result<()> {
    if !root.exists() {
        return Ok(());
    }
    let failed = || format!("cannot delete {}", root.display());
    let mut arranged = root.is_symlink();
    let deleted = report.change(format!("delete {}", root.display()), || {
        porthole_files::empty_directory(root).with_context(failed)?;
        if !arranged {
            match fs::remove_dir(root) {
                Err(error) if error.kind() == ErrorKind::ResourceBusy => arranged = true,
                removed => removed.with_context(failed)?,
            }
        }
        Ok(())
    })?;
    if deleted && arranged {
        report.kept(root.display().to_string(), "empty: a mount point or a link");
    }
    Ok(())
}

fn closing(data_root: &Path, report: &Report) -> Vec<String> {
    if report.is_dry() {
        return vec!["Nothing was changed.".to_owned()];
    }
    // A mount point may be left, empty.
    if fs::read_dir(data_root).map_or(true, |mut entries| entries.next().is_none()) {
        return Vec::new();
    }
    vec![
        String::new(),
        format!(
            "Images and containers are left in {0}; 'rm -r {0}' deletes them too.",
            data_root.display()
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_behind_a_link_is_emptied() {
        let directory = tempfile::tempdir().unwrap();
        let (there, link) = (
            directory.path().join("there"),
            directory.path().join("link"),
        );
        fs::create_dir_all(there.join("layers")).unwrap();
        fs::write(there.join("layers/file"), "").unwrap();
        std::os::unix::fs::symlink(&there, &link).unwrap();
        let mut report = Report::new(false, true);
        delete(&link, &mut report).unwrap();
        assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
        assert!(closing(&link, &report).is_empty());
        fs::write(there.join("file"), "").unwrap();
        assert!(closing(&link, &report)[1].contains("rm -r"));
        delete(&there, &mut report).unwrap();
        assert!(!there.exists());
    }
}
