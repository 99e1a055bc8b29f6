//! `porthole images`: list, and remove.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::query_parameters::{ListImagesOptions, RemoveImageOptionsBuilder};
use time::OffsetDateTime;

use super::each::each;
use super::print_json;
use crate::arguments::{Images, ImagesCommand, ImagesRm};
use crate::table::{Table, short_id, size};

/// Carries it out.
pub(crate) async fn carry_out(client: &Docker, images: Images, json: bool) -> Result<ExitCode> {
    match images.command {
        None | Some(ImagesCommand::Ls) => list(client, json).await,
        Some(ImagesCommand::Rm(rm)) => Ok(remove(client, &rm).await),
    }
}

async fn remove(client: &Docker, rm: &ImagesRm) -> ExitCode {
    each(&rm.images, async |name| {
        let options = RemoveImageOptionsBuilder::default().force(rm.force);
        let removed = client.remove_image(name, Some(options.build()), None).await;
        removed.map(drop)
    })
    .await
}

async fn list(client: &Docker, json: bool) -> Result<ExitCode> {
    let images = client.list_images(None::<ListImagesOptions>).await?;
    if json {
        print_json(&images)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["IMAGE", "ID", "CREATED", "SIZE"]);
    for image in &images {
        let names = if image.repo_tags.is_empty() {
            "<none>".to_owned()
        } else {
            image.repo_tags.join(", ")
        };
        let bytes = u64::try_from(image.size).unwrap_or_default();
        table.row([
            names,
            short_id(&image.id).to_owned(),
            day(image.created),
            size(bytes),
        ]);
    }
    table.print()?;
    if images.is_empty() {
        eprintln!("no images yet: 'porthole base build nanoserver' makes the small base image");
    }
    Ok(ExitCode::SUCCESS)
}

/// The day of a Unix time.
fn day(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .map(|time| time.date().to_string())
        .unwrap_or_default()
}
