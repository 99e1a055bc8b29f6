//! `porthole prune`, `images prune` and `system prune`.

use std::io::{BufRead, Write};
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
use crate::output::{print_json, remark, say, with_spinner};
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
        say!("{id}")?;
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
    tell(&pruned.images_deleted.unwrap_or_default())?;
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
    for line in lines {
        say!("{line}")?;
    }
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
    remark!("{} are free again", size(bytes));
}

/// Asks whoever sits there, unless told not to.
fn confirmed(prune: &Prune, what: &str) -> Result<bool> {
    if prune.force {
        return Ok(true);
    }
    let mut prompt = std::io::stderr().lock();
    // Who does not see the question answers it with nothing.
    let _ = write!(prompt, "{what} Go on? [y/N] ").and_then(|()| prompt.flush());
    drop(prompt);
    let agreed = answer(std::io::stdin().lock())?;
    if !agreed {
        remark!("nothing was removed");
    }
    Ok(agreed)
}

/// Whether the next line agrees, whoever writes it: a pipe may answer too, as docker has it.
fn answer(input: impl BufRead) -> Result<bool> {
    /// Bytes of an answer at most.
    const LIMIT: u64 = 1024;
    let mut answer = String::new();
    if input.take(LIMIT).read_line(&mut answer)? == 0 {
        bail!("nothing was removed: pass --force where nobody can be asked");
    }
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn a_pipe_may_answer_and_silence_is_no_answer() {
        for (input, agreed) in [("y\n", true), ("Y", true), ("n\n", false), ("\n", false)] {
            assert_eq!(answer(input.as_bytes()).expect(input), agreed);
        }
        let refusal = answer("".as_bytes()).expect_err("an answer");
        assert!(refusal.to_string().contains("--force"), "{refusal}");
    }
}
