//! Giving a container another name.

use crate::container::handle::Handle;
use crate::container::{events, name};
use crate::context::Context;
use crate::error::{Error, Result};

/// Renames a container.
pub(crate) async fn rename(context: &Context, handle: &Handle, new: &str) -> Result<()> {
    let old = handle.ledger.read().name.clone();
    if new.trim_start_matches('/').is_empty() {
        return Err(Error::invalid("Neither old nor new names may be empty"));
    }
    let new = name::check_name(new)?;
    if new == old {
        return Err(Error::invalid(
            "Renaming a container with the same name as its current name",
        ));
    }
    let renamed = handle.ledger.update(|container| {
        new.clone_into(&mut container.name);
        Ok(())
    });
    let container = renamed
        .await
        .map_err(|error| name::taken(context, new, error))?;
    let extra = [("oldName", format!("/{old}"))];
    events::publish(&context.events, &container, "rename", &extra);
    Ok(())
}
