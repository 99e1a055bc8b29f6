//! The shortest way through the agent.

use porthole_agent_tests::{Silo, unable};

#[test]
fn a_program_runs_and_its_output_and_exit_code_arrive() {
    if let Some(reason) = unable() {
        println!("skipped: {reason}");
        return;
    }
    let mut silo = Silo::start("nanoserver").unwrap();
    let left = silo.run("cmd /c echo hi").unwrap();
    assert_eq!(left.stdout, "hi\r\n");
    assert_eq!(left.exit_code, 0);
    assert_eq!(silo.run("cmd /c exit 7").unwrap().exit_code, 7);
}
