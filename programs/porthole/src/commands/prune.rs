//! `porthole prune`, `images prune` and `system prune`.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use bollard::Docker;
use bollard::models::ImagePruneResponse;
use bollard::query_parameters::{
    PruneBuildOptionsBuilder, PruneContainersOptionsBuilder, PruneImagesOptionsBuilder,
    PruneNetworksOptionsBuilder, PruneVolumesOptionsBuilder,
};
use serde_json::json;

use super::each::filters;
use super::images::tell;
use crate::arguments::{ImagesPrune, Prune, SystemPrune};
use crate::output::{print_json, with_spinner};
use crate::table::size;

/// `porthole prune`.
pub(crate) async fn containers(client: &Docker, prune: Prune, json: bool) -> Result<ExitCode> {
    if !confirmed(
        &prune,
        "All containers that do not run are removed, with their files.",
    )? {
        return Ok(ExitCode::FAILURE);
    }
    let options = PruneContainersOptionsBuilder::default().filters(&filters(prune.filter));
    let work = client.prune_containers(Some(options.build()));
    let pruned = with_spinner("removing containers".to_owned(), work).await?;
    if json {
        print_json(&pruned)?;
        return Ok(ExitCode::SUCCESS);
    }
    for id in pruned.containers_deleted.unwrap_or_default() {
        println!("{id}");
    }
    reclaimed(pruned.space_reclaimed);
    Ok(ExitCode::SUCCESS)
}

/// `porthole images prune`.
pub(crate) async fn images(client: &Docker, images: ImagesPrune, json: bool) -> Result<ExitCode> {
    let what = if images.all {
        "All images that no container is made from are removed."
    } else {
        "All images that have no name and that no container is made from are removed."
    };
    if !confirmed(&images.prune, what)? {
        return Ok(ExitCode::FAILURE);
    }
    let work = unused_images(client, images.prune.filter, images.all);
    let pruned = with_spinner("removing images".to_owned(), work).await?;
    if json {
        print_json(&pruned)?;
        return Ok(ExitCode::SUCCESS);
    }
    tell(&pruned.images_deleted.unwrap_or_default());
    reclaimed(pruned.space_reclaimed);
    Ok(ExitCode::SUCCESS)
}

/// `porthole system prune`.
pub(crate) async fn system(client: &Docker, system: SystemPrune, json: bool) -> Result<ExitCode> {
    let what = format!(
        "All containers that do not run, networks{} and {} are removed.",
        if system.volumes { ", volumes" } else { "" },
        if system.all {
            "images that no container is made from"
        } else {
            "images that have no name"
        }
    );
    if !confirmed(&system.prune, &what)? {
        return Ok(ExitCode::FAILURE);
    }
    let work = prune_all(client, system);
    let (answer, lines, bytes) = with_spinner("cleaning up".to_owned(), work).await?;
    if json {
        print_json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    lines.iter().for_each(|line| println!("{line}"));
    reclaimed(Some(bytes));
    Ok(ExitCode::SUCCESS)
}

/// What each kind of object answered, lines for people, and the bytes that are free again.
async fn prune_all(
    client: &Docker,
    system: SystemPrune,
) -> Result<(serde_json::Value, Vec<String>, i64)> {
    let filter = filters(system.prune.filter.clone());
    let options = PruneContainersOptionsBuilder::default().filters(&filter);
    let containers = client.prune_containers(Some(options.build())).await?;
    let options = PruneNetworksOptionsBuilder::default().filters(&filter);
    let networks = client.prune_networks(Some(options.build())).await?;
    let mut volumes = None;
    if system.volumes {
        let options = PruneVolumesOptionsBuilder::default().filters(&filter);
        volumes = Some(client.prune_volumes(Some(options.build())).await?);
    }
    let images = unused_images(client, system.prune.filter, system.all).await?;
    let options = PruneBuildOptionsBuilder::default().all(system.all);
    let cache = client.prune_build(Some(options.build())).await?;
    let answer = json!({ "Containers": containers, "Networks": networks, "Volumes": volumes,
        "Images": images, "BuildCache": cache });
    let mut lines = Vec::new();
    let mut add = |kind: &str, names: Option<Vec<String>>| {
        lines.extend(
            names
                .into_iter()
                .flatten()
                .map(|name| format!("{kind} {name}")),
        );
    };
    let mut bytes = 0;
    let volume_bytes = volumes.as_ref().and_then(|volumes| volumes.space_reclaimed);
    for part in [
        containers.space_reclaimed,
        volume_bytes,
        images.space_reclaimed,
        cache.space_reclaimed,
    ] {
        bytes += part.unwrap_or_default();
    }
    add("container", containers.containers_deleted);
    add("network", networks.networks_deleted);
    add(
        "volume",
        volumes.and_then(|volumes| volumes.volumes_deleted),
    );
    let gone = images.images_deleted.unwrap_or_default().into_iter();
    let gone = gone.filter_map(|image| image.untagged.or(image.deleted));
    add("image", Some(gone.collect()));
    Ok((answer, lines, bytes))
}

/// Removes the images that nobody uses: those without a name, or all of them.
async fn unused_images(
    client: &Docker,
    mut filter: Vec<(String, String)>,
    all: bool,
) -> Result<ImagePruneResponse> {
    filter.push(("dangling".to_owned(), (!all).to_string()));
    let options = PruneImagesOptionsBuilder::default().filters(&filters(filter));
    Ok(client.prune_images(Some(options.build())).await?)
}

fn reclaimed(bytes: Option<i64>) {
    let bytes = u64::try_from(bytes.unwrap_or_default()).unwrap_or_default();
    eprintln!("{} are free again", size(bytes));
}

/// Asks whoever sits there, unless told not to.
fn confirmed(prune: &Prune, what: &str) -> Result<bool> {
    if prune.force {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        bail!("{what} Pass --force where nobody can be asked");
    }
    eprint!("{what} Go on? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
