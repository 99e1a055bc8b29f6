//! `porthole images`, `tag`, `rmi` and `history`.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::models::{ImageDeleteResponseItem, ImageHistoryResponseItem, ImageSummary};
use bollard::query_parameters::{
    ListImagesOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use porthole_store::Reference;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::each::filters;
use crate::arguments::{ImagesLs, Named, Rmi, Tag};
use crate::failure;
use crate::moment;
use crate::output::{Fields, Format, print_json, remark, say};
use crate::shown;
use crate::table::{Table, short_id, size};

const NONE: &str = "<none>";

const FIELDS: &Fields = &[
    ("ID", "IMAGE ID"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("CreatedBy", "CREATED BY"),
];

/// `porthole tag`.
pub(crate) async fn tag(client: &Docker, tag: &Tag) -> Result<ExitCode> {
    // The daemon would name the fault twice, once of them for the name that it puts together.
    tag.name.parse::<Reference>()?;
    let last = tag.name.rfind('/').map_or(0, |slash| slash + 1);
    let mut options = TagImageOptionsBuilder::default();
    options = match tag.name[last..].split_once(':') {
        Some((path, name)) => options.repo(&tag.name[..last + path.len()]).tag(name),
        None => options.repo(&tag.name),
    };
    client.tag_image(&tag.image, Some(options.build())).await?;
    Ok(ExitCode::SUCCESS)
}

/// `porthole rmi`: says what was taken away; one image that stays does not stop it.
pub(crate) async fn remove(client: &Docker, rmi: &Rmi) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for name in &rmi.images {
        let options = RemoveImageOptionsBuilder::default()
            .force(rmi.force)
            .noprune(rmi.no_prune)
            .build();
        match client.remove_image(name, Some(options), None).await {
            Ok(removed) => tell(&removed)?,
            Err(error) => {
                failure::tell(&error.into());
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// Names the images and layers that went.
pub(super) fn tell(removed: &[ImageDeleteResponseItem]) -> std::io::Result<()> {
    for ImageDeleteResponseItem { untagged, deleted } in removed {
        if let Some(name) = untagged {
            say!("Untagged: {name}")?;
        }
        if let Some(id) = deleted {
            say!("Deleted: {id}")?;
        }
    }
    Ok(())
}

/// `porthole images`.
pub(crate) async fn list(client: &Docker, ls: ImagesLs, json: bool) -> Result<ExitCode> {
    let format = Format::of(ls.format.as_deref(), json)?;
    if let Some(format) = &format {
        rows(&ImageSummary::default(), "")
            .iter()
            .try_for_each(|row| format.check(row))?;
    }
    let mut filter = ls.filter.clone();
    filter.extend(ls.name.clone().map(|name| ("reference".to_owned(), name)));
    let options = ListImagesOptionsBuilder::default()
        .all(ls.all)
        .filters(&filters(filter));
    let images = client.list_images(Some(options.build())).await?;
    let id = |image: &ImageSummary| {
        if ls.no_trunc {
            image.id.clone()
        } else {
            short_id(&image.id).to_owned()
        }
    };
    if ls.quiet {
        let ids: Vec<_> = images.iter().map(id).collect();
        if json {
            print_json(&ids)?;
        } else {
            for id in ids {
                say!("{id}")?;
            }
        }
    } else if json {
        print_json(&images)?;
    } else if let Some(format) = format {
        let rows: Vec<_> = images
            .iter()
            .flat_map(|image| rows(image, &id(image)))
            .collect();
        format.print(FIELDS, &rows)?;
    } else {
        print(&images, &ls, id)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(
    images: &[ImageSummary],
    ls: &ImagesLs,
    id: impl Fn(&ImageSummary) -> String,
) -> Result<()> {
    let mut titles = vec!["IMAGE", "ID", "CREATED", "SIZE"];
    if ls.digests {
        titles.push("DIGEST");
    }
    let mut table = Table::new(&titles);
    for image in images {
        let names = if image.repo_tags.is_empty() {
            NONE.to_owned()
        } else {
            image.repo_tags.join(", ")
        };
        let mut cells = vec![
            names,
            id(image),
            moment::ago(image.created, OffsetDateTime::now_utc()),
            taken(image.size),
        ];
        if ls.digests {
            cells.push(digest(image).to_owned());
        }
        table.row(cells);
    }
    table.print()?;
    if images.is_empty() && ls.filter.is_empty() && ls.name.is_none() {
        remark!("no images yet: 'porthole base build nanoserver' makes the small base image");
    }
    Ok(())
}

/// A row for each name, with the fields that docker's `--format` has.
fn rows(image: &ImageSummary, id: &str) -> Vec<Value> {
    let mut names: Vec<(&str, &str)> = image
        .repo_tags
        .iter()
        .map(|name| name.rsplit_once(':').unwrap_or((name, NONE)))
        .collect();
    if names.is_empty() {
        names.push((NONE, NONE));
    }
    let row = |(repository, tag)| {
        json!({
            "ID": id,
            "Repository": repository,
            "Tag": tag,
            "Digest": digest(image),
            "CreatedSince": moment::ago(image.created, OffsetDateTime::now_utc()),
            "CreatedAt": moment::at(image.created),
            "Size": taken(image.size),
            "Containers": image.containers.to_string(),
        })
    };
    names.into_iter().map(row).collect()
}

fn digest(image: &ImageSummary) -> &str {
    let name = image.repo_digests.first();
    name.and_then(|name| name.split_once('@'))
        .map_or(NONE, |(_, digest)| digest)
}

fn taken(bytes: i64) -> String {
    size(u64::try_from(bytes).unwrap_or_default())
}

/// `porthole history`.
pub(crate) async fn history(client: &Docker, named: &Named, json: bool) -> Result<ExitCode> {
    let format = Format::of(named.format.as_deref(), json)?;
    let steps = client.image_history(&named.image).await?;
    if json {
        print_json(&steps)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Value> = steps
        .iter()
        .map(|step| step_row(step, named.no_trunc))
        .collect();
    let cell = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    if named.quiet {
        for row in &rows {
            say!("{}", cell(row, "ID"))?;
        }
    } else if let Some(format) = format {
        format.print(FIELDS, &rows)?;
    } else {
        let mut table = Table::new(&["ID", "CREATED", "SIZE", "CREATED BY", "COMMENT"]);
        let fields = ["ID", "CreatedSince", "Size", "CreatedBy", "Comment"];
        for row in &rows {
            table.row(fields.map(|name| shown::escaped(&cell(row, name))));
        }
        table.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn step_row(step: &ImageHistoryResponseItem, whole: bool) -> Value {
    const WIDTH: usize = 60;
    let made_by = if whole || step.created_by.chars().count() <= WIDTH {
        step.created_by.clone()
    } else {
        step.created_by
            .chars()
            .take(WIDTH - 1)
            .chain(['…'])
            .collect()
    };
    json!({
        "ID": if whole { &step.id } else { short_id(&step.id) },
        "CreatedSince": moment::ago(step.created, OffsetDateTime::now_utc()),
        "CreatedAt": moment::at(step.created),
        "CreatedBy": made_by,
        "Size": taken(step.size),
        "Comment": step.comment,
    })
}
