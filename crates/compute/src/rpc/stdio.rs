//! Streams of processes: straight to the supervisor's socket.

use std::path::Path;

use super::v1::OpenStdioResponse;
use crate::error::Result;
use crate::service::process::{no_stdio, open_request};
use crate::socket;
use crate::system::{Stdio, Wanted};
use crate::wire::Connection;

/// Connects to the streams that the service named.
pub(super) async fn connect(
    system: &str,
    endpoint: &OpenStdioResponse,
    want: Wanted,
) -> Result<Stdio> {
    let open = async {
        let stream = socket::connect(Path::new(&endpoint.socket)).await?;
        let connection = Connection::open(Box::new(stream)).await?;
        connection.stdio(open_request(endpoint.key, want)).await
    };
    open.await
        .map_err(|error| no_stdio(system, endpoint.key, error))
}
