//! `docker export`: the whole drive C: as a tar archive.

use crate::container::archive::{self, Archive};
use crate::container::events;
use crate::container::handle::Handle;
use crate::context::Context;
use crate::error::Result;

/// Archives it, without what is mapped into it.
pub(crate) async fn export(context: &Context, handle: &Handle, called: &str) -> Result<Archive> {
    let archive = archive::read_all(context, handle, called).await?;
    let container = handle.ledger.read();
    events::publish(&context.events, &container, "export", &[]);
    Ok(archive)
}
