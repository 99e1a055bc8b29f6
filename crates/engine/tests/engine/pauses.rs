//! Pausing and renaming.

use crate::support::{OUTPUT, World, within};
use porthole_engine::ErrorKind;
use porthole_engine::container::remove::RemoveContainer;
use porthole_engine::container::stop::StopContainer;
use porthole_engine::exec::record::CreateExec;

async fn server(world: &World) -> String {
    world.know_server();
    let id = world.create("s", &["server.exe"]).await;
    world.start("s").await.unwrap();
    id
}

#[tokio::test]
async fn a_paused_container_refuses_what_would_wait_for_it() {
    let world = World::new().await;
    let id = server(&world).await;
    within(world.engine.pause_container("s")).await.unwrap();
    assert_eq!(world.status("s"), "paused");
    let info = within(world.engine.info()).await.unwrap();
    assert_eq!((info.running, info.paused, info.stopped), (0, 1, 0));

    let exec = CreateExec {
        cmd: vec!["cmd".to_owned()],
        ..CreateExec::default()
    };
    let refused = within(world.engine.create_exec("s", exec))
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("Container {id} is paused, unpause the container before exec")
    );
    for refused in [
        within(world.engine.attach_container("s", OUTPUT))
            .await
            .map(drop),
        within(world.engine.top_container("s")).await.map(drop),
        within(world.engine.kill_container("s", Some("SIGINT"))).await,
        within(world.engine.pause_container("s")).await,
        world.start("s").await,
    ] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    }
    within(world.engine.unpause_container("s")).await.unwrap();
    assert_eq!(world.status("s"), "running");
    let again = within(world.engine.unpause_container("s")).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_paused_container_is_stopped_by_its_own_handler_and_killed_as_it_is() {
    let world = World::new().await;
    server(&world).await;
    within(world.engine.pause_container("s")).await.unwrap();
    within(world.engine.stop_container("s", StopContainer::default()))
        .await
        .unwrap();
    assert_eq!(world.wait("s").await.exit_code, 5);
    world.start("s").await.unwrap();
    within(world.engine.pause_container("s")).await.unwrap();
    let forced = RemoveContainer { force: true };
    within(world.engine.remove_container("s", forced))
        .await
        .unwrap();
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn a_pause_is_known_to_the_next_engine() {
    let mut world = World::new().await;
    let id = server(&world).await;
    within(world.engine.pause_container("s")).await.unwrap();
    world.reopen().await;
    assert_eq!(world.status("s"), "paused");
    // One that an engine ended without recording.
    let system = world.compute().open(&id).await.unwrap();
    system.resume().await.unwrap();
    world.reopen().await;
    assert_eq!(world.status("s"), "running");
}

#[tokio::test]
async fn a_container_is_renamed_unless_the_name_is_taken() {
    // No name may be the beginning of an ID, which would be found by it.
    let world = World::new().await;
    let id = world.create("old", &["cmd"]).await;
    let other = world.create("taken", &["cmd"]).await;
    within(world.engine.rename_container("old", "/new"))
        .await
        .unwrap();
    assert_eq!(world.engine.inspect_container("new").unwrap().id, id);
    assert!(world.engine.inspect_container("old").is_err());
    let taken = within(world.engine.rename_container("new", "taken"))
        .await
        .unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Conflict);
    assert!(taken.to_string().contains(&other), "{taken}");
    for wrong in ["", "/", "new", "-new"] {
        let refused = within(world.engine.rename_container("new", wrong)).await;
        assert_eq!(
            refused.unwrap_err().kind(),
            ErrorKind::InvalidParameter,
            "{wrong}"
        );
    }
    assert!(
        world
            .events(&["oldName"])
            .await
            .contains(&"container rename oldName=/old".to_owned())
    );
}
