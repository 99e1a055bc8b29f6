//! Staying with a container's program: `run`, `attach`, `start --attach`.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::container::AttachContainerResults;
use bollard::query_parameters::AttachContainerOptionsBuilder;

use super::process;
use crate::arguments::options::Streams;
use crate::output::remark;
use crate::terminal::detach_keys::DetachKeys;
use crate::terminal::raw::{self, ChangedMode};
use crate::terminal::session::{self, End};
use crate::terminal::signals::{self, Console};
use crate::wait::{self, Until, Waiting};

/// How to stay with a program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner<'a> {
    /// The streams.
    pub(super) streams: Streams,
    /// Whether the program has a console.
    pub(super) tty: bool,
    /// Whether signals to this process go on to the program.
    pub(super) sig_proxy: bool,
    /// The keys that leave the console.
    pub(super) detach_keys: Option<&'a str>,
    /// The end that is waited for.
    pub(super) until: Until,
}

/// A program that is attached to, and whose end is waited for.
pub(super) struct Attached<'a> {
    client: &'a Docker,
    id: &'a str,
    manner: Manner<'a>,
    keys: DetachKeys,
    streams: AttachContainerResults,
    waiting: Waiting,
}

impl Manner<'_> {
    /// Whether the user works in the program's console from here.
    const fn works_in_console(&self) -> bool {
        self.tty && self.streams.stdin
    }

    /// Refuses what cannot be, before anything is made that a failure would leave.
    pub(super) fn check(&self) -> Result<DetachKeys> {
        if self.works_in_console() {
            raw::require()?;
        }
        DetachKeys::parse(self.detach_keys)
    }

    /// Raw mode, where a console is to be worked in from here.
    fn raw_mode(&self) -> Result<Option<ChangedMode>> {
        self.works_in_console().then(ChangedMode::raw).transpose()
    }
}

impl<'a> Attached<'a> {
    /// Attaches, and begins to wait: only then the program may start, for it may end at once.
    pub(super) async fn begin(
        client: &'a Docker,
        host: &str,
        id: &'a str,
        manner: Manner<'a>,
    ) -> Result<Self> {
        let keys = manner.check()?;
        let mut attach = AttachContainerOptionsBuilder::default()
            .stdin(manner.streams.stdin)
            .stdout(manner.streams.stdout)
            .stderr(manner.streams.stderr)
            .stream(true);
        if let Some(keys) = manner.detach_keys {
            attach = attach.detach_keys(keys);
        }
        let streams = client.attach_container(id, Some(attach.build())).await?;
        let waiting = wait::begin(host, id, manner.until).await?;
        Ok(Self {
            client,
            id,
            manner,
            keys,
            streams,
            waiting,
        })
    }

    /// Stays until the program ends, or the user leaves it. `start` brings it up, where it does not
    /// run.
    pub(super) async fn follow(self, start: impl Future<Output = Result<()>>) -> Result<ExitCode> {
        let manner = self.manner;
        let raw = manner.raw_mode()?;
        start.await?;
        let signals = manner
            .sig_proxy
            .then(|| signals::pass_on(self.client.clone(), self.id.to_owned()))
            .transpose()?;
        let console = Console::Container(self.id.to_owned());
        let size = manner
            .tty
            .then(|| signals::follow_size(self.client.clone(), console))
            .transpose()?;
        let AttachContainerResults { output, input } = self.streams;
        let keys = manner.tty.then_some(self.keys);
        let end = session::run(output, input, manner.streams.stdin, keys).await;
        for task in [signals, size].into_iter().flatten() {
            task.abort();
        }
        drop(raw);
        if end? == End::Detached {
            return Ok(ExitCode::SUCCESS);
        }
        let exit = self.waiting.end().await?;
        if let Some(error) = exit.error {
            remark!("porthole: {error}");
        }
        Ok(process::exit_code(exit.code))
    }
}
