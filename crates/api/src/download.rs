//! What a client wants fetched from an address.

use std::io::{self, Read};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;

use crate::error::ApiError;

/// Bytes of one piece, and how many pieces wait.
const PIECE: usize = 64 * 1024;
const PIECES: usize = 8;

/// Opens an address, `http://…` or `https://…`; one without a scheme is taken for the first, as by
/// docker.
pub(crate) async fn open(address: &str) -> Result<BoxStream<'static, io::Result<Bytes>>, ApiError> {
    let url = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(ApiError::bad_parameter(format!(
            "cannot fetch {address}: only http:// and https:// can be fetched"
        )));
    }
    let opened = tokio::task::spawn_blocking(move || {
        let agent = ureq::Agent::new_with_defaults();
        agent
            .get(&url)
            .call()
            .map(|answer| answer.into_body().into_reader())
    });
    let reader = opened
        .await
        .map_err(|error| ApiError::bad_parameter(error.to_string()))?
        .map_err(|error| ApiError::bad_parameter(format!("cannot fetch {address}: {error}")))?;
    Ok(pieces(reader))
}

/// What a reader that blocks gives. It ends when nobody listens.
fn pieces(mut reader: impl Read + Send + 'static) -> BoxStream<'static, io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let piece = match reader.read(&mut piece) {
                Ok(0) => return,
                Ok(count) => {
                    piece.truncate(count);
                    Ok(Bytes::from(piece))
                }
                Err(error) => Err(error),
            };
            let is_last = piece.is_err();
            if sender.blocking_send(piece).is_err() || is_last {
                return;
            }
        }
    });
    futures::stream::unfold(receiver, async |mut receiver| {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    })
    .boxed()
}
