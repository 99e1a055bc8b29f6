//! Undoing what setup did.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::configuration::Roots;
use super::layout::Layout;
use super::manifest::Manifest;
use super::report::Report;
use super::{accounts, context, files, running, service};

/// Does it; returns what to say at the end.
pub(super) fn remove(layout: &Layout, purge: bool, report: &mut Report) -> Result<Vec<String>> {
    let mut manifest = Manifest::load(&layout.manifest())?;
    let roots = Roots::load(layout)?;
    let running = running::containers(&roots.exec_root)?;
    ensure!(
        running == 0,
        "{running} container{} run{}: stop them first, with 'porthole ps' and 'porthole stop'",
        if running == 1 { "" } else { "s" },
        if running == 1 { "s" } else { "" },
    );
    if manifest.is_empty() && !purge {
        return Ok(vec![
            "Nothing to undo: setup has done nothing here.".to_owned(),
        ]);
    }
    service::stop(&mut manifest, report)?;
    let daemons = || running::end_daemons(&roots.exec_root);
    report.change("end the daemons", daemons)?;
    context::remove(&mut manifest, report)?;
    let installed: Vec<PathBuf> = manifest.files.keys().cloned().collect();
    for path in installed {
        files::uninstall(&path, &mut manifest, report)?;
    }
    service::forget(report)?;
    accounts::remove_group(&mut manifest, report)?;
    delete(&roots.exec_root, report)?;
    if purge {
        delete(&roots.data_root, report)?;
    }
    if !report.is_dry() {
        manifest.delete()?;
        files::remove_directories(&mut manifest);
    }
    Ok(closing(&roots.data_root, report))
}

fn delete(root: &Path, report: &mut Report) -> Result<()> {
    if !root.exists() {
        return Ok(());
    }
    let what = format!("delete {}", root.display());
    report
        .change(what, || {
            porthole_files::delete_tree(root)
                .with_context(|| format!("cannot delete {}", root.display()))
        })
        .map(drop)
}

fn closing(data_root: &Path, report: &Report) -> Vec<String> {
    if report.is_dry() {
        return vec!["Nothing was changed.".to_owned()];
    }
    if !data_root.exists() {
        return Vec::new();
    }
    vec![
        String::new(),
        format!(
            "Images and containers are left in {}; 'porthole setup --remove --purge' deletes them too.",
            data_root.display()
        ),
    ]
}
