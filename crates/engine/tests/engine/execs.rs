//! Further processes in running containers.

use crate::support::{World, eventually, read_to_end, within};
use futures::FutureExt;
use porthole_compute_service::fake::Program;
use porthole_engine::ErrorKind;
use porthole_engine::attachment::StreamKind;
use porthole_engine::container::stop::StopContainer;
use porthole_engine::exec::record::{CreateExec, ExecPhase, StartExec};

fn exec(cmd: &[&str]) -> CreateExec {
    CreateExec {
        cmd: cmd.iter().map(|word| (*word).to_owned()).collect(),
        attach_stdout: true,
        attach_stderr: true,
        ..CreateExec::default()
    }
}

async fn running(world: &World) {
    world.create("c1", &["ping", "-t", "x"]).await;
    world.start("c1").await.unwrap();
}

#[tokio::test]
async fn an_exec_runs_and_its_exit_code_is_known_when_its_output_ends() {
    let world = World::new().await;
    running(&world).await;
    world
        .script
        .program("probe.exe", Program::new().print("hi").exit(42));
    let id = within(world.engine.create_exec("c1", exec(&["probe.exe"])))
        .await
        .unwrap();
    let attachment = within(world.engine.start_exec(&id, StartExec::default()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read_to_end(attachment, StreamKind::Stdout).await, "hi");
    let (exec, container) = world.engine.inspect_exec(&id).unwrap();
    assert_eq!(exec.exit_code(), Some(42));
    assert_eq!(container.name, "c1");
    eventually_events(&world, "container exec_die").await;
    let events = world.events(&["exitCode"]).await;
    assert_eq!(
        events[3..],
        [
            "container exec_create: probe.exe",
            "container exec_start: probe.exe",
            "container exec_die exitCode=42"
        ]
    );
}

async fn eventually_events(world: &World, beginning: &str) {
    while !world
        .events(&[])
        .await
        .iter()
        .any(|event| event.starts_with(beginning))
    {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn input_reaches_an_exec() {
    let world = World::new().await;
    running(&world).await;
    let request = CreateExec {
        attach_stdin: true,
        ..exec(&["cmd", "/c", "sort"])
    };
    let id = within(world.engine.create_exec("c1", request))
        .await
        .unwrap();
    let mut attachment = within(world.engine.start_exec(&id, StartExec::default()))
        .await
        .unwrap()
        .unwrap();
    let mut input = attachment.input.take().unwrap();
    within(input.write(b"x".to_vec())).await.unwrap();
    within(input.close()).await.unwrap();
    assert_eq!(read_to_end(attachment, StreamKind::Stdout).await, "x");
}

#[tokio::test]
async fn a_detached_exec_gives_no_streams() {
    let world = World::new().await;
    running(&world).await;
    let id = within(
        world
            .engine
            .create_exec("c1", exec(&["cmd", "/c", "exit", "3"])),
    )
    .await
    .unwrap();
    let detached = StartExec {
        detach: true,
        ..StartExec::default()
    };
    assert!(
        within(world.engine.start_exec(&id, detached))
            .await
            .unwrap()
            .is_none()
    );
    eventually(|| world.engine.inspect_exec(&id).unwrap().0.exit_code() == Some(3)).await;
}

#[tokio::test]
async fn an_exec_starts_once() {
    let world = World::new().await;
    running(&world).await;
    let id = within(world.engine.create_exec("c1", exec(&["ping", "-t", "x"])))
        .await
        .unwrap();
    let started = within(world.engine.start_exec(&id, StartExec::default()))
        .await
        .unwrap();
    let error = within(world.engine.start_exec(&id, StartExec::default()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(
        error.to_string(),
        format!("exec command {id} is already running")
    );
    drop(started);
}

#[tokio::test]
async fn a_missing_program_has_exit_code_127() {
    let world = World::new().await;
    running(&world).await;
    let id = within(world.engine.create_exec("c1", exec(&["nothing.exe"])))
        .await
        .unwrap();
    let error = within(world.engine.start_exec(&id, StartExec::default()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert!(
        error
            .to_string()
            .contains("The system cannot find the file specified."),
        "{error}"
    );
    assert_eq!(
        world.engine.inspect_exec(&id).unwrap().0.exit_code(),
        Some(127)
    );
}

#[tokio::test]
async fn a_start_that_meets_the_containers_end_is_over() {
    let world = World::new().await;
    let container = world.create("c1", &["ping", "-t", "x"]).await;
    world.start("c1").await.unwrap();
    let id = within(world.engine.create_exec("c1", exec(&["ping", "-t", "x"])))
        .await
        .unwrap();
    let start = world.engine.start_exec(&id, StartExec::default());
    tokio::pin!(start);
    // It is on its way when the silo dies under it.
    assert!((&mut start).now_or_never().is_none());
    eventually(|| world.engine.inspect_exec(&id).unwrap().0.phase != ExecPhase::Created).await;
    world.script.kill_supervisor(&container);
    // Whether it got as far as running is the scheduler's choice; that it ends is not.
    drop(within(start).await);
    eventually(|| {
        let (exec, _) = world.engine.inspect_exec(&id).unwrap();
        exec.exit_code().is_some_and(|code| code != 0)
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let world = World::new().await;
    let container = world.create("c1", &["ping", "-t", "x"]).await;
    let error = within(world.engine.create_exec("c1", exec(&["cmd"])))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("container {container} is not running")
    );
    world.start("c1").await.unwrap();
    let refused = [
        (exec(&[]), "No exec command specified"),
        (
            CreateExec {
                user: "ContainerAdministrator".to_owned(),
                ..exec(&["cmd"])
            },
            "ContainerUser",
        ),
        (exec(&["C:app.exe"]), "backslashes"),
        (exec(&[""]), "No exec command specified"),
        (exec(&["cmd", "a\0b"]), "NUL"),
        (
            CreateExec {
                working_dir: "C:app".to_owned(),
                ..exec(&["cmd"])
            },
            "the working directory 'C:app' is invalid",
        ),
        (
            CreateExec {
                working_dir: r"D:\x".to_owned(),
                ..exec(&["cmd"])
            },
            r"the working directory 'D:\x' is invalid",
        ),
        (
            CreateExec {
                env: vec!["=".to_owned()],
                ..exec(&["cmd"])
            },
            "variable",
        ),
    ];
    for (request, text) in refused {
        let error = within(world.engine.create_exec("c1", request))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        assert!(error.to_string().contains(text), "{error}");
    }
    let error = world.engine.inspect_exec("none").unwrap_err();
    assert_eq!(error.to_string(), "No such exec instance: none");
}

#[tokio::test]
async fn an_exec_ends_with_its_container() {
    let world = World::new().await;
    running(&world).await;
    world.script.program(
        "deaf.exe",
        Program::new()
            .sleep(std::time::Duration::from_secs(600))
            .deaf(),
    );
    let id = within(world.engine.create_exec("c1", exec(&["deaf.exe"])))
        .await
        .unwrap();
    let detached = StartExec {
        detach: true,
        ..StartExec::default()
    };
    within(world.engine.start_exec(&id, detached))
        .await
        .unwrap();
    within(world.engine.stop_container("c1", StopContainer::default()))
        .await
        .unwrap();
    let (exec, _) = world.engine.inspect_exec(&id).unwrap();
    assert!(exec.exit_code().is_some());
}

#[tokio::test]
async fn old_execs_are_forgotten() {
    let world = World::new().await;
    running(&world).await;
    world.script.program("tool.exe", Program::new());
    let mut all = Vec::new();
    for _ in 0..66 {
        let made = within(world.engine.create_exec("c1", exec(&["tool.exe"]))).await;
        let id = made.unwrap();
        let attachment = within(world.engine.start_exec(&id, StartExec::default())).await;
        read_to_end(attachment.unwrap().unwrap(), StreamKind::Stdout).await;
        all.push(id);
    }
    assert!(world.engine.inspect_exec(&all[0]).is_err());
    assert!(world.engine.inspect_exec(&all[65]).is_ok());
    let container = world.engine.inspect_container("c1").unwrap();
    assert_eq!(container.execs.len(), 64);
}

#[tokio::test]
async fn what_was_made_first_can_be_started_after_many_others() {
    let world = World::new().await;
    running(&world).await;
    world.script.program("tool.exe", Program::new().exit(4));
    let first = within(world.engine.create_exec("c1", exec(&["tool.exe"]))).await;
    let first = first.unwrap();
    for _ in 0..100 {
        let other = world.engine.create_exec("c1", exec(&["tool.exe"]));
        within(other).await.unwrap();
    }
    let attachment = within(world.engine.start_exec(&first, StartExec::default())).await;
    read_to_end(attachment.unwrap().unwrap(), StreamKind::Stdout).await;
    // Whoever asks late is told how it ended, though older ones than those that go first are there.
    within(world.engine.create_exec("c1", exec(&["tool.exe"])))
        .await
        .unwrap();
    let (ended, _) = world.engine.inspect_exec(&first).unwrap();
    assert_eq!(ended.exit_code(), Some(4));
}
