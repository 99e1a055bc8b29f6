//! The tables of docs/api.md about `create`, row by row: what works has its effect, what is refused
//! or planned is refused in the words of its row. A row without a case here fails the test.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{Fixture, SHARED, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("create_table_of_the_container_holds", container),
    ("create_table_of_the_host_holds", host),
];

/// The document with the tables.
const DOCUMENT: &str = include_str!("../../../../docs/api.md");

/// How a field that works is seen to work.
enum Effect {
    /// With these members, the command line prints this text.
    Prints(Value, &'static str, &'static str),
    /// With these members, `inspect` of the running container has this value at this place.
    Shows(Value, &'static str, Value),
    /// Another test of this suite sees it.
    Test(&'static str),
}

use Effect::{Prints, Shows, Test as Seen};

fn container(fixture: &Fixture) -> Result<()> {
    hold(fixture, "## Fields of container create", &of_container())
}

fn host(fixture: &Fixture) -> Result<()> {
    hold(fixture, "## Fields of `HostConfig`", &of_host())
}

fn of_container() -> Vec<(&'static str, Effect)> {
    let cmd = json!(["cmd", "/c", "echo given"]);
    let healthy =
        json!({"Healthcheck": {"Test": ["CMD-SHELL", "exit 0"], "Interval": 1_000_000_000}});
    let domain = r"reg query HKLM\System\CurrentControlSet\Services\Tcpip\Parameters /v Domain";
    let mut shell = healthy.clone();
    shell["Shell"] = json!(["cmd", "/S", "/C"]);
    vec![
        (
            "Hostname",
            Prints(json!({"Hostname": "web"}), "echo %COMPUTERNAME%", "WEB"),
        ),
        (
            "Domainname",
            Prints(
                json!({"Domainname": "corp.example"}),
                domain,
                "corp.example",
            ),
        ),
        (
            "User",
            Prints(
                json!({"User": "ContainerAdministrator"}),
                "whoami",
                "containeradministrator",
            ),
        ),
        (
            "AttachStdin",
            Shows(
                json!({"AttachStdin": true}),
                "/Config/AttachStdin",
                json!(true),
            ),
        ),
        (
            "AttachStdout",
            Shows(
                json!({"AttachStdout": true}),
                "/Config/AttachStdout",
                json!(true),
            ),
        ),
        (
            "AttachStderr",
            Shows(
                json!({"AttachStderr": true}),
                "/Config/AttachStderr",
                json!(true),
            ),
        ),
        (
            "ExposedPorts",
            Shows(
                json!({"ExposedPorts": {"7000/udp": {}}}),
                "/NetworkSettings/Ports/7000~1udp",
                Value::Null,
            ),
        ),
        ("Tty", Seen("console_runs_an_interactive_cmd")),
        (
            "OpenStdin",
            Seen("streams_stdin_reaches_the_program_and_its_end_too"),
        ),
        (
            "StdinOnce",
            Seen("streams_stdin_reaches_the_program_and_its_end_too"),
        ),
        (
            "Env",
            Prints(
                json!({"Env": ["COLOUR=sea green"]}),
                "echo %colour%",
                "sea green",
            ),
        ),
        ("Cmd", Prints(json!({"Cmd": cmd}), "", "given")),
        (
            "Healthcheck",
            Shows(healthy, "/State/Health/Status", json!("healthy")),
        ),
        (
            "ArgsEscaped",
            Prints(
                json!({"ArgsEscaped": true, "Cmd": ["cmd /c echo a  b"]}),
                "",
                "a  b",
            ),
        ),
        (
            "Image",
            Shows(json!({}), "/Config/Image", json!("porthole/nanoserver")),
        ),
        (
            "WorkingDir",
            Prints(
                json!({"WorkingDir": r"C:\made\here"}),
                "cd",
                r"C:\made\here",
            ),
        ),
        (
            "Entrypoint",
            Prints(
                json!({"Entrypoint": ["cmd", "/c", "echo", "entry"], "Cmd": ["point"]}),
                "",
                "entry point",
            ),
        ),
        (
            "Labels",
            Shows(
                json!({"Labels": {"a.b": "c"}}),
                "/Config/Labels/a.b",
                json!("c"),
            ),
        ),
        (
            "StopSignal",
            Shows(
                json!({"StopSignal": "SIGINT"}),
                "/Config/StopSignal",
                json!("SIGINT"),
            ),
        ),
        (
            "StopTimeout",
            Shows(json!({"StopTimeout": 7}), "/Config/StopTimeout", json!(7)),
        ),
        (
            "Shell",
            Shows(shell, "/State/Health/Status", json!("healthy")),
        ),
    ]
}

fn of_host() -> Vec<(&'static str, Effect)> {
    let inside = |host: Value| json!({"HostConfig": host});
    let published =
        json!({"ExposedPorts": {"7000/tcp": {}}, "HostConfig": {"PublishAllPorts": true}});
    let log = inside(json!({"LogConfig": {"Type": "local", "Config": {"max-file": "2"}}}));
    vec![
        (
            "CpuShares",
            Seen("limits_are_seen_inside_and_kept_by_the_kernel"),
        ),
        (
            "Memory",
            Seen("limits_are_seen_inside_and_kept_by_the_kernel"),
        ),
        (
            "NanoCpus",
            Prints(
                inside(json!({"NanoCpus": 500_000_000})),
                "echo %NUMBER_OF_PROCESSORS%",
                "1",
            ),
        ),
        (
            "CpuCount",
            Prints(
                inside(json!({"CpuCount": 1})),
                "echo %NUMBER_OF_PROCESSORS%",
                "1",
            ),
        ),
        (
            "CpuPercent",
            Prints(
                inside(json!({"CpuPercent": 1})),
                "echo %NUMBER_OF_PROCESSORS%",
                "1",
            ),
        ),
        (
            "Init",
            Shows(
                inside(json!({"Init": true})),
                "/HostConfig/Init",
                json!(true),
            ),
        ),
        ("PidsLimit", Seen("options_pids_limit_holds")),
        ("Ulimits", Seen("options_ulimits_hold_for_every_process")),
        ("Binds", Seen("binds_show_changes_both_ways")),
        (
            "LogConfig",
            Shows(log, "/HostConfig/LogConfig/Type", json!("local")),
        ),
        ("NetworkMode", Seen("ports_network_none_has_no_way_out")),
        ("PortBindings", Seen("ports_of_udp_are_published")),
        (
            "RestartPolicy",
            Seen("restarts_go_on_until_a_client_stops_them"),
        ),
        ("AutoRemove", Seen("lifecycle_auto_remove_leaves_nothing")),
        ("ConsoleSize", Seen("console_has_the_terminals_size")),
        (
            "PublishAllPorts",
            Shows(
                published,
                "/NetworkSettings/Ports/7000~1tcp/0/HostIp",
                json!("0.0.0.0"),
            ),
        ),
        ("Tmpfs", Seen("options_tmpfs_is_empty_at_each_start")),
        (
            "Isolation",
            Shows(
                inside(json!({"Isolation": "process"})),
                "/HostConfig/Isolation",
                json!("process"),
            ),
        ),
    ]
}

/// Goes through one table. Every failure is told, not only the first.
fn hold(fixture: &Fixture, heading: &str, effects: &[(&str, Effect)]) -> Result<()> {
    let mut failures = Vec::new();
    let mut seen = 0;
    for row in rows(heading)? {
        let outcome = match row.state {
            "works" => match effects.iter().find(|(name, _)| *name == row.field) {
                Some((_, effect)) => see(fixture, effect),
                None => Err(anyhow::anyhow!("no case shows that it works")),
            },
            "refused" | "planned" => refuse(fixture, heading, &row),
            "no effect" => Ok(()),
            state => Err(anyhow::anyhow!("{state} is no state")),
        };
        seen += 1;
        if let Err(error) = outcome {
            failures.push(format!("{}: {error:#}", row.field));
        }
    }
    ensure!(seen > 20, "{heading} has only {seen} rows");
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// A row of a table.
struct Row {
    field: &'static str,
    state: &'static str,
    notes: &'static str,
}

fn rows(heading: &str) -> Result<Vec<Row>> {
    let section = DOCUMENT.split_once(heading).context("no such heading")?.1;
    let section = section.split("\n## ").next().unwrap_or_default();
    let row = |line: &'static str| {
        let line = line.strip_prefix("| `")?;
        let (field, rest) = line.split_once("` | ")?;
        let (state, notes) = rest.split_once(" | ")?;
        Some(Row {
            field,
            state,
            notes,
        })
    };
    Ok(section.lines().filter_map(row).collect())
}

fn see(fixture: &Fixture, effect: &Effect) -> Result<()> {
    match effect {
        Seen(name) => {
            let there = SHARED
                .iter()
                .any(|tests| tests.iter().any(|(test, _)| test == name));
            ensure!(there, "there is no test {name}");
            Ok(())
        }
        Prints(members, line, expected) => {
            let mut body = members.clone();
            if !line.is_empty() {
                body["Cmd"] = json!(["cmd", "/c", line]);
            }
            let id = create(fixture, body)?;
            let output = fixture.docker.ok(["start", "-a", &id]);
            fixture.docker.ok(["rm", "-f", &id])?;
            let output = output?;
            ensure!(
                output.contains(expected),
                "printed {output:?}, not {expected:?}"
            );
            Ok(())
        }
        Shows(members, place, expected) => {
            let mut body = members.clone();
            body["Cmd"] = json!(["ping", "-n", "600", "127.0.0.1"]);
            let id = create(fixture, body)?;
            let shown = shows(fixture, &id, place, expected);
            fixture.docker.ok(["rm", "-f", &id])?;
            shown
        }
    }
}

/// Health is known after a moment, the rest at once.
fn shows(fixture: &Fixture, id: &str, place: &str, expected: &Value) -> Result<()> {
    fixture.docker.ok(["start", id])?;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let inspected = fixture.docker.inspect(id)?;
        let found = inspected.pointer(place);
        if found == Some(expected) {
            return Ok(());
        }
        if Instant::now() > deadline || !place.contains("Health") {
            bail!("inspect has {found:?} at {place}, not {expected}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Any value but the zero is refused before its type is looked at.
fn refuse(fixture: &Fixture, heading: &str, row: &Row) -> Result<()> {
    let sentence = row
        .notes
        .split('`')
        .nth(1)
        .context("the row has no sentence")?;
    let field = row.field;
    let body = if heading.contains("HostConfig") {
        json!({"HostConfig": {field: 1}})
    } else {
        json!({field: 1})
    };
    let (status, answer) = post_create(fixture, body)?;
    if status == 201 {
        let id = answer["Id"].as_str().unwrap_or_default();
        fixture.docker.ok(["rm", "-f", id])?;
    }
    ensure!(status == 400, "answered {status}: {answer}");
    let message = answer["message"].as_str().unwrap_or_default();
    ensure!(message == sentence, "{message:?}, not {sentence:?}");
    Ok(())
}

fn create(fixture: &Fixture, body: Value) -> Result<String> {
    let (status, answer) = post_create(fixture, body)?;
    ensure!(status == 201, "answered {status}: {answer}");
    Ok(answer["Id"].as_str().context("no ID")?.to_owned())
}

/// As any HTTP client would.
fn post_create(fixture: &Fixture, mut body: Value) -> Result<(u16, Value)> {
    body["Image"] = json!("porthole/nanoserver");
    let socket = fixture.docker.host().trim_start_matches("unix://");
    let mut client = Command::new("curl")
        .args(["--silent", "--max-time", "30", "--unix-socket", socket])
        .args(["--header", "Content-Type: application/json", "--data", "@-"])
        .args([
            "--write-out",
            "\n%{http_code}",
            "http://docker/v1.50/containers/create",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run curl")?;
    let mut stdin = client.stdin.take().context("no input")?;
    stdin.write_all(body.to_string().as_bytes())?;
    drop(stdin);
    let output = String::from_utf8(client.wait_with_output()?.stdout)?;
    let (answer, status) = output.rsplit_once('\n').context("no answer")?;
    Ok((status.parse()?, serde_json::from_str(answer)?))
}
