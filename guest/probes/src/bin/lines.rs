//! `lines COUNT MILLISECONDS [CODE]`: prints numbered lines with a pause after each, then exits.

use std::io::{self, Write as _};
use std::time::Duration;

fn main() -> io::Result<()> {
    let number = |place: usize| {
        std::env::args()
            .nth(place)
            .and_then(|text| text.parse().ok())
    };
    let count = number(1).unwrap_or(100);
    let pause = Duration::from_millis(number(2).unwrap_or(10));
    for line in 1..=count {
        // One write a line, so that a line is never torn by another writer.
        io::stdout().write_all(format!("{line}\n").as_bytes())?;
        io::stdout().flush()?;
        std::thread::sleep(pause);
    }
    let code = number(3)
        .and_then(|code| u32::try_from(code).ok())
        .unwrap_or(0);
    std::process::exit(code.cast_signed());
}
