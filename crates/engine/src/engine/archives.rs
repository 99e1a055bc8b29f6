//! What clients ask about the files of containers. A client that hangs up ends its copy: nothing
//! here is seen through without it.

use std::io;

use bytes::Bytes;
use futures::Stream;

use crate::container::archive::{self, Archive, PathStat};
use crate::container::changes::{self, Change};
use crate::container::registry::{self, RegistryChange};
use crate::container::{events, export};
use crate::engine::Engine;
use crate::error::Result;

impl Engine {
    /// What a path of a container leads to, a link at its end not followed.
    ///
    /// # Errors
    /// `NotFound` for the container or the path, `InvalidParameter` for a path that is not on C:,
    /// `Conflict` while the container is removed, `System`.
    pub async fn stat_path(&self, name: &str, path: &str) -> Result<PathStat> {
        let handle = self.context.containers.find(name)?;
        archive::stat(&self.context, &handle, name, path).await
    }

    /// What a path of a container leads to, with all that is in it, as a tar archive. Its names
    /// begin with the last part of the path.
    ///
    /// # Errors
    /// As [`Self::stat_path`].
    pub async fn read_archive(&self, name: &str, path: &str) -> Result<(PathStat, Archive)> {
        let handle = self.context.containers.find(name)?;
        let read = archive::read(&self.context, &handle, name, path).await?;
        let container = handle.ledger.read();
        events::publish(&self.context.events, &container, "archive-path", &[]);
        Ok(read)
    }

    /// The whole drive C: of a container as a tar archive, without what is mapped into it.
    ///
    /// # Errors
    /// As [`Self::stat_path`].
    pub async fn export_container(&self, name: &str) -> Result<Archive> {
        let handle = self.context.containers.find(name)?;
        export::export(&self.context, &handle, name).await
    }

    /// What a container changed on its drive C:, by path.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` while it is removed, `System`.
    pub async fn container_changes(&self, name: &str) -> Result<Vec<Change>> {
        let handle = self.context.containers.find(name)?;
        changes::changes(&self.context, &handle).await
    }

    /// Keys and values that a container changed, or an image over another: over the image `over`,
    /// else over the one that it was made from.
    ///
    /// # Errors
    /// `NotFound`, `InvalidParameter` for a container over an image, `System`.
    pub async fn registry_changes(
        &self,
        name: &str,
        over: Option<&str>,
    ) -> Result<Vec<RegistryChange>> {
        registry::changes(&self.context, name, over).await
    }

    /// Unpacks a tar archive, perhaps compressed, into a directory of a container. With
    /// `keeps_kinds` no directory takes the place of a file, nor a file that of a directory.
    ///
    /// # Errors
    /// As [`Self::stat_path`]; `InvalidParameter` for the archive, `Forbidden` for what may not be
    /// written to. Part of the archive may be unpacked then.
    pub async fn write_archive(
        &self,
        name: &str,
        path: &str,
        keeps_kinds: bool,
        archive: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
    ) -> Result<()> {
        let handle = self.context.containers.find(name)?;
        archive::write(&self.context, &handle, name, path, keeps_kinds, archive).await?;
        let container = handle.ledger.read();
        events::publish(&self.context.events, &container, "extract-to-dir", &[]);
        Ok(())
    }
}
