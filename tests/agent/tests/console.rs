//! Programs with a console of their own.

use std::time::Duration;

use anyhow::Result;
use porthole_agent_tests::{Process, Silo, Wanted, unable};
use porthole_protocol::ConsoleSize;
use porthole_protocol::agent::Command;

const SIZE: ConsoleSize = ConsoleSize {
    height: 30,
    width: 100,
};

fn console(silo: &mut Silo, command_line: &str) -> Result<Process> {
    let command_line = command_line.to_owned();
    silo.create(&Wanted {
        command_line,
        console: Some(SIZE),
        ..Wanted::default()
    })
}

#[test]
fn a_console_has_its_size_and_follows_a_resize() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let mut process = console(&mut silo, r"C:\probes\console-size.exe --watch")?;
    process.wait_for_output("100x30")?;
    for (width, height) in [(132, 40), (60, 20), (80, 50)] {
        let size = ConsoleSize { height, width };
        silo.done(Command::Resize {
            process: process.key,
            size,
        })?;
        process.wait_for_output(&format!("{width}x{height}"))?;
    }
    silo.done(Command::Terminate {
        process: process.key,
        exit_code: 1,
    })?;
    silo.wait(process)?;
    Ok(())
}

#[test]
fn an_interactive_shell_edits_its_line_and_ends_its_screen_without_doubled_returns() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let mut process = console(&mut silo, "cmd")?;
    process.wait_for_output(">")?;
    process.write(b"echo ab\x7fcd\r")?;
    process.wait_for_output("acd")?;
    process.write("echo grüße 你好\r".as_bytes())?;
    process.wait_for_output("你好")?;
    process.write(b"exit 5\r")?;
    let left = silo.wait(process)?;
    assert_eq!(left.exit_code, 5);
    assert!(!left.stdout.contains("\r\r\n"), "{:?}", left.stdout);
    Ok(())
}

#[test]
fn a_control_c_key_reaches_the_program() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let mut process = console(&mut silo, r"C:\probes\control-events.exe")?;
    process.wait_for_output("ready")?;
    std::thread::sleep(Duration::from_millis(50));
    process.write(b"\x03")?;
    let left = silo.wait(process)?;
    assert_eq!(left.exit_code, 100, "{:?}", left.stdout);
    Ok(())
}

#[test]
fn a_program_with_pipes_has_nothing_to_resize() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let command_line = r"C:\probes\cat.exe".to_owned();
    let process = silo.create(&Wanted {
        command_line,
        ..Wanted::default()
    })?;
    let refused = silo
        .ask(Command::Resize {
            process: process.key,
            size: SIZE,
        })?
        .err();
    assert_eq!(refused.map(|error| error.code), Some(50));
    Ok(())
}
