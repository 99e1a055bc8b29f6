//! The terminal's mode and size.

use std::io::{IsTerminal, Stdin};

use anyhow::{Context, Result, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// A terminal in another mode than before. Dropping it restores that.
#[derive(Debug)]
pub(crate) struct ChangedMode {
    terminal: Stdin,
    before: Termios,
}

impl ChangedMode {
    /// Puts standard input's terminal into raw mode: every key goes to the program.
    pub(crate) fn raw() -> Result<Self> {
        require()?;
        Self::enter(OptionalActions::Now, Termios::make_raw)
    }

    /// Has standard input's terminal show nothing of what is typed from now on.
    pub(crate) fn silent() -> Result<Self> {
        Self::enter(OptionalActions::Flush, |mode| {
            mode.local_modes.remove(LocalModes::ECHO);
        })
    }

    fn enter(action: OptionalActions, change: impl FnOnce(&mut Termios)) -> Result<Self> {
        let terminal = std::io::stdin();
        let before = tcgetattr(&terminal).context("cannot read the terminal's mode")?;
        let mut changed = before.clone();
        change(&mut changed);
        tcsetattr(&terminal, action, &changed).context("cannot set the terminal's mode")?;
        Ok(Self { terminal, before })
    }
}

impl Drop for ChangedMode {
    fn drop(&mut self) {
        // Nothing better is left to do when the terminal has gone away.
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.before);
    }
}

/// Asks for a terminal on standard input, before anything is made that a failure would leave.
pub(crate) fn require() -> Result<()> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    bail!("the input device is not a terminal: leave out -t, or run this in one")
}

/// Height and width of the terminal on standard output; none without one.
pub(crate) fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}
