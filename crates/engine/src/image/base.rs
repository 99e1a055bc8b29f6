//! The bases that stand in the place of Microsoft's.

use std::path::PathBuf;

use porthole_oci::MicrosoftKind;
use porthole_store::{Image, Store};

use crate::error::{Error, ErrorKind, Result};
use crate::records::stored;

/// The repository of our base of this kind.
const fn repository(kind: MicrosoftKind) -> &'static str {
    match kind {
        MicrosoftKind::Nanoserver => "porthole/nanoserver",
        MicrosoftKind::Servercore => "porthole/servercore",
    }
}

/// What `porthole base build` calls it.
const fn name(kind: MicrosoftKind) -> &'static str {
    match kind {
        MicrosoftKind::Nanoserver => "nanoserver",
        MicrosoftKind::Servercore => "servercore",
    }
}

/// The newest of our bases of this kind, if one is installed. Blocks.
pub(crate) fn installed(store: &Store, kind: MicrosoftKind) -> Result<Option<Image>> {
    match store.find_image(repository(kind)) {
        Ok(image) => return Ok(Some(image)),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(stored(error)),
    }
    // The name `latest` may have been taken away; the list begins with the newest.
    let images = store.images().map_err(stored)?;
    let is_one = |image: &Image| {
        let mut names = image.tags.iter();
        names.any(|name| name.repository() == repository(kind))
    };
    Ok(images.into_iter().find(is_one))
}

/// The same; an error that says what to do when there is none. `wanted` is the image that stands on
/// it.
pub(crate) fn required(store: &Store, kind: MicrosoftKind, wanted: &str) -> Result<Image> {
    installed(store, kind)?.ok_or_else(|| missing(ErrorKind::NotFound, kind, wanted))
}

fn missing(error: ErrorKind, kind: MicrosoftKind, wanted: &str) -> Error {
    let (repository, name) = (repository(kind), name(kind));
    Error::new(
        error,
        format!(
            "image {wanted} stands on Microsoft's {name}, in whose place {repository} runs here, and \
             that is not built yet: run 'porthole base build {name}' first"
        ),
    )
}

/// The layers of our base of this kind, the topmost first. Layers that stand on Microsoft's are settled
/// on them, so that none can be brought in while there is none.
pub(crate) fn directories(
    store: &Store,
    kind: MicrosoftKind,
    wanted: &str,
) -> Result<Vec<PathBuf>> {
    let image = installed(store, kind)?;
    let image = image.ok_or_else(|| missing(ErrorKind::Conflict, kind, wanted))?;
    let layers = image.layers.into_iter();
    let mut directories: Vec<_> = layers.map(|layer| layer.directory).collect();
    directories.reverse();
    Ok(directories)
}
