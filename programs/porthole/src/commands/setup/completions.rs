//! Completions of this program's commands, where shells find what no package brought.

use anyhow::Result;
use clap_complete::Shell;

use super::files::{Content, install};
use super::layout::Layout;
use super::manifest::Manifest;
use super::report::Report;
use crate::complete;

const FILES: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/porthole"),
    (Shell::Zsh, "zsh/site-functions/_porthole"),
    (Shell::Fish, "fish/vendor_completions.d/porthole.fish"),
];

/// Writes them.
pub(super) fn write(layout: &Layout, manifest: &mut Manifest, report: &mut Report) -> Result<()> {
    for (shell, path) in FILES {
        let script = complete::script(shell)?;
        let content = Content {
            bytes: &script,
            mode: 0o644,
        };
        install(&layout.share().join(path), content, manifest, report)?;
    }
    Ok(())
}
