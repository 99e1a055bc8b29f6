//! Names that only images made here have: there is nowhere to pull them from.

use porthole_oci::Reference;

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::image::progress::Reporter;

/// The base OS images that can be built.
const BASES: [&str; 2] = ["nanoserver", "servercore"];

/// Says that it is here, or how to make it.
pub(super) async fn up_to_date(
    context: &Context,
    reporter: &Reporter,
    reference: &Reference,
) -> Result<()> {
    match context.records.find_image(&reference.to_string()).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(absent(reference)),
        Err(error) => return Err(error),
    }
    let tag = reference.tag().unwrap_or_default();
    let repository = reference.repository();
    reporter
        .tag(tag, format!("Pulling from {repository}"))
        .await;
    let status = format!("Status: Image is up to date for {reference}");
    reporter.whole(status).await;
    Ok(())
}

fn absent(reference: &Reference) -> Error {
    let base = reference.path().rsplit('/').next().unwrap_or_default();
    let message = if BASES.contains(&base) {
        format!(
            "{reference} is not built yet: images named porthole/… are made on this host; run \
             'porthole base build {base}' first"
        )
    } else {
        format!(
            "{reference} is no base OS image; 'porthole base build' makes porthole/{} and porthole/{}",
            BASES[0], BASES[1]
        )
    };
    Error::new(ErrorKind::NotFound, message)
}
