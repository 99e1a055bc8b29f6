//! Files at any web address, through the same proxies and with the same trust as registries.

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use reqwest::{Method, StatusCode, Url};

use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::failure;
use crate::transport::Request;

impl Client {
    /// What is at an address, `http://…` or `https://…`. A host that is silent for too long ends it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for what is no such address, and what asking a registry brings; the
    /// stream ends with those that come later.
    pub async fn download(&self, address: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        let url = Url::parse(address).ok();
        let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let url = url.filter(is_web).ok_or_else(|| {
            let sentence = format!("{address:?}: only http:// and https:// can be fetched");
            Error::new(ErrorKind::Invalid, sentence)
        })?;
        let authority = failure::authority(&url);
        let request = Request::new(Method::GET, url);
        let answer = self.transport().send(request, &authority).await?;
        let answer = answer.expect(&[StatusCode::OK]).await?;
        let pieces = stream::try_unfold(answer, async |mut answer| {
            let piece = answer.chunk().await?;
            Ok(piece.map(|piece| (piece, answer)))
        });
        Ok(pieces.boxed())
    }
}
