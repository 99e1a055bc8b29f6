//! Processes: what they are started with, what is said when they are not, how they end.

use anyhow::{Context as _, Result};
use porthole_agent_tests::{Silo, Wanted, unable};
use porthole_protocol::WindowsError;
use porthole_protocol::agent::{Command, Reply};

#[test]
fn exit_codes_keep_their_32_bits() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    for code in [0, 7, 256, 0xc000_013a, 0xffff_ffff] {
        assert_eq!(
            silo.run(&format!(r"C:\probes\exit.exe {code}"))?.exit_code,
            code
        );
    }
    assert_eq!(silo.run("cmd /c exit -1073741510")?.exit_code, 0xc000_013a);
    Ok(())
}

#[test]
fn arguments_environment_and_directory_arrive_as_asked() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let process = silo.create(&Wanted {
        command_line: r#"C:\probes\dump.exe "a b" "ü 你" "" last"#.to_owned(),
        environment: vec![
            variable("first", "1"),
            variable("FIRST", "2"),
            variable("Grüße", "你好"),
            variable("EMPTY", ""),
            variable("temp", r"C:\elsewhere"),
            variable("bad=name", "x"),
        ],
        directory: r"C:\Windows".to_owned(),
        user: "ContainerUser".to_owned(),
        ..Wanted::default()
    })?;
    let said = silo.wait(process)?.stdout;
    for line in [
        "arg 1 a b\n",
        "arg 2 ü 你\n",
        "arg 3 \n",
        "arg 4 last\n",
        "env FIRST=2\n",
        "env Grüße=你好\n",
        "env EMPTY=\n",
        "env temp=C:\\elsewhere\n",
        "env USERNAME=ContainerUser\n",
        "env USERPROFILE=C:\\Users\\ContainerUser\n",
        "env COMPUTERNAME=SILO-1\n",
        "env NUMBER_OF_PROCESSORS=2\n",
        "cwd C:\\Windows\n",
    ] {
        assert!(said.contains(line), "no {line:?} in {said}");
    }
    assert!(
        !said.contains("env first=") && !said.contains("bad=name"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_program_is_looked_up_by_its_own_path_and_directory() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let mut code = |path: &str, directory: &str| -> Result<u32> {
        let process = silo.create(&Wanted {
            command_line: "exit 9".to_owned(),
            environment: vec![("Path".to_owned(), path.to_owned())],
            directory: directory.to_owned(),
            ..Wanted::default()
        })?;
        silo.exit_code(process.key)
    };
    assert_eq!(code(r"C:\Windows\System32;C:\probes", r"C:\")?, 9);
    assert_eq!(code(r"C:\Windows\System32", r"C:\probes")?, 9);
    assert!(code(r"C:\Windows\System32", r"C:\").is_err());
    Ok(())
}

#[test]
fn refusals_are_in_windows_own_words() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    silo.run(r"cmd /c echo text>C:\text.exe")?;
    let mut refusal = |command_line: &str, directory: &str| -> Result<WindowsError> {
        let wanted = Wanted {
            command_line: command_line.to_owned(),
            directory: directory.to_owned(),
            ..Wanted::default()
        };
        let error = silo.create(&wanted).err().context("it started")?;
        error
            .downcast::<WindowsError>()
            .map_err(|error| error.context("not Windows' refusal"))
    };
    let missing = refusal("no-such-program.exe", "")?;
    assert_eq!(
        (missing.code, missing.operation.as_str()),
        (2, "CreateProcess")
    );
    assert_eq!(
        missing.message,
        "The system cannot find the file specified."
    );
    let directory = refusal("cmd", r"C:\no such directory")?;
    assert_eq!(directory.code, 267);
    assert_eq!(directory.message, "The directory name is invalid.");
    let no_program = refusal(r"C:\text.exe", "")?;
    assert_eq!(no_program.code, 193);
    Ok(())
}

#[test]
fn the_list_of_processes_has_names_times_and_memory() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let command_line = r"C:\probes\flood.exe memory 20".to_owned();
    let mut process = silo.create(&Wanted {
        command_line,
        ..Wanted::default()
    })?;
    process.wait_for_output("holding")?;
    let Reply::Processes(list) = silo.ask(Command::ListProcesses)?? else {
        anyhow::bail!("unexpected reply");
    };
    let listed = list
        .iter()
        .find(|entry| entry.pid == process.pid)
        .context("not listed")?;
    assert_eq!(listed.image_name, "flood.exe");
    assert!(
        (20 << 20..40 << 20).contains(&listed.private_working_set),
        "{listed:?}"
    );
    assert!(listed.create_time > 132_000_000_000_000_000, "{listed:?}");
    assert!(list.iter().any(|entry| entry.image_name == "cexecsvc.exe"));
    Ok(())
}

#[test]
fn a_descendant_that_keeps_the_output_does_not_delay_the_end() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let command_line = r"cmd /c echo begun& start /b C:\probes\lines.exe 40 50".to_owned();
    let process = silo.create(&Wanted {
        command_line,
        ..Wanted::default()
    })?;
    let key = process.key;
    assert_eq!(silo.exit_code(key)?, 0);
    let seen = process.output();
    assert!(seen.contains("begun") && !seen.contains("40\n"), "{seen}");
    silo.done(Command::Terminate {
        process: key,
        exit_code: 1,
    })?;
    Ok(())
}

#[test]
fn a_descendant_that_writes_for_ever_does_not_delay_the_end() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let command_line = r"cmd /c start /b C:\probes\flood.exe stdout 1000000".to_owned();
    let process = silo.create(&Wanted {
        command_line,
        ..Wanted::default()
    })?;
    assert_eq!(silo.exit_code(process.key)?, 0);
    silo.done(Command::Terminate {
        process: process.key,
        exit_code: 1,
    })?;
    Ok(())
}
