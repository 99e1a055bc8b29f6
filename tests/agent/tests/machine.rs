//! What the agent is for all programs: the silo's mount manager, hidden consoles, registry.

use anyhow::Result;
use porthole_agent_tests::{Silo, unable};

#[test]
fn the_drive_has_a_volume_without_any_service() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let listing = silo.run(r"cmd /c dir C:\")?;
    assert_eq!(listing.exit_code, 0, "{listing:?}");
    assert!(listing.stdout.contains("Windows"), "{listing:?}");
    let drives = silo.run(r"C:\probes\drives.exe")?;
    assert_eq!(
        drives.stdout,
        "C:\\ fixed NTFS\nQueryDosDevice C: \\Device\\HarddiskVolume1\n"
    );
    Ok(())
}

#[test]
fn a_program_with_pipes_has_a_console_that_nobody_sees() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let left = silo.run(r"C:\probes\hidden-console.exe")?;
    assert_eq!(
        left.stdout,
        "code pages 65001 65001\nscreen 80x25\nwritten 5\ntitle Ship\n"
    );
    Ok(())
}

#[test]
fn the_computer_has_its_name_and_processors() -> Result<()> {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let key = r"HKLM\System\CurrentControlSet\Control\ComputerName\ActiveComputerName";
    let name = silo.run(&format!("reg query {key} /v ComputerName"))?;
    assert!(name.stdout.contains("SILO-1"), "{name:?}");
    let key = r"HKLM\Hardware\Description\System\CentralProcessor\1";
    let processor = silo.run(&format!("reg query {key} /v ProcessorNameString"))?;
    assert!(processor.stdout.contains("REG_SZ"), "{processor:?}");
    Ok(())
}

#[test]
fn the_service_control_manager_starts_with_the_first_question_and_again_after_its_end() -> Result<()>
{
    const RPC_S_SERVER_UNAVAILABLE: u32 = 1722;
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut silo = Silo::start("nanoserver")?;
    let list = |silo: &mut Silo| Ok::<_, anyhow::Error>(silo.run("tasklist")?.stdout);
    assert!(!list(&mut silo)?.contains("services.exe"));
    for _ in 0..2 {
        // The first question goes through the agent, which takes a moment to be there again, the
        // second to the manager itself.
        let mut query = || silo.run("sc query type= all state= all");
        let mut first = query()?;
        for _ in 0..20 {
            if first.exit_code != RPC_S_SERVER_UNAVAILABLE {
                break;
            }
            first = query()?;
        }
        for queried in [first, query()?] {
            assert_eq!(queried.exit_code, 0, "{queried:?}");
            assert!(
                queried.stdout.contains("SERVICE_NAME: RpcSs"),
                "{queried:?}"
            );
        }
        assert!(list(&mut silo)?.contains("services.exe"));
        let killed = silo.run("taskkill /f /im services.exe")?;
        assert_eq!(killed.exit_code, 0, "{killed:?}");
    }
    Ok(())
}
