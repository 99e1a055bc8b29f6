//! What a commit takes, and when.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use porthole_compute_service::error::{Error, ErrorKind, Result};
use porthole_compute_service::files::Files;
use porthole_compute_service::registry::{RegistryChain, RegistryChanges};
use porthole_compute_service::settings::SystemSettings;
use porthole_compute_service::system::{ComputeService, ComputeSystem, EventStream};
use porthole_engine::container::commit::CommitContainer;
use porthole_hcs as hcs;

use crate::support::{World, within};

/// What happens when a container is asked for its registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// It tells.
    Tells,
    /// It cannot.
    Fails,
    /// It tells, and is killed.
    Ends,
}

/// A compute service that notes in which state systems are asked for their registries.
struct Noting {
    inner: Arc<dyn ComputeService>,
    /// What comes, the last first.
    answers: Mutex<Vec<Asked>>,
    states: Mutex<Vec<String>>,
}

#[async_trait]
impl ComputeService for Noting {
    async fn create(
        &self,
        id: &str,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<Arc<dyn ComputeSystem>> {
        self.inner.create(id, document, settings).await
    }

    async fn open(&self, id: &str) -> Result<Arc<dyn ComputeSystem>> {
        self.inner.open(id).await
    }

    async fn enumerate(&self, query: &hcs::SystemQuery) -> Result<Vec<hcs::Properties>> {
        self.inner.enumerate(query).await
    }

    async fn open_files(
        &self,
        id: &str,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<Files> {
        self.inner.open_files(id, document, settings).await
    }

    async fn registry_changes(
        &self,
        id: &str,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<RegistryChanges> {
        let systems = self.inner.enumerate(&hcs::SystemQuery::default()).await?;
        let state = systems.iter().find(|system| system.id == id);
        let state = state.map_or("none".to_owned(), |system| format!("{:?}", system.state));
        self.states.lock().unwrap().push(state);
        let answer = self.answers.lock().unwrap().pop().unwrap_or(Asked::Tells);
        match answer {
            Asked::Tells => {}
            Asked::Fails => return Err(Error::new(ErrorKind::Host, "RegistryChanges", "no")),
            Asked::Ends => self.inner.open(id).await?.terminate().await?,
        }
        self.inner.registry_changes(id, document, settings).await
    }

    async fn registry_difference(
        &self,
        before: &RegistryChain,
        after: &RegistryChain,
    ) -> Result<RegistryChanges> {
        self.inner.registry_difference(before, after).await
    }

    async fn events(&self) -> Result<EventStream> {
        self.inner.events().await
    }
}

/// Commits a container that runs; in which states it was asked for its registry, and the one in which
/// it is left.
async fn commit(pause: bool, mut answers: Vec<Asked>) -> (Vec<String>, &'static str) {
    let mut world = World::new().await;
    answers.reverse();
    let noting = Arc::new(Noting {
        inner: Arc::clone(world.compute()),
        answers: Mutex::new(answers),
        states: Mutex::default(),
    });
    world.reopen_over(noting.clone()).await;
    world.know_server();
    world.create("s", &["server.exe"]).await;
    world.start("s").await.unwrap();
    let request = CommitContainer {
        pause,
        ..CommitContainer::default()
    };
    within(world.engine.commit_container("s", request))
        .await
        .unwrap();
    let states = noting.states.lock().unwrap().clone();
    (states, world.status("s"))
}

#[tokio::test]
async fn the_registry_is_that_of_the_paused_container() {
    let (states, status) = commit(true, vec![]).await;
    assert_eq!((states, status), (vec!["Paused".to_owned()], "running"));
}

#[tokio::test]
async fn one_that_cannot_tell_while_it_is_paused_tells_before() {
    let (states, status) = commit(true, vec![Asked::Fails]).await;
    assert_eq!(states, ["Paused", "Running"]);
    assert_eq!(status, "running");
}

#[tokio::test]
async fn of_one_that_ends_meanwhile_everything_is_taken_anew() {
    let (states, status) = commit(false, vec![Asked::Ends]).await;
    assert_eq!(states.len(), 2, "{states:?}");
    assert_eq!(states[0], "Running");
    assert_eq!(status, "exited");
}
