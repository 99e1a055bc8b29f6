//! Setting up.

use anyhow::Result;

use super::accounts::{GROUP, callers};
use super::layout::Layout;
use super::manifest::Manifest;
use super::programs::{self, DAEMON};
use super::report::Report;
use super::{accounts, completions, configuration, context, service};

/// Does all of it; returns what to say at the end.
pub(super) fn install(
    layout: &Layout,
    in_place: bool,
    host: &str,
    report: &mut Report,
) -> Result<Vec<String>> {
    let source = programs::source()?;
    let mut manifest = Manifest::load(&layout.manifest())?;
    let (directory, changed) = if in_place {
        report.unchanged(format!("programs in {}", source.display()));
        (source.clone(), true)
    } else {
        let changed = programs::copy(&source, layout, &mut manifest, report)?;
        (layout.programs(), changed)
    };
    accounts::make_group(&mut manifest, report)?;
    let explains = source.join(DAEMON);
    configuration::write(&explains, layout, &mut manifest, report)?;
    completions::write(layout, &mut manifest, report)?;
    let daemon = directory.join(DAEMON);
    service::set_up(&daemon, changed, layout, &mut manifest, report)?;
    context::make(host, &mut manifest, report)?;
    next_steps(report)
}

fn next_steps(report: &Report) -> Result<Vec<String>> {
    if report.is_dry() {
        return Ok(vec!["Nothing was changed.".to_owned()]);
    }
    let mut lines = vec![String::new(), "Next:".to_owned()];
    if let Some(user) = callers()?.into_iter().find(|user| user.name != "root") {
        lines.push(format!(
            "  sudo usermod -aG {GROUP} {}    # lets this user in, who is then as good as root here; log in anew",
            user.name
        ));
    }
    lines.extend(
        [
            "  porthole doctor                   # does this machine have all that is needed?",
            "  porthole base build nanoserver    # once, a few minutes: the small base image",
            "  docker --context porthole run --rm porthole/nanoserver cmd /c ver",
        ]
        .map(str::to_owned),
    );
    Ok(lines)
}
