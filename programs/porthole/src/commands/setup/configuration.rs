//! The configuration file, as the daemon explains it; and what of it setup needs to know.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::files::{Content, install, read};
use super::layout::Layout;
use super::manifest::Manifest;
use super::report::Report;

/// Writes it, unless somebody has edited the one that is there.
pub(super) fn write(
    daemon: &Path,
    layout: &Layout,
    manifest: &mut Manifest,
    report: &mut Report,
) -> Result<()> {
    let path = layout.configuration();
    let explained = explained(daemon)?;
    if let Some(there) = read(&path)? {
        let is_ours = manifest.is_as_written(&path, &there);
        if there != explained && !is_ours {
            report.kept(
                path.display().to_string(),
                "it has been edited; 'portholed --print-config' shows the keys of this version",
            );
            return Ok(());
        }
    }
    let content = Content {
        bytes: &explained,
        mode: 0o644,
    };
    install(&path, content, manifest, report).map(drop)
}

fn explained(daemon: &Path) -> Result<Vec<u8>> {
    let output = Command::new(daemon)
        .arg("--print-config")
        .output()
        .with_context(|| format!("cannot run {}", daemon.display()))?;
    ensure!(
        output.status.success(),
        "{} --print-config failed: {}",
        daemon.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(output.stdout)
}

/// Where the daemon keeps things: the two keys that matter here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Roots {
    #[serde(default = "default_data_root")]
    pub(super) data_root: PathBuf,
    #[serde(default = "default_exec_root")]
    pub(super) exec_root: PathBuf,
}

fn default_data_root() -> PathBuf {
    "/var/lib/porthole".into()
}

fn default_exec_root() -> PathBuf {
    "/run/porthole".into()
}

impl Roots {
    /// What the configuration says, under the arguments of the daemon's service.
    pub(super) fn load(layout: &Layout, arguments: &[String]) -> Result<Self> {
        let path = option(arguments, "--config").unwrap_or_else(|| layout.configuration());
        let text = read(&path)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut roots: Self = toml::from_str(&text)
            .with_context(|| format!("cannot understand {}", path.display()))?;
        if let Some(data_root) = option(arguments, "--data-root") {
            roots.data_root = data_root;
        }
        if let Some(exec_root) = option(arguments, "--exec-root") {
            roots.exec_root = exec_root;
        }
        Ok(roots)
    }
}

/// The path that follows an option, or is joined to it.
fn option(arguments: &[String], name: &str) -> Option<PathBuf> {
    let position = arguments
        .iter()
        .position(|argument| argument.split('=').next() == Some(name))?;
    match arguments[position].split_once('=') {
        Some((_, path)) => Some(path.into()),
        None => arguments.get(position + 1).map(PathBuf::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn an_edited_file_is_kept_and_an_old_one_replaced() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::below(root.path());
        let daemon = root.path().join("portholed");
        let says = |text: &str| {
            fs::write(&daemon, format!("#!/bin/sh\necho '{text}'\n")).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&daemon, mode).unwrap();
        };
        let mut manifest = Manifest::load(&layout.manifest()).unwrap();
        let mut report = Report::new(false, true);
        let mut content = || {
            write(&daemon, &layout, &mut manifest, &mut report).unwrap();
            fs::read_to_string(layout.configuration()).unwrap()
        };
        says("# one");
        assert_eq!(content(), "# one\n");
        says("# two");
        assert_eq!(content(), "# two\n");
        fs::write(layout.configuration(), "exec-root = '/elsewhere'").unwrap();
        assert_eq!(content(), "exec-root = '/elsewhere'");
        let roots = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|&word| word.into()).collect();
            let roots = Roots::load(&layout, &arguments).unwrap();
            [roots.exec_root, roots.data_root].map(|root| root.display().to_string())
        };
        assert_eq!(roots(&[]), ["/elsewhere", "/var/lib/porthole"]);
        let given = ["portholed", "--exec-root", "/given", "--data-root=/d"];
        assert_eq!(roots(&given), ["/given", "/d"]);
        let none = root.path().join("none").display().to_string();
        assert_eq!(roots(&["portholed", "--config", &none])[0], "/run/porthole");
    }
}
