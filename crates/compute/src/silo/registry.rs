//! The registry of a container: what it was given, and what it is now.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use porthole_files::delete_tree;
use porthole_protocol::frame::FrameError;
use porthole_protocol::supervisor::{Failure, REGISTRY_LIMIT, RegistryRoot, Request, Response};
use porthole_wine::registry::{self, RegistryTexts};
use porthole_wine::{CachedRegistry, RegistryCache};

use super::root_certificates;
use super::supervised::SiloSupervised;
use crate::document::SystemPlan;
use crate::error::{Error, ErrorKind, Result};
use crate::registry::{RegistryChanges, Turn, failed, turn, with_chain};
use crate::service::backend::Supervised;
use crate::service::call::call;
use crate::timeout;
use crate::wire::{Connection, WireError};

/// The container's registry beside its sandbox, and the merged ones in the data root.
const REGISTRY: &str = "registry";

/// The merged registry of the plan's layers; merged now when that has not been done yet.
fn merged(plan: &SystemPlan, data_root: &Path, operation: &str) -> Result<CachedRegistry> {
    let cache = data_root.join(REGISTRY);
    fs::create_dir_all(&cache).map_err(|source| {
        let message = format!("cannot make {}", cache.display());
        Error::new(ErrorKind::Host, operation, message).with_source(source)
    })?;
    let cache = RegistryCache::new(cache);
    let merged = with_chain(&plan.layers, plan.os_version, plan.user, |chain| {
        cache.prepare(chain)
    });
    merged.map_err(|error| failed(operation, error))
}

/// A container keeps its registry from one start to the next.
pub(super) fn own(plan: &SystemPlan, data_root: &Path) -> Result<PathBuf> {
    let target = place(plan);
    if registry::is_complete(&target) {
        return Ok(target);
    }
    let operation = format!("CreateComputeSystem {}", plan.id);
    // What is there instead would be in the way. The container may have written it, to any depth.
    delete_tree(&target).map_err(|source| {
        let message = "cannot make the container's registry";
        Error::new(ErrorKind::Host, &operation, message).with_source(source)
    })?;
    merged(plan, data_root, &operation)?
        .clone_into(&target)
        .map_err(|error| failed(operation, error))?;
    Ok(target)
}

fn place(plan: &SystemPlan) -> PathBuf {
    plan.sandbox
        .parent()
        .unwrap_or(Path::new("/"))
        .join(REGISTRY)
}

/// What the container made of what it was given. `now` is its registry while it runs; otherwise it
/// is in its files, or it was never given one and nothing changed.
pub(super) fn changes(
    plan: &SystemPlan,
    data_root: &Path,
    now: Option<RegistryTexts>,
) -> Result<RegistryChanges> {
    let operation = format!("RegistryChanges {}", plan.id);
    let texts = match now {
        Some(now) => now,
        None => match in_files(&place(plan), &operation)? {
            Some(texts) => texts,
            None => return Ok(RegistryChanges::default()),
        },
    };
    let before = merged(plan, data_root, &operation)?;
    let changes = before.changes(&texts, &root_certificates::all(data_root));
    changes.map_err(|error| failed(operation, error))
}

/// The registry that a container left; nothing when it was never given one.
fn in_files(place: &Path, operation: &str) -> Result<Option<RegistryTexts>> {
    let texts = RegistryTexts::read(place).map_err(|error| failed(operation, error))?;
    // Until it is given one there is at most an empty directory.
    let is_empty = fs::read_dir(place).map_or(true, |mut entries| entries.next().is_none());
    if texts.is_none() && !is_empty {
        let message = "its registry is not whole, after a power cut or because its programs took \
                       it away; the container's next start makes a new one";
        return Err(Error::new(ErrorKind::InvalidLayer, operation, message));
    }
    Ok(texts)
}

/// The registry of a system that runs or is paused, with the turn to compare it. Nothing when the
/// system has ended meanwhile: what its programs wanted is in its files then, and not before.
pub(super) async fn live(supervised: &SiloSupervised) -> Result<Option<(RegistryTexts, Turn)>> {
    live_or_ended(supervised, timeout::TERMINATE).await
}

async fn live_or_ended(
    supervised: &SiloSupervised,
    patience: Duration,
) -> Result<Option<(RegistryTexts, Turn)>> {
    let error = match take_down(supervised).await {
        Ok(taken) => return Ok(Some(taken)),
        Err(error) => error,
    };
    let operation = format!("RegistryChanges {}", supervised.id);
    match &error {
        WireError::Refused(Failure::State(_)) => {}
        // It lives, but did not understand.
        error if error.is_an_end() && call(supervised, &Request::Statistics).await.is_ok() => {
            let message = "its supervisor is of an older release, which cannot tell the registry \
                           of a container that runs; stop the container first";
            return Err(Error::new(ErrorKind::NotSupported, operation, message));
        }
        error if error.is_an_end() => {}
        _ => {
            let message = "cannot take down the registry";
            return Err(Error::new(ErrorKind::Host, operation, message).with_source(error));
        }
    }
    let ended = tokio::time::timeout(patience, end_of(supervised)).await;
    ended.map(|()| None).map_err(|_| {
        let message = "it is about to end, and its registry is not written yet";
        Error::new(ErrorKind::InvalidState, operation, message).with_source(error)
    })
}

/// Waits for the system's exit record, before which wineserver has written the registry.
async fn end_of(supervised: &SiloSupervised) {
    // One that cannot be read will be there again, whole: who has lost a supervisor writes it.
    while !matches!(supervised.exit_record().await, Ok(Some(_)))
        && supervised.directory.path().exists()
    {
        tokio::time::sleep(timeout::POLL * 10).await;
    }
}

async fn take_down(
    supervised: &SiloSupervised,
) -> std::result::Result<(RegistryTexts, Turn), WireError> {
    let limit = timeout::REQUEST;
    let late = |_| WireError::Timeout(limit.as_secs());
    let saved = tokio::time::timeout(limit, save(supervised)).await;
    let (mut connection, sizes) = saved.map_err(late)??;
    let turn = turn().await;
    let texts = tokio::time::timeout(limit, read_all(&mut connection, sizes)).await;
    Ok((texts.map_err(late)??, turn))
}

/// Has the supervisor take the registry down.
async fn save(
    supervised: &SiloSupervised,
) -> std::result::Result<(Connection, [u64; 3]), WireError> {
    let mut connection = Connection::open(supervised.connect().await?).await?;
    match connection.request(&Request::SaveRegistry).await? {
        Response::RegistrySaved { sizes } => Ok((connection, sizes)),
        // So are all answered whose request the end of a terminated silo has overtaken.
        Response::Done => Err(WireError::Refused(Failure::State("ended".to_owned()))),
        _ => Err(WireError::OutOfTurn),
    }
}

async fn read_all(
    connection: &mut Connection,
    sizes: [u64; 3],
) -> std::result::Result<RegistryTexts, WireError> {
    let mut texts = Vec::with_capacity(sizes.len());
    for (root, size) in RegistryRoot::ALL.into_iter().zip(sizes) {
        texts.push(read(connection, root, size).await?);
    }
    let [machine, user, default_user] =
        <[_; 3]>::try_from(texts).map_err(|_| WireError::OutOfTurn)?;
    Ok(RegistryTexts {
        machine,
        user,
        default_user,
    })
}

/// Reads a root's text, which is as long as was told, or shorter.
async fn read(
    connection: &mut Connection,
    root: RegistryRoot,
    size: u64,
) -> std::result::Result<Vec<u8>, WireError> {
    let size = usize::try_from(size.min(REGISTRY_LIMIT)).unwrap_or(usize::MAX);
    let mut text = Vec::with_capacity(size);
    while text.len() < size {
        let offset = text.len() as u64;
        match connection
            .request(&Request::ReadRegistry { root, offset })
            .await?
        {
            Response::Registry(piece) if piece.is_empty() => break,
            Response::Registry(piece) => text.extend(piece),
            _ => return Err(WireError::OutOfTurn),
        }
    }
    match text.len() > size {
        true => Err(WireError::Connection(FrameError::TooLong(text.len()))),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use porthole_protocol::Hello;
    use porthole_protocol::supervisor::{ExitRecord, Statistics, VERSION};
    use tokio::net::UnixListener;

    use super::*;
    use crate::silo::directory::RunDirectory;
    use crate::wire::{receive, send};

    /// A system whose supervisor answers as `answer` does; it leaves clients that get nothing.
    fn supervised(answer: fn(&Request) -> Option<Response>) -> (tempfile::TempDir, SiloSupervised) {
        let parent = tempfile::tempdir().unwrap();
        let directory = RunDirectory::new(parent.path().join("c1"));
        directory.make().unwrap();
        let listener = UnixListener::bind(directory.socket()).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                send(&mut stream, &Hello::new(VERSION)).await.unwrap();
                receive::<Hello>(&mut stream).await.unwrap();
                while let Ok(request) = receive::<Request>(&mut stream).await {
                    let Some(response) = answer(&request) else {
                        break;
                    };
                    send(&mut stream, &response).await.unwrap();
                }
            }
        });
        let id = "c1".to_owned();
        (parent, SiloSupervised { id, directory })
    }

    #[tokio::test]
    async fn a_supervisor_of_an_older_release_is_named() {
        let (_parent, old) = supervised(|request| match request {
            Request::Statistics => Some(Response::Statistics(Statistics::default())),
            _ => None,
        });
        let error = live(&old).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSupported);
        assert!(error.message().contains("older release"));
    }

    #[test]
    fn a_registry_that_is_not_whole_is_not_one_without_changes() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("registry");
        assert_eq!(in_files(&place, "Test").unwrap(), None);
        fs::create_dir(&place).unwrap();
        assert_eq!(in_files(&place, "Test").unwrap(), None);
        fs::write(place.join("system.reg"), "WINE REGISTRY Version 2\n").unwrap();
        let error = in_files(&place, "Test").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidLayer);
        assert!(error.message().contains("not whole"));
    }

    const SHORT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn of_a_system_that_ends_the_files_are_asked_once_they_are_written() {
        let answers: [fn(&Request) -> Option<Response>; 3] = [
            |_| Some(Response::Failed(Failure::State("ending".to_owned()))),
            |_| Some(Response::Done),
            |_| None,
        ];
        for answer in answers {
            let (_parent, ending) = supervised(answer);
            let error = live_or_ended(&ending, SHORT).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidState);
            let record = ExitRecord {
                exit_code: Some(0),
                processes: Vec::new(),
                terminated: false,
                out_of_memory: false,
                finished_at: 1,
                error: None,
            };
            let directory = ending.directory.clone();
            let written = async {
                tokio::time::sleep(SHORT / 2).await;
                directory.write_exit_record(&record).unwrap();
            };
            let (texts, ()) = tokio::join!(live(&ending), written);
            assert!(texts.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn of_a_system_that_was_removed_the_files_are_asked() {
        let (parent, gone) = supervised(|_| None);
        drop(parent);
        assert!(live(&gone).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_text_comes_in_pieces_and_no_longer_than_was_told() {
        let (_parent, sound) = supervised(|request| match request {
            Request::ReadRegistry { offset, .. } => {
                let rest = &b"abcde"[usize::try_from(*offset).unwrap()..];
                Some(Response::Registry(rest.iter().take(2).copied().collect()))
            }
            _ => Some(Response::RegistrySaved { sizes: [5, 0, 9] }),
        });
        let (texts, _) = live(&sound).await.unwrap().unwrap();
        assert_eq!((&*texts.machine, &*texts.user), (&b"abcde"[..], &b""[..]));
        assert_eq!(texts.default_user, b"abcde", "cut short meanwhile");
        let (_parent, endless) = supervised(|request| match request {
            Request::ReadRegistry { .. } => Some(Response::Registry(vec![0; 64])),
            _ => Some(Response::RegistrySaved { sizes: [5; 3] }),
        });
        assert_eq!(live(&endless).await.err().unwrap().kind(), ErrorKind::Host);
    }
}
