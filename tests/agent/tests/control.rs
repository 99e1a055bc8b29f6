//! Console control events.

use anyhow::{Context as _, Result};
use porthole_agent_tests::{Process, Silo, Wanted, unable};
use porthole_protocol::ControlEvent;
use porthole_protocol::agent::Command;

fn probe(silo: &mut Silo, arguments: &str) -> Result<Process> {
    ready(silo, format!(r"C:\probes\control-events.exe {arguments}"))
}

/// A process that has said that it is ready.
fn ready(silo: &mut Silo, command_line: String) -> Result<Process> {
    let mut process = silo.create(&Wanted {
        command_line,
        ..Wanted::default()
    })?;
    process
        .wait_for_output("ready")
        .context("the program's first word")?;
    Ok(process)
}

#[test]
fn every_event_runs_the_programs_handler() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    for (event, name, code) in [
        (ControlEvent::CtrlC, "CTRL_C_EVENT", 100),
        (ControlEvent::CtrlBreak, "CTRL_BREAK_EVENT", 101),
        (ControlEvent::CtrlClose, "CTRL_CLOSE_EVENT", 102),
        (ControlEvent::CtrlLogOff, "CTRL_LOGOFF_EVENT", 105),
        (ControlEvent::CtrlShutdown, "CTRL_SHUTDOWN_EVENT", 106),
    ] {
        let process = probe(&mut silo, "")?;
        silo.done(Command::Signal {
            process: process.key,
            event,
        })?;
        let left = silo.wait(process)?;
        assert!(left.stdout.contains(name), "{event:?}: {left:?}");
        assert_eq!(left.exit_code, code);
    }
    Ok(())
}

#[test]
fn events_reach_descendants_and_terminate_ends_what_ignores_them() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let process = ready(&mut silo, r"cmd /c C:\probes\control-events.exe".to_owned())?;
    silo.done(Command::Signal {
        process: process.key,
        event: ControlEvent::CtrlC,
    })?;
    assert!(silo.wait(process)?.stdout.contains("CTRL_C_EVENT"));

    let process = probe(&mut silo, "--ignore")?;
    silo.done(Command::SignalAll(ControlEvent::CtrlShutdown))?;
    silo.done(Command::Terminate {
        process: process.key,
        exit_code: 0xc000_013a,
    })?;
    assert_eq!(silo.wait(process)?.exit_code, 0xc000_013a);
    Ok(())
}

/// Every event to a shell, which has no handler of its own; the exit codes.
fn unhandled(silo: &mut Silo, shell: &str) -> Result<Vec<u32>> {
    let events = [
        ControlEvent::CtrlC,
        ControlEvent::CtrlBreak,
        ControlEvent::CtrlClose,
        ControlEvent::CtrlShutdown,
    ];
    let mut code = |event| {
        let process = ready(silo, format!("{shell} /c echo ready& pause"))?;
        silo.done(Command::Signal {
            process: process.key,
            event,
        })?;
        Ok(silo.wait(process)?.exit_code)
    };
    events.into_iter().map(&mut code).collect()
}

#[test]
fn an_event_without_a_handler_ends_the_program_with_its_status() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    assert_eq!(unhandled(&mut silo, "cmd")?, [0xc000_013a; 4]);
    Ok(())
}

#[test]
fn events_reach_programs_of_32_bits() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("servercore")?;
    let shell = r"C:\Windows\SysWOW64\cmd.exe";
    assert_eq!(unhandled(&mut silo, shell)?, [0xc000_013a; 4]);
    Ok(())
}
