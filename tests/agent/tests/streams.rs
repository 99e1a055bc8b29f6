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

#[test]
fn nothing_is_lost_at_the_end_of_a_flood() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let left = silo.run(r"C:\probes\flood.exe stdout 20")?;
    assert_eq!((left.exit_code, left.stdout.len()), (0, 20 << 20));
    let left = silo.run(r"cmd /c echo out& echo err>&2")?;
    assert_eq!(
        (left.stdout.as_str(), left.stderr.as_str()),
        ("out\r\n", "err\r\n")
    );
    Ok(())
}

#[test]
fn a_program_that_closes_its_input_does_not_stop_the_writer() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let command_line = r"C:\probes\exit.exe 3".to_owned();
    let mut process = silo.create(&Wanted {
        command_line,
        ..Wanted::default()
    })?;
    let refused = (0..1000).any(|_| process.write(&[b'x'; 4096]).is_err());
    assert!(refused, "a megabyte went nowhere");
    assert_eq!(silo.wait(process)?.exit_code, 3);
    Ok(())
}

#[test]
fn the_end_is_told_though_nobody_reads_the_output() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    // More than a FIFO holds, less than FIFO and pipe do together.
    let command_line = r"C:\probes\flood.exe stdout 128K".to_owned();
    let process = silo.create(&Wanted {
        command_line,
        unread: true,
        ..Wanted::default()
    })?;
    silo.wait_for_end_of(process.key)?;
    process.read();
    let left = silo.wait(process)?;
    assert_eq!((left.exit_code, left.stdout.len()), (0, 128 << 10));
    Ok(())
}
