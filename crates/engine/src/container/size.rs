//! How much space a container takes.

use crate::context::Context;
use crate::error::Result;

/// How much space a container takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The files on C: that it made or changed.
    pub own: u64,
    /// Those and all files of its image.
    pub total: u64,
}

/// Measures a container: the cost grows with what it has changed.
pub(crate) async fn measure(context: &Context, id: &str) -> Result<Size> {
    let size = context.records.container_size(id).await?;
    Ok(Size {
        own: size.own,
        total: size.own.saturating_add(size.layers),
    })
}
