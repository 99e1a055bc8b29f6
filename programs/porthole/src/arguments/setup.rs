//! `porthole setup`.

use clap::Args;

/// Install Porthole on this machine, or take it away again. Needs root.
///
/// Makes: the programs in /usr/local/bin, the group `porthole`, /etc/porthole/porthole.toml with
/// every key explained, the systemd service `portholed` (enabled and started), the docker context
/// `porthole`, and shell completions. What is there already stays as it is, so it can be run again
/// at any time, also to upgrade; containers run on. Docker's own socket and the current docker
/// context are never touched.
///
/// Exit codes: 0 all is done; 1 something failed; 3 all is done but the service, for this machine
/// has no systemd.
#[derive(Debug, Args)]
pub(crate) struct Setup {
    /// Undo what setup did; images and containers stay in /var/lib/porthole.
    #[arg(long)]
    pub(crate) remove: bool,
    /// With --remove: delete images and containers too.
    #[arg(long, requires = "remove")]
    pub(crate) purge: bool,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Leave the programs where they are rather than copying them to /usr/local/bin, as for a
    /// build that is being worked on.
    #[arg(long, conflicts_with = "remove")]
    pub(crate) in_place: bool,
}
