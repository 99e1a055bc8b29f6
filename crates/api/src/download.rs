//! What a client wants fetched from an address.

use std::io;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use porthole_engine::Engine;

use crate::error::ApiError;

/// Opens an address, `http://…` or `https://…`; one without a scheme is taken for the first, as by
/// docker.
pub(crate) async fn open(
    engine: &Engine,
    address: &str,
) -> Result<BoxStream<'static, io::Result<Bytes>>, ApiError> {
    let url = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    let pieces = engine
        .download(&url)
        .await
        .map_err(|error| ApiError::bad_parameter(format!("cannot fetch {address}: {error}")))?;
    Ok(pieces.map_err(io::Error::other).boxed())
}
