//! `docker commit`: of containers in every state, with every option.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::committed::{Committed, text_in};
use crate::own_cli::porthole;
use crate::registries::said;
use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("commit_works_in_every_state", states),
    ("commit_takes_who_what_and_instructions", options),
    ("commit_failures_have_dockers_words", failures),
    ("commit_through_the_own_cli", own_cli),
];

const MAKE: [&str; 3] = ["cmd", "/c", r"echo made>C:\made.txt"];

fn states(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-commit-states";
    docker.idle(
        name,
        &["-u", "ContainerAdministrator", "porthole/nanoserver"],
    )?;
    docker.ok(["exec", name].iter().chain(&MAKE))?;
    let mut images = Vec::new();
    for (state, pause) in [
        ("running", "--pause=true"),
        ("running", "--pause=false"),
        ("paused", "--pause=true"),
        ("exited", "--pause=true"),
    ] {
        match state {
            "paused" => docker.ok(["pause", name])?,
            "exited" => {
                docker.ok(["unpause", name])?;
                docker.ok(["stop", "-t", "0", name])?
            }
            _ => String::new(),
        };
        let image = format!("e2e/commit-{state}:{}", images.len());
        let id = docker.ok(["commit", pause, name, &image])?;
        ensure!(id.starts_with("sha256:"), "{id}");
        let now = docker.ok(["inspect", "-f", "{{.State.Status}}", name])?;
        ensure!(now == state, "it was {state} and is {now}");
        images.push(image);
    }
    docker.ok(["rm", name])?;
    for image in &images {
        ensure!(text_in(docker, image)? == "made", "{image}");
        docker.ok(["rmi", image])?;
    }
    never_started(fixture)
}

/// A container that has never run has changed nothing.
fn never_started(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let id = docker.ok(["create", "porthole/nanoserver", "cmd", "/c", "ver"])?;
    let image = docker.ok(["commit", &id])?;
    docker.ok(["rm", &id])?;
    let ran = docker.run(["run", "--rm", &image]);
    docker.ok(["rmi", &image])?;
    said(&ran?, 0, "Windows")
}

/// Instructions, the place in the configuration that they change, and what must stand there.
fn instructions() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        (
            r#"CMD ["cmd", "/c", "set CITY"]"#,
            "/Cmd",
            json!(["cmd", "/c", "set CITY"]),
        ),
        ("ENTRYPOINT []", "/Entrypoint", json!([])),
        (r"ENV CITY=Kiel", "/Env", json!(["CITY=Kiel"])),
        (
            "EXPOSE 8080/tcp",
            "/ExposedPorts",
            json!({ "8080/tcp": {} }),
        ),
        ("LABEL tier=test", "/Labels/tier", json!("test")),
        ("USER ContainerUser", "/User", json!("ContainerUser")),
        (r"WORKDIR C:\work", "/WorkingDir", json!(r"C:\work")),
        ("STOPSIGNAL SIGINT", "/StopSignal", json!("SIGINT")),
        ("ONBUILD RUN ver", "/OnBuild", json!(["RUN ver"])),
        (r"VOLUME C:\data", "/Volumes", json!({ r"C:\data": {} })),
        (
            "HEALTHCHECK --interval=5s CMD ver",
            "/Healthcheck/Interval",
            json!(5_000_000_000_u64),
        ),
    ]
}

fn options(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let container = docker.ok(["create", "porthole/nanoserver", "cmd", "/c", "ver"])?;
    let wanted = instructions();
    let mut arguments = vec![
        "commit",
        "--author",
        "An Author <a@example.org>",
        "--message",
        "what was done",
    ];
    for (instruction, ..) in &wanted {
        arguments.extend(["--change", instruction]);
    }
    let image = "e2e/commit-options:1";
    arguments.extend([container.as_str(), image]);
    let committed = docker.run(&arguments);
    let inspected = docker.inspect(image);
    let history = docker.run([
        "history",
        "--no-trunc",
        "--format",
        "{{.CreatedBy}}|{{.Comment}}",
        image,
    ]);
    let ran = docker.run(["run", "--rm", image]);
    docker.run(["rmi", "-f", image])?;
    docker.ok(["rm", &container])?;
    said(&committed?, 0, "sha256:")?;
    let inspected = inspected?;
    ensure!(
        inspected["Author"] == "An Author <a@example.org>",
        "{inspected}"
    );
    ensure!(inspected["Comment"] == "what was done", "{inspected}");
    for (instruction, place, expected) in &wanted {
        let found = inspected["Config"].pointer(place).unwrap_or(&Value::Null);
        ensure!(found == expected, "{instruction}: {found}");
    }
    let history = history?.stdout;
    let first = history.lines().next().unwrap_or_default();
    ensure!(first == "cmd /c ver|what was done", "{history}");
    ensure!(history.lines().count() == 2, "{history}");
    said(&ran?, 0, "CITY=Kiel")
}

fn failures(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let container = docker.ok(["create", "porthole/nanoserver"])?;
    for (arguments, words) in [
        (&["commit", "e2e-no-such"][..], "No such container"),
        (
            &["commit", &container, "BAD/Name"],
            "invalid reference format",
        ),
        (
            &["commit", &container, "porthole/mine"],
            "names that begin with porthole/",
        ),
        (&["commit", "--change", "RUN ver", &container], "RUN"),
        (&["commit", "--change", "ENV", &container], "ENV"),
    ] {
        let outcome = docker.run(arguments)?;
        ensure!(outcome.code == 1, "{arguments:?}: {outcome:?}");
        let said = outcome.stderr.to_lowercase();
        ensure!(
            said.contains(&words.to_lowercase()),
            "{arguments:?}: {outcome:?}"
        );
    }
    docker.ok(["rm", &container])?;
    Ok(())
}

fn own_cli(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let made = Committed::with_text(fixture, "e2e/own-commit:1", "first")?;
    let container = docker.ok(["create", &made.name, "cmd", "/c", "ver"])?;
    let image = "e2e/own-commit:2";
    let committed = porthole(
        fixture,
        &[
            "commit",
            "-a",
            "me",
            "-m",
            "again",
            "-c",
            "LABEL a=b",
            &container,
            image,
        ],
    )?;
    docker.ok(["rm", &container])?;
    ensure!(committed.status.success(), "{committed:?}");
    let format = "{{.Author}} {{.Comment}} {{.Config.Labels.a}} {{.Id}}";
    let told = docker.ok(["image", "inspect", "-f", format, image])?;
    let text = text_in(docker, image);
    docker.ok(["rmi", image])?;
    let id = String::from_utf8_lossy(&committed.stdout).trim().to_owned();
    ensure!(told == format!("me again b {id}"), "{told}: {id}");
    ensure!(text? == "first");
    Ok(())
}
