//! Silos of the real kernel, with a busybox as their programs: what is seen inside, and what is
//! left outside.
//!
//! Needs root and a static busybox; prints `skipped: reason` otherwise.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod cases;
mod fixture;
mod memory;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(reason) = fixture::reason_to_skip() {
        println!("skipped: {reason}");
        return ExitCode::SUCCESS;
    }
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let mut failed = 0;
    for (name, case) in cases::ALL.into_iter().chain(memory::ALL) {
        if wanted
            .as_ref()
            .is_some_and(|wanted| !name.contains(wanted.as_str()))
        {
            continue;
        }
        let result = std::panic::catch_unwind(case);
        println!(
            "test {name} ... {}",
            if result.is_ok() { "ok" } else { "FAILED" }
        );
        failed += usize::from(result.is_err());
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
