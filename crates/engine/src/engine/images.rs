//! What clients ask about images.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use futures::stream::BoxStream;

use crate::engine::{Engine, see_through};
use crate::error::Result;
use crate::filter::Filters;
use crate::image::import::ImportImage;
use crate::image::progress::ProgressStream;
use crate::image::pull::PullImage;
use crate::image::registry::{self, Credentials, Distribution, Login, SearchImages, SearchResult};
use crate::image::{self, HistoryEntry, ImageDetails, ImageSummary, RemoveImage, RemovedImage};
use crate::pipe::ByteStream;
use crate::pruned::Pruned;

impl Engine {
    /// Images, the newest first; with what each shares with others when `measures_shared`.
    ///
    /// # Errors
    /// `InvalidParameter` for a filter.
    pub async fn list_images(
        &self,
        filters: Filters,
        measures_shared: bool,
    ) -> Result<Vec<ImageSummary>> {
        image::list::list(&self.context, filters, measures_shared).await
    }

    /// An image.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn inspect_image(&self, name: &str) -> Result<ImageDetails> {
        let records = &self.context.records;
        let image = records.find_image(name).await?;
        let last_tagged = records.last_tagged(image.id).await?;
        Ok(image::inspect::details(&image, last_tagged))
    }

    /// An image's history, the newest step first.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn image_history(&self, name: &str) -> Result<Vec<HistoryEntry>> {
        let records = &self.context.records;
        let image = records.find_image(name).await?;
        let ancestors = records.ancestors(&image).await?;
        Ok(image::inspect::history(&image, &ancestors))
    }

    /// Gives the image `name` a further name: `repository`, which may end with a tag, with the tag
    /// `tag`, or `latest`.
    ///
    /// # Errors
    /// `NotFound`, `InvalidParameter` for the new name, `Forbidden` when it is one of those that
    /// only images built here have.
    pub async fn tag_image(&self, name: &str, repository: &str, tag: Option<&str>) -> Result<()> {
        let (context, tag) = (Arc::clone(&self.context), tag.map(str::to_owned));
        let (name, repository) = (name.to_owned(), repository.to_owned());
        see_through(
            async move { image::tag::tag(&context, &name, &repository, tag.as_deref()).await },
        )
        .await
    }

    /// Removes an image or one of its names.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when it is in use.
    pub async fn remove_image(
        &self,
        name: &str,
        options: RemoveImage,
    ) -> Result<Vec<RemovedImage>> {
        let (context, name) = (Arc::clone(&self.context), name.to_owned());
        see_through(async move { image::remove::remove(&context, &name, options).await }).await
    }

    /// Pulls an image, or all of a repository. A failure before anything is told is the first item.
    pub fn pull_image(&self, request: PullImage) -> ProgressStream {
        image::pull::pull(Arc::clone(&self.context), request)
    }

    /// Pushes the image with this name, or all that the repository has here when there is no tag.
    pub fn push_image(
        &self,
        name: &str,
        tag: Option<&str>,
        credentials: Option<Credentials>,
    ) -> ProgressStream {
        let (context, tag) = (Arc::clone(&self.context), tag.map(str::to_owned));
        image::push::push(context, name.to_owned(), tag, credentials)
    }

    /// Takes in the images of an archive, Docker's or an OCI layout, perhaps compressed.
    pub fn load_images(
        &self,
        archive: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
        quiet: bool,
    ) -> ProgressStream {
        image::load::load(Arc::clone(&self.context), archive, quiet)
    }

    /// Makes an image of a tar archive, perhaps compressed: one of C:, or a layer as images have
    /// it. The last thing told is its ID.
    pub fn import_image(
        &self,
        request: ImportImage,
        archive: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    ) -> ProgressStream {
        image::import::import(Arc::clone(&self.context), request, archive)
    }

    /// Images as one archive: an OCI layout that Docker's own loaders read too.
    ///
    /// # Errors
    /// `NotFound`, `InvalidParameter` when none is named.
    pub async fn save_images(&self, names: &[String]) -> Result<ByteStream> {
        image::save::save(&self.context, names).await
    }

    /// Searches a registry.
    ///
    /// # Errors
    /// `InvalidParameter`, `System` when the registry cannot be asked.
    pub async fn search_images(
        &self,
        search: SearchImages,
        credentials: Option<Credentials>,
    ) -> Result<Vec<SearchResult>> {
        registry::search(&self.context, search, credentials).await
    }

    /// What is at an address, `http://…` or `https://…`, to import it.
    ///
    /// # Errors
    /// `InvalidParameter` for another address, `NotFound`, `System` when the host cannot be asked.
    pub async fn download(&self, address: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        registry::download(&self.context, address).await
    }

    /// Asks a registry whether it knows somebody. `server` is empty for Docker Hub.
    ///
    /// # Errors
    /// `Unauthorized`, `System` when the registry cannot be asked.
    pub async fn login(&self, server: &str, credentials: &Credentials) -> Result<Login> {
        registry::login(&self.context, server, credentials).await
    }

    /// Asks a registry what a name means.
    ///
    /// # Errors
    /// `NotFound`, `InvalidParameter` for the name, `System` when the registry cannot be asked.
    pub async fn distribution(
        &self,
        name: &str,
        credentials: Option<Credentials>,
    ) -> Result<Distribution> {
        registry::distribution(&self.context, name, credentials).await
    }

    /// Removes images that no container is made from.
    ///
    /// # Errors
    /// `InvalidParameter` for a filter.
    pub async fn prune_images(&self, filters: Filters) -> Result<Pruned<RemovedImage>> {
        let context = Arc::clone(&self.context);
        see_through(async move { image::prune::prune(&context, &filters).await }).await
    }
}
