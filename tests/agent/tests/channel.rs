//! A supervisor that dies, or that talks nonsense, ends the silo.

use anyhow::Result;
use porthole_agent_tests::{Silo, Wanted, unable};
use porthole_protocol::ControlEvent;
use porthole_protocol::agent::{Command, ProcessKey};

#[test]
fn the_end_of_the_channel_ends_everything() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let command_line = r"C:\probes\control-events.exe --ignore".to_owned();
    let mut process = silo.create(&Wanted {
        command_line,
        ..Wanted::default()
    })?;
    process.wait_for_output("ready")?;
    silo.hang_up()?;
    silo.wait_for_end()
}

#[test]
fn nonsense_ends_everything() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    for nonsense in [&[0xff; 64][..], &[3, 0, 0, 0, 1, 99, 0], &[0, 0, 0, 0]] {
        let mut silo = Silo::start("nanoserver")?;
        silo.send_raw(nonsense)?;
        silo.wait_for_end()?;
    }
    Ok(())
}

#[test]
fn a_process_that_is_not_there_is_said_so() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let process = ProcessKey(4711);
    for command in [
        Command::Signal {
            process,
            event: ControlEvent::CtrlC,
        },
        Command::Terminate {
            process,
            exit_code: 1,
        },
    ] {
        let refused = silo.ask(command)?.err();
        assert_eq!(refused.map(|error| error.code), Some(1168));
    }
    silo.done(Command::SignalAll(ControlEvent::CtrlC))
}
