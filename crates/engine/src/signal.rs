//! Signals: Linux' names and numbers, and what they mean to a Windows container.

use porthole_hcs::ProcessSignal;

use crate::error::{Error, Result};

/// Names without `SIG`, with Linux' numbers, which are those that clients send.
const SIGNALS: &[(&str, u8)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
    // Windows' own, which the C run-time numbers 21.
    ("BREAK", 21),
];

/// A signal as a client names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal {
    number: u8,
    delivery: Delivery,
}

/// What a signal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Terminates the container.
    Terminate,
    /// A console control event for the main process.
    Console(ProcessSignal),
    /// The shutdown event for every process.
    Shutdown,
}

impl Signal {
    /// `SIGKILL`.
    pub(crate) const KILL: Self = Self {
        number: 9,
        delivery: Delivery::Terminate,
    };
    /// `SIGTERM`.
    pub(crate) const TERM: Self = Self {
        number: 15,
        delivery: Delivery::Shutdown,
    };

    /// Reads a name, with or without `SIG`, in any case, or a number.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let refused = || Error::invalid(format!("invalid signal: {text}"));
        let upper = text.trim().to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let (name, number) = SIGNALS
            .iter()
            .find(|(known, number)| *known == name || number.to_string() == name)
            .copied()
            .ok_or_else(refused)?;
        let delivery = match name {
            "KILL" => Delivery::Terminate,
            "INT" => Delivery::Console(ProcessSignal::CtrlC),
            "QUIT" | "BREAK" => Delivery::Console(ProcessSignal::CtrlBreak),
            _ => Delivery::Shutdown,
        };
        Ok(Self { number, delivery })
    }

    /// Linux' number, as events show it.
    pub(crate) const fn number(self) -> u8 {
        self.number
    }

    /// What it does.
    pub(crate) const fn delivery(self) -> Delivery {
        self.delivery
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read_in_any_spelling() {
        for text in ["SIGKILL", "kill", "9"] {
            assert_eq!(Signal::parse(text).unwrap(), Signal::KILL);
        }
        assert_eq!(Signal::parse("Term").unwrap(), Signal::TERM);
    }

    #[test]
    fn each_signal_has_its_windows_meaning() {
        let delivery = |text| Signal::parse(text).unwrap().delivery();
        assert_eq!(delivery("SIGINT"), Delivery::Console(ProcessSignal::CtrlC));
        assert_eq!(
            delivery("SIGQUIT"),
            Delivery::Console(ProcessSignal::CtrlBreak)
        );
        assert_eq!(
            delivery("SIGBREAK"),
            Delivery::Console(ProcessSignal::CtrlBreak)
        );
        assert_eq!(delivery("SIGTERM"), Delivery::Shutdown);
        assert_eq!(delivery("SIGHUP"), Delivery::Shutdown);
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in ["", "0", "99", "SIGBOOM", "-1"] {
            let error = Signal::parse(text).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid signal: {text}"));
        }
    }
}
