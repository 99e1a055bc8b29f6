//! What is done with images on this host: removing, pruning, filtering, counting, and what events
//! tell of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::committed::Committed;
use crate::own_cli::porthole;
use crate::registries::said;
use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("rmi_untags_deletes_and_says_what", removal),
    ("rmi_refuses_what_is_in_use_in_dockers_words", in_use),
    ("rmi_of_a_parent_keeps_what_stands_on_it", parents),
    ("images_are_filtered", filters),
    ("images_have_a_history", history),
    ("system_df_counts_shared_layers_once", df),
    ("events_tell_of_images", events),
];

pub(crate) const ALONE: &[(&str, Test)] = &[("image_prune_removes_what_has_no_name", prune)];

fn removal(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let (first, second) = ("e2e/rmi:1", "e2e/rmi-second:1");
    let made = Committed::with_text(fixture, first, "rmi")?;
    docker.ok(["tag", first, second])?;
    let short = &made.id["sha256:".len()..][..12];
    let forced = format!(
        "unable to delete {short} (must be forced) - image is referenced in multiple repositories"
    );
    said(&docker.run(["rmi", short])?, 1, &forced)?;
    let untagged = docker.ok(["rmi", second])?;
    ensure!(untagged == format!("Untagged: {second}"), "{untagged}");
    let deleted = docker.ok(["rmi", first])?;
    let lines: Vec<&str> = deleted.lines().collect();
    ensure!(
        lines.len() == 3
            && lines[0] == format!("Untagged: {first}")
            && lines[1] == format!("Deleted: {}", made.id)
            && lines[2].starts_with("Deleted: sha256:"),
        "{deleted}"
    );
    said(&docker.run(["rmi", first])?, 1, "No such image: e2e/rmi:1")?;
    let forced = docker.run(["rmi", "-f", first])?;
    ensure!(forced.code == 0, "{forced:?}");
    drop(made);
    // By the ID, with two names, by force.
    let made = Committed::with_text(fixture, first, "rmi again")?;
    docker.ok(["tag", first, second])?;
    let all = docker.ok(["rmi", "-f", &made.id])?;
    ensure!(all.matches("Untagged: ").count() == 2, "{all}");
    ensure!(all.matches("Deleted: ").count() == 2, "{all}");
    Ok(())
}

fn in_use(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let image = "e2e/rmi-used:1";
    let made = Committed::with_text(fixture, image, "used")?;
    let short = &made.id["sha256:".len()..][..12];
    let name = "e2e-rmi-user";
    docker.ok([
        "create",
        "--name",
        name,
        image,
        "ping",
        "-n",
        "600",
        "127.0.0.1",
    ])?;
    let by_name = docker.run(["rmi", image])?;
    said(
        &by_name,
        1,
        "unable to remove repository reference \"e2e/rmi-used:1\" (must force) - container",
    )?;
    let by_id = docker.run(["rmi", short])?;
    said(
        &by_id,
        1,
        "(must be forced) - image is being used by stopped container",
    )?;
    docker.ok(["start", name])?;
    let forced = docker.run(["rmi", "-f", short])?;
    said(
        &forced,
        1,
        "(cannot be forced) - image is being used by running container",
    )?;
    docker.ok(["stop", "-t", "0", name])?;
    docker.ok(["rmi", "-f", short])?;
    // What was made of it goes on.
    docker.ok(["start", name])?;
    let text = docker.ok(["exec", name, "cmd", "/c", r"type C:\made.txt"])?;
    docker.ok(["rm", "-f", name])?;
    ensure!(text == "used", "{text}");
    Ok(())
}

fn parents(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let (below, above) = ("e2e/below:1", "e2e/over:1");
    let _below = Committed::with_text(fixture, below, "below")?;
    let _above = Committed::of(fixture, below, above, r"echo over>C:\over.txt")?;
    let removed = docker.ok(["rmi", below])?;
    ensure!(removed.contains("Untagged: e2e/below:1"), "{removed}");
    let look = [
        "run",
        "--rm",
        above,
        "cmd",
        "/c",
        r"type C:\made.txt C:\over.txt",
    ];
    let seen = docker.run(look)?;
    ensure!(
        seen.stdout.contains("below") && seen.stdout.contains("over"),
        "{seen:?}"
    );
    Ok(())
}

fn filters(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let first = Committed::with_text(fixture, "e2e/filter:1", "1")?;
    let container = docker.ok(["create", "porthole/nanoserver"])?;
    let label = "LABEL e2e-filter=yes";
    let second = docker.ok(["commit", "-c", label, &container, "e2e/filter:2"])?;
    let nameless = docker.ok(["commit", "-c", label, &container])?;
    docker.ok(["rm", &container])?;
    let listed = |filters: &[&str]| -> Result<Vec<String>> {
        let mut arguments = vec!["images", "-q", "--no-trunc"];
        for filter in filters {
            arguments.extend(["--filter", filter]);
        }
        Ok(docker.ok(arguments)?.lines().map(str::to_owned).collect())
    };
    let checked = (|| {
        for (filters, expected) in [
            (&["reference=e2e/filter:*"][..], vec![&second, &first.id]),
            (&["reference=e2e/filter:1"], vec![&first.id]),
            (&["label=e2e-filter"], vec![&nameless, &second]),
            (&["label=e2e-filter=yes", "dangling=true"], vec![&nameless]),
            (&["label=e2e-filter=yes", "dangling=false"], vec![&second]),
            (&["label=e2e-filter=no"], vec![]),
            (
                &["since=e2e/filter:1", "label=e2e-filter"],
                vec![&nameless, &second],
            ),
            (
                &["before=e2e/filter:2", "reference=e2e/filter"],
                vec![&first.id],
            ),
        ] {
            let found = listed(filters)?;
            ensure!(
                found.iter().eq(expected.iter().copied()),
                "{filters:?}: {found:?}"
            );
        }
        said(
            &docker.run(["images", "--filter", "nonsense=1"])?,
            1,
            "invalid filter",
        )
    })();
    docker.ok(["rmi", "e2e/filter:2", &nameless])?;
    checked
}

fn history(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let made = Committed::with_text(fixture, "e2e/history-of:1", "history")?;
    let format = "{{.ID}}|{{.CreatedBy}}|{{.Size}}";
    let text = docker.ok(["history", "--no-trunc", "--format", format, &made.name])?;
    let lines: Vec<&str> = text.lines().collect();
    ensure!(lines.len() == 2, "{text}");
    ensure!(
        lines[0].starts_with(&format!("{}|cmd /c ", made.id)),
        "{text}"
    );
    ensure!(
        !lines[0].ends_with("|0B") && lines[1].contains("|porthole base build nanoserver|"),
        "{text}"
    );
    Ok(())
}

fn df(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let _made = Committed::with_text(fixture, "e2e/df:1", "df")?;
    let text = docker.ok(["system", "df", "-v", "--format", "{{json .Images}}"])?;
    let images: Vec<Value> = serde_json::from_str(&text)?;
    let row = images
        .iter()
        .find(|row| row["Repository"] == "e2e/df")
        .with_context(|| text.clone())?;
    let is_shared = row["SharedSize"]
        .as_str()
        .is_some_and(|size| size.contains("MB"));
    let is_small = row["UniqueSize"]
        .as_str()
        .is_some_and(|size| !size.contains("MB") && size != "0B" && size != "N/A");
    ensure!(is_shared && is_small, "{row}");
    Ok(())
}

fn events(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e/events:1";
    let made = Committed::with_text(fixture, name, "events")?;
    let saved = crate::saved::Saved::of(docker, &[name])?;
    docker.ok(["tag", name, "e2e/events:2"])?;
    docker.ok(["rmi", "e2e/events:2"])?;
    docker.ok(["rmi", name])?;
    docker.ok(["load", "-i", crate::made_images::text(&saved.file())?])?;
    docker.ok(["rmi", name])?;
    // Whole seconds count: the end must lie after the last event's.
    let end = SystemTime::now().duration_since(UNIX_EPOCH)? + Duration::from_secs(1);
    let end = end.as_secs().to_string();
    let format = "{{.Type}} {{.Action}} {{.Actor.ID}}";
    let filter = format!("image={}", made.id);
    let text = docker.ok([
        "events",
        "--since",
        "10m",
        "--until",
        &end,
        "--filter",
        "type=image",
        "--format",
        format,
    ])?;
    let told: Vec<&str> = text
        .lines()
        .filter(|line| line.ends_with(&made.id))
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    let expected = [
        "tag", "save", "tag", "untag", "untag", "delete", "load", "tag", "untag", "delete",
    ];
    ensure!(told == expected, "{told:?} in {text}");
    let only = docker.ok([
        "events", "--since", "10m", "--until", &end, "--filter", &filter, "--format", format,
    ])?;
    ensure!(
        !only.is_empty() && only.lines().all(|line| line.contains(&made.id)),
        "{only}"
    );
    Ok(())
}

/// Alone, for it would take the nameless images of other tests.
fn prune(fixture: &Fixture) -> Result<()> {
    let server = porthole_e2e::server::Server::start(&fixture.programs, fixture.place.clone())?;
    let checked = pruned(fixture);
    server.stop()?;
    checked
}

fn pruned(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let named = Committed::with_text(fixture, "e2e/prune:1", "prune")?;
    let container = docker.ok(["create", "porthole/nanoserver"])?;
    let nameless = docker.ok(["commit", "-c", "LABEL kind=nameless", &container])?;
    let used = docker.ok(["commit", "-c", "LABEL kind=used", &container])?;
    let user = docker.ok(["create", &used, "cmd"])?;
    let none = docker.ok(["image", "prune", "-f", "--filter", "label=kind=other"])?;
    ensure!(none.contains("Total reclaimed space: 0B"), "{none}");
    let pruned = docker.ok(["image", "prune", "-f"])?;
    let took = pruned.contains(&format!("deleted: {nameless}")) && !pruned.contains(&used);
    ensure!(took, "{pruned}");
    docker.ok(["rm", &container, &user])?;
    let all = porthole(
        fixture,
        &[
            "images",
            "prune",
            "-a",
            "-f",
            "--filter",
            "label!=io.porthole.wine-build",
        ],
    )?;
    ensure!(all.status.success(), "{all:?}");
    let dry = docker.run(["image", "prune", "-f"])?;
    said(&dry, 0, &used)?;
    ensure!(
        docker.run(["image", "inspect", &named.name])?.code == 0,
        "a name keeps an image"
    );
    fixture.check_store()
}
