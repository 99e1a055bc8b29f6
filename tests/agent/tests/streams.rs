//! Standard streams through pipes.

use anyhow::Result;
use porthole_agent_tests::{Silo, Wanted, unable};

#[test]
fn input_reaches_the_program_and_its_end_does_too() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let command_line = r"C:\probes\cat.exe".to_owned();
    let mut process = silo.create(&Wanted {
        command_line,
        ..Wanted::default()
    })?;
    process.write(b"first\n")?;
    process.wait_for_output("first\n")?;
    process.write(b"second\n")?;
    process.wait_for_output("second\n")?;
    process.stdin = None;
    let left = silo.wait(process)?;
    assert_eq!(
        (left.exit_code, left.stdout.as_str()),
        (0, "first\nsecond\n")
    );
    Ok(())
}
