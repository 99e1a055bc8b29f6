//! What clients ask about images.

use std::sync::Arc;

use crate::engine::{Engine, see_through};
use crate::error::Result;
use crate::filter::Filters;
use crate::image::{self, HistoryEntry, ImageDetails, ImageSummary, RemoveImage, RemovedImage};
use crate::pruned::Pruned;

impl Engine {
    /// Images, the newest first.
    ///
    /// # Errors
    /// `InvalidParameter` for a filter.
    pub async fn list_images(&self, filters: Filters) -> Result<Vec<ImageSummary>> {
        image::list::list(&self.context, filters).await
    }

    /// An image.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn inspect_image(&self, name: &str) -> Result<ImageDetails> {
        Ok(image::inspect::details(
            &self.context.records.find_image(name).await?,
        ))
    }

    /// An image's history, the newest step first.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn image_history(&self, name: &str) -> Result<Vec<HistoryEntry>> {
        Ok(image::inspect::history(
            &self.context.records.find_image(name).await?,
        ))
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

    /// Removes images that no container is made from.
    ///
    /// # Errors
    /// `InvalidParameter` for a filter.
    pub async fn prune_images(&self, filters: Filters) -> Result<Pruned<RemovedImage>> {
        let context = Arc::clone(&self.context);
        see_through(async move { image::prune::prune(&context, &filters).await }).await
    }
}
