//! Porthole's own command line, as a user who knows docker expects it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("own_cli_run_rm_never_loses_the_exit_code", exit_code),
    ("own_cli_run_dit_leaves_a_console_to_itself", detached),
    ("own_cli_failures_have_dockers_codes", failures),
    ("own_cli_goes_through_a_containers_life", life),
    ("own_cli_formats_are_dockers", formats),
    ("own_cli_create_says_all_that_docker_says", created),
    ("own_cli_attach_and_start_stay_with_the_program", attached),
    ("own_cli_tags_lists_and_removes_images", images),
    ("own_cli_completes_the_names_of_containers", completion),
    ("own_cli_ends_quietly_with_its_reader", closed_pipes),
    ("own_cli_lists_objects_by_their_kind", kinds),
];

pub(crate) fn porthole(fixture: &Fixture, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(fixture.programs.join("porthole"));
    command
        .args(["-H", fixture.docker.host()])
        .args(arguments)
        .stdin(Stdio::null());
    command.output().context("cannot run porthole")
}

/// The container removes itself as soon as its program ends, which is at once.
fn exit_code(fixture: &Fixture) -> Result<()> {
    for round in 0..10 {
        let image = "porthole/nanoserver";
        let ran = porthole(fixture, &["run", "--rm", image, "cmd", "/c", "exit 7"])?;
        ensure!(ran.status.code() == Some(7), "round {round}: {ran:?}");
    }
    Ok(())
}

fn detached(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-own-dit";
    let ran = porthole(
        fixture,
        &["run", "-dit", "--name", name, "porthole/nanoserver", "cmd"],
    )?;
    let format = "{{.Id}} {{.State.Running}} {{.Config.Tty}} {{.Config.OpenStdin}}";
    let seen = docker.ok(["inspect", "-f", format, name])?;
    let removed = porthole(fixture, &["rm", "-f", name])?;
    let printed = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
    ensure!(
        seen == format!("{printed} true true true"),
        "{seen}: {ran:?}"
    );
    ensure!(removed.status.success(), "{removed:?}");
    Ok(())
}

/// Commands in a container's order of life, and what each must print.
const LIFE: &[(&[&str], &str)] = &[
    (&["pause", "e2e-life"], "e2e-life"),
    (&["ps"], "(Paused)"),
    (&["unpause", "e2e-life"], "e2e-life"),
    (&["top", "e2e-life"], "PING.EXE"),
    (&["rename", "e2e-life", "e2e-life2"], ""),
    (
        &[
            "update",
            "-m",
            "256m",
            "--restart",
            "on-failure:3",
            "e2e-life2",
        ],
        "e2e-life2",
    ),
    (
        &["inspect", "-f", "{{.HostConfig.Memory}}", "e2e-life2"],
        "268435456",
    ),
    (
        &["logs", "-n", "1", "--since", "1h", "e2e-life2"],
        "127.0.0.1",
    ),
    (
        &[
            "stats",
            "--no-stream",
            "--format",
            "{{.Name}}={{.CPUPerc}}",
            "e2e-life2",
        ],
        "e2e-life2=",
    ),
    (&["system", "df"], "Images"),
    (&["system", "df", "-v"], "e2e-life2"),
    (&["info", "--format", "{{.OSType}}"], "windows"),
    (
        &[
            "events",
            "--since",
            "1h",
            "--until",
            "0s",
            "--filter",
            "container=e2e-life2",
        ],
        "rename",
    ),
    (&["stats", "--no-stream", "e2e-life2"], "e2e-life2"),
    (&["inspect", "e2e-life2"], "\"Running\": true"),
    (&["restart", "-t", "0", "e2e-life2"], "e2e-life2"),
    (&["kill", "e2e-life2"], "e2e-life2"),
    (&["wait", "e2e-life2"], ""),
    (&["start", "e2e-life2"], "e2e-life2"),
    (&["stop", "-t", "0", "e2e-life2"], "e2e-life2"),
    (&["rm", "e2e-life2"], "e2e-life2"),
    (&["completion", "bash"], "_clap_complete_porthole porthole"),
];

fn life(fixture: &Fixture) -> Result<()> {
    let run = [
        "run",
        "-d",
        "--name",
        "e2e-life",
        "porthole/nanoserver",
        "ping",
        "-t",
        "127.0.0.1",
    ];
    let ran = porthole(fixture, &run)?;
    ensure!(ran.status.success(), "{ran:?}");
    for (arguments, expected) in LIFE {
        let ran = porthole(fixture, arguments)?;
        let printed = String::from_utf8_lossy(&ran.stdout);
        let found = printed.to_uppercase().contains(&expected.to_uppercase());
        ensure!(
            ran.status.success() && found,
            "porthole {arguments:?}: {ran:?}"
        );
    }
    Ok(())
}

/// Arguments, the exit code, and what the error must hold.
const FAILURES: &[(&[&str], i32, &str)] = &[
    (
        &["run", "--rm", "porthole/nanoserver", r"C:\no\such.exe"],
        127,
        "cannot find the",
    ),
    (
        &["run", "porthole/nothing"],
        125,
        "porthole/nothing:latest is no base OS image",
    ),
    (
        &["run", "--pull", "never", "porthole/nothing"],
        125,
        "No such image",
    ),
    (
        &["create", "--privileged", "porthole/nanoserver"],
        125,
        "privileged mode is not supported for Windows containers",
    ),
    (&["attach", "e2e-no-such"], 1, "No such container"),
    (&["ps", "--format", "{{range .}}"], 1, "has no {{end}}"),
    (
        &["ps", "--filter", "name=e2e-none", "--format", "{{.Nope}}"],
        1,
        "there are: Command, CreatedAt",
    ),
    (
        &["run", "--rm", "porthole/nanoserver", "--version"],
        127,
        "cannot find the",
    ),
    (
        &["run", "-d", "--detach-keys", "foo", "porthole/nanoserver"],
        125,
        "--detach-keys",
    ),
    (
        &["run", "-p", "99999:80", "porthole/nanoserver"],
        125,
        "invalid hostPort: 99999",
    ),
    (
        &["prune", "--filter", "label=e2e-none"],
        1,
        "nothing was removed: pass --force",
    ),
    (
        &["tag", "porthole/nanoserver", "BAD/Name"],
        1,
        "repository name must be lowercase",
    ),
    (&["network", "inspect", "e2e-none"], 1, "e2e-none"),
    (&["commit", "e2e-no-such"], 1, "No such container"),
    (&["diff", "e2e-no-such"], 1, "No such container"),
    (&["diff", "--registry", "e2e-no-such"], 1, "e2e-no-such"),
    (
        &["build", "."],
        1,
        "build is planned; this version does not have it yet",
    ),
    (&["update", "e2e-no-such"], 1, "update changes nothing"),
    (
        &["tag", "porthole/nanoserver", "porthole/mine"],
        1,
        "names that begin with porthole/",
    ),
    (&["run", "--nonsense"], 125, "--nonsense"),
    (&["rm", "e2e-no-such"], 1, "No such container"),
    (&["logs", "e2e-no-such"], 1, "No such container"),
    (&["rm", "--json", "e2e-no-such"], 1, "--json is for"),
];

fn failures(fixture: &Fixture) -> Result<()> {
    for (arguments, code, words) in FAILURES {
        let ran = porthole(fixture, arguments)?;
        let told = String::from_utf8_lossy(&ran.stderr);
        ensure!(
            ran.status.code() == Some(*code) && told.contains(words),
            "porthole {arguments:?}: {ran:?}"
        );
    }
    Ok(())
}

/// What both programs print of the same containers.
fn formats(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-own-format";
    docker.idle(
        name,
        &[
            "-l",
            "tier=test",
            "-p",
            "80",
            "-p",
            "38100-38102:38100-38102/udp",
            "porthole/nanoserver",
        ],
    )?;
    let filter = format!("name={name}");
    let only = ["--no-trunc", "--filter", filter.as_str()];
    let mut differences = Vec::new();
    let mut compare = |arguments: &[&str]| -> Result<()> {
        let ours = porthole(fixture, arguments)?;
        let ours = String::from_utf8_lossy(&ours.stdout)
            .trim_end_matches(['\r', '\n'])
            .to_owned();
        let dockers = docker.ok(arguments)?;
        if ours != dockers {
            differences.push(format!("{arguments:?}: {ours:?} and {dockers:?}"));
        }
        Ok(())
    };
    for format in [
        "{{.ID}}\\t{{.Names}} {{.Image}} {{.Command}}",
        "{{.State}} {{.Ports}} {{.Labels}} {{.Networks}} {{.LocalVolumes}} {{.Mounts}}",
        "{{json .Names}} {{upper .Names}}",
        "{{.RunningFor}}",
        "{{.Label \"tier\"}} {{.Label \"none\"}} {{if .Names}}named{{end}}",
    ] {
        compare(&[&["ps", "--format", format][..], &only].concat())?;
    }
    compare(&["ps", "-q", only[0], only[1], only[2]])?;
    for format in [
        "{{.State.Status}} {{.State.ExitCode}} {{.Config.Env}}",
        "{{json .Config.Labels}} {{index .Config.Labels \"tier\"}}",
        "{{.HostConfig.NetworkMode}}{{println}}{{.Path}}",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        "{{range $p, $conf := .NetworkSettings.Ports}}{{$p}} -> {{(index $conf 0).HostPort}} {{end}}",
        "{{if eq .State.Status \"running\"}}up{{else}}down{{end}} {{len .Args}}",
    ] {
        compare(&["inspect", "-f", format, name])?;
    }
    compare(&["port", name])?;
    compare(&["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"])?;
    compare(&["images", "-aq", "porthole/nanoserver"])?;
    compare(&[
        "network",
        "ls",
        "--format",
        "{{.ID}} {{.Name}} {{.Driver}} {{.Internal}}",
    ])?;
    compare(&["volume", "ls", "-q"])?;
    let row = porthole(
        fixture,
        &["ps", "--format", "table {{.Names}}\\t{{.CreatedAt}}"],
    )?;
    docker.ok(["rm", "-f", name])?;
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    let heading = String::from_utf8_lossy(&row.stdout).into_owned();
    ensure!(
        heading.starts_with("NAMES ") && heading.contains("CREATED AT"),
        "{heading}"
    );
    Ok(())
}

/// Docker and this program are told the same and must make the same of it.
fn created(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let variables = directory.path().join("variables");
    std::fs::write(&variables, "# said\nFROM_FILE=1\n")?;
    let file = variables.display().to_string();
    let bind = format!("{}:C:/data:ro", directory.path().display());
    let options = [
        "-m",
        "64m",
        "--cpus",
        "0.5",
        "--restart",
        "on-failure:2",
        "--health-cmd",
        "exit 0",
        "--health-interval",
        "2s",
        "--health-retries",
        "4",
        "--log-driver",
        "local",
        "--log-opt",
        "max-size=1m",
        "--env-file",
        &file,
        "-e",
        "A=1",
        "-h",
        "machine",
        "-l",
        "a=b",
        "-p",
        "127.0.0.1::80",
        "--expose",
        "90-91",
        "--stop-signal",
        "SIGINT",
        "--stop-timeout",
        "5",
        "--isolation",
        "process",
        "-u",
        "ContainerUser",
        "-w",
        "C:/data",
        "-v",
        &bind,
        "-it",
        "--entrypoint",
        "cmd",
        "porthole/nanoserver",
        "/c",
        "ver",
    ];
    let docker = &fixture.docker;
    let cid = directory.path().join("cid");
    let cid_text = cid.display().to_string();
    let ours = [&["create", "--cidfile", &cid_text][..], &options].concat();
    let ours = porthole(fixture, &ours)?;
    ensure!(ours.status.success(), "{ours:?}");
    let id = String::from_utf8_lossy(&ours.stdout).trim().to_owned();
    let dockers = docker.ok([&["create"][..], &options].concat())?;
    let read = |id: &str| -> Result<serde_json::Value> {
        let all = docker.inspect(id)?;
        let mut host = all["HostConfig"].clone();
        // Only this program was told of a file; docker sends a size that it has without a terminal.
        for field in ["ContainerIDFile", "ConsoleSize"] {
            host[field] = serde_json::Value::Null;
        }
        Ok(serde_json::json!([all["Config"], host]))
    };
    let (seen, expected) = (read(&id)?, read(&dockers)?);
    docker.ok(["rm", &id, &dockers])?;
    ensure!(seen == expected, "{seen:#}\nand docker's {expected:#}");
    ensure!(
        std::fs::read_to_string(&cid)? == id,
        "the file has another ID"
    );
    Ok(())
}

fn attached(fixture: &Fixture) -> Result<()> {
    let name = "e2e-own-attach";
    let made = [
        "create",
        "-i",
        "--name",
        name,
        "porthole/nanoserver",
        "cmd",
        "/c",
        "set /p word= & call echo got %word% & exit 9",
    ];
    let made = porthole(fixture, &made)?;
    ensure!(made.status.success(), "{made:?}");
    let mut command = Command::new(fixture.programs.join("porthole"));
    let mut started = command
        .args(["-H", fixture.docker.host(), "start", "-ai", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = started.stdin.take().context("a pipe")?;
    input.write_all(b"word\r\n")?;
    drop(input);
    let ended = started.wait_with_output()?;
    fixture.docker.ok(["rm", name])?;
    let printed = String::from_utf8_lossy(&ended.stdout).into_owned();
    ensure!(
        ended.status.code() == Some(9) && printed.contains("got word"),
        "{ended:?}"
    );
    // A program that runs already: its end is what attach waits for.
    fixture.docker.ok([
        "run",
        "-d",
        "--name",
        name,
        "porthole/nanoserver",
        "cmd",
        "/c",
        "ping -n 4 127.0.0.1 & exit 5",
    ])?;
    let ended = porthole(fixture, &["attach", "--no-stdin", name])?;
    let again = porthole(fixture, &["attach", name])?;
    fixture.docker.ok(["rm", name])?;
    ensure!(ended.status.code() == Some(5), "{ended:?}");
    let told = String::from_utf8_lossy(&again.stderr).into_owned();
    ensure!(told.contains("it does not run"), "{told}");
    Ok(())
}

fn images(fixture: &Fixture) -> Result<()> {
    let name = "r.example:5000/e2e/own:1";
    for (arguments, expected) in [
        (&["tag", "porthole/nanoserver", name][..], ""),
        (
            &[
                "images",
                "--filter",
                "reference=r.example:5000/e2e/own",
                "--format",
                "{{.Repository}} {{.Tag}}",
            ],
            "r.example:5000/e2e/own 1",
        ),
        (&["history", name], "CREATED BY"),
        (&["rmi", name], "Untagged: r.example:5000/e2e/own:1"),
        (&["images", "prune", "-f"], ""),
        (&["system", "prune", "-f", "--filter", "label=e2e-none"], ""),
    ] {
        let ran = porthole(fixture, arguments)?;
        let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
        ensure!(
            ran.status.success() && printed.contains(expected),
            "{arguments:?}: {ran:?}"
        );
    }
    Ok(())
}

fn completion(fixture: &Fixture) -> Result<()> {
    let name = "e2e-own-completed";
    let docker = &fixture.docker;
    docker.ok(["create", "--name", name, "porthole/nanoserver"])?;
    // As the script of `porthole completion bash` asks.
    let asked = Command::new(fixture.programs.join("porthole"))
        .args(["--", "porthole", "rm", "e2e-own-comp"])
        .env("COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "2")
        .env("PORTHOLE_HOST", docker.host())
        .output()?;
    // It does not run, so there is nothing to stop.
    let stopped = Command::new(fixture.programs.join("porthole"))
        .args(["--", "porthole", "stop", "e2e-own-comp"])
        .env("COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "2")
        .env("PORTHOLE_HOST", docker.host())
        .output()?;
    docker.ok(["rm", name])?;
    ensure!(String::from_utf8_lossy(&asked.stdout) == name, "{asked:?}");
    ensure!(stopped.stdout.is_empty(), "{stopped:?}");
    Ok(())
}

/// `porthole … | head -1`: the reader goes away, and the program without a word.
fn closed_pipes(fixture: &Fixture) -> Result<()> {
    let name = "e2e-own-pipe";
    let run = [
        "run",
        "--name",
        name,
        "porthole/nanoserver",
        "ping",
        "-t",
        "127.0.0.1",
    ];
    for arguments in [&run[..], &["stats", "--json", name], &["logs", "-f", name]] {
        let mut program = Command::new(fixture.programs.join("porthole"))
            .args(["-H", fixture.docker.host()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(program.stdout.take().context("a pipe")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        drop(output);
        let ended = program.wait_with_output()?;
        ensure!(
            ended.status.code() == Some(1) && ended.stderr.is_empty() && !line.is_empty(),
            "{arguments:?}: {line:?}, {ended:?}"
        );
        if arguments[0] == "stats" {
            ensure!(
                line.contains("\"CPUPerc\":") && line.contains(name),
                "{line}"
            );
        }
    }
    fixture.docker.ok(["rm", "-f", name])?;
    // A set-up that nobody listens to is carried out all the same.
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let planned = Command::new(fixture.programs.join("porthole"))
        .args(["setup", "--dry-run"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()?;
    const PANICKED: i32 = 101;
    let code = planned.status.code();
    ensure!(
        code.is_some_and(|code| code != PANICKED) && planned.stderr.is_empty(),
        "{planned:?}"
    );
    Ok(())
}

fn kinds(fixture: &Fixture) -> Result<()> {
    for (arguments, expected) in [
        (&["container", "ls", "-a"][..], "CONTAINER ID"),
        (
            &["image", "ls", "porthole/nanoserver"],
            "porthole/nanoserver:latest",
        ),
        (
            &["image", "inspect", "-f", "{{.Os}}", "porthole/nanoserver"],
            "windows",
        ),
        (&["network", "ls"], "nat"),
        (&["network", "inspect", "-f", "{{.Driver}}", "nat"], "nat"),
        (&["volume", "ls"], "VOLUME NAME"),
        (&["volume", "ls", "--json"], "[]"),
    ] {
        let ran = porthole(fixture, arguments)?;
        let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
        ensure!(
            ran.status.success() && printed.contains(expected),
            "{arguments:?}: {ran:?}"
        );
    }
    // Docker takes the answer from a pipe.
    let mut prune = Command::new(fixture.programs.join("porthole"))
        .args([
            "-H",
            fixture.docker.host(),
            "prune",
            "--filter",
            "label=e2e-none",
        ])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    prune.stdin.take().context("a pipe")?.write_all(b"y\n")?;
    let pruned = prune.wait_with_output()?;
    ensure!(pruned.status.success(), "{pruned:?}");
    Ok(())
}
