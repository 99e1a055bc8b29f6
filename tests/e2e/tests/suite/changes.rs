//! What a container changed: as `diff` lists it, and as an image of it has it.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("changes_are_listed_and_committed_exactly", exactly),
    ("changes_of_a_running_container_are_committed", running),
    ("commit_changes_what_the_image_runs", instructions),
    ("an_export_holds_the_drive_and_no_binds", exported),
    ("images_are_removed_as_docker_removes_them", removal),
];

const BASE: &str = "porthole/servercore";

/// Files, streams, attributes and registry values of every type, made and deleted.
const PROGRAM: &str = r"mkdir C:\app & echo hello> C:\app\plain.txt& echo hidden> C:\app\hidden.txt&
attrib +s C:\app\hidden.txt& attrib +h C:\app\hidden.txt& attrib +r C:\app\plain.txt& echo main> C:\app\two.txt& echo stream> C:\app\two.txt:side&
echo changed>> C:\before\changed.txt& del C:\before\deleted.txt& rmdir /s /q C:\before\tree&
reg add HKLM\SOFTWARE\E2E /v Text /d text /f& reg add HKLM\SOFTWARE\E2E /v Number /t REG_DWORD /d 7 /f&
reg add HKLM\SOFTWARE\E2E /v Long /t REG_QWORD /d 1234567890123 /f&
reg add HKLM\SOFTWARE\E2E /v Bytes /t REG_BINARY /d 0102ff /f&
reg add HKLM\SOFTWARE\E2E /v Many /t REG_MULTI_SZ /d one\0two /f&
reg add HKLM\SOFTWARE\E2E /v Path /t REG_EXPAND_SZ /d ^%SystemRoot^%\x /f&
reg add HKLM\SOFTWARE\E2EBefore /v Changed /d new /f& reg delete HKLM\SOFTWARE\E2EBefore /v Gone /f&
reg delete HKLM\SOFTWARE\E2EBefore\Tree /f& reg add HKCU\Software\E2E /v Mine /d text /f";

/// What is there before.
const BEFORE: &str = r"mkdir C:\before & mkdir C:\before\tree & echo a> C:\before\tree\a.txt&
echo x> C:\before\changed.txt& echo x> C:\before\deleted.txt&
reg add HKLM\SOFTWARE\E2EBefore /v Changed /d old /f& reg add HKLM\SOFTWARE\E2EBefore /v Gone /d x /f&
reg add HKLM\SOFTWARE\E2EBefore\Tree /v Below /d x /f";

/// The files that `docker diff` is to list: no more and no less.
const FILES: [&str; 15] = [
    r"A C:\app",
    r"A C:\app\hidden.txt",
    r"A C:\app\plain.txt",
    r"A C:\app\two.txt",
    r"C C:\before",
    r"C C:\before\changed.txt",
    r"D C:\before\deleted.txt",
    r"D C:\before\tree",
    r"C C:\Users",
    r"C C:\Users\ContainerAdministrator",
    r"C C:\Users\ContainerAdministrator\NTUSER.DAT",
    r"C C:\Windows",
    r"C C:\Windows\System32",
    r"C C:\Windows\System32\config",
    r"C C:\Windows\System32\config\SOFTWARE",
];

/// What `porthole diff --registry` is to list of the test's own keys.
const REGISTRY: [&str; 13] = [
    r"A HKLM\SOFTWARE\E2E\",
    r#"A HKLM\SOFTWARE\E2E\Bytes = REG_BINARY "01 02 ff""#,
    r"A HKLM\SOFTWARE\E2E\Long = REG_QWORD 1234567890123",
    r#"A HKLM\SOFTWARE\E2E\Many = REG_MULTI_SZ ["one","two"]"#,
    r"A HKLM\SOFTWARE\E2E\Number = REG_DWORD 7",
    r#"A HKLM\SOFTWARE\E2E\Path = REG_EXPAND_SZ "%SystemRoot%\\x""#,
    r#"A HKLM\SOFTWARE\E2E\Text = REG_SZ "text""#,
    r#"C HKLM\SOFTWARE\E2EBefore\Changed = REG_SZ "old" -> REG_SZ "new""#,
    r#"D HKLM\SOFTWARE\E2EBefore\Gone = REG_SZ "x""#,
    r"D HKLM\SOFTWARE\E2EBefore\Tree\",
    r#"D HKLM\SOFTWARE\E2EBefore\Tree\Below = REG_SZ "x""#,
    r"A HKCU\Software\E2E\",
    r#"A HKCU\Software\E2E\Mine = REG_SZ "text""#,
];

/// What a container of the committed image sees.
const LOOK: &str = r"type C:\app\plain.txt & more < C:\app\two.txt:side& attrib C:\app\*.txt&
type C:\before\changed.txt& dir /b C:\before& reg query HKLM\SOFTWARE\E2E& reg query HKLM\SOFTWARE\E2EBefore /s&
reg query HKCU\Software\E2E";

fn one_line(program: &str) -> String {
    program.replace('\n', " ")
}

fn run(fixture: &Fixture, name: &str, image: &str, program: &str) -> Result<String> {
    let line = one_line(program);
    let administrator = ["--user", "ContainerAdministrator"];
    let begin = ["run", "--name", name];
    let end = [image, "cmd", "/c", &line];
    fixture
        .docker
        .ok(begin.iter().chain(&administrator).chain(&end))
}

/// An image with something to change.
fn prepared(fixture: &Fixture, name: &str) -> Result<String> {
    let docker = &fixture.docker;
    let (container, image) = (format!("{name}-before"), format!("e2e/{name}:before"));
    run(fixture, &container, BASE, BEFORE)?;
    docker.ok(["commit", &container, &image])?;
    docker.ok(["rm", &container])?;
    Ok(image)
}

fn registry_diff(fixture: &Fixture, name: &str) -> Result<Vec<String>> {
    let output = Command::new(fixture.programs.join("porthole"))
        .args(["-H", fixture.docker.host(), "diff", "--registry", name])
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    let own = text.lines().filter(|line| line.contains("E2E"));
    Ok(own.map(str::to_owned).collect())
}

fn check_lists(fixture: &Fixture, name: &str) -> Result<()> {
    let listed = fixture.docker.ok(["diff", name])?;
    let mut listed: Vec<_> = listed.lines().map(str::trim_end).collect();
    listed.sort_unstable();
    let mut expected = FILES;
    expected.sort_unstable();
    ensure!(listed == expected, "{listed:#?}");
    let mut registry = registry_diff(fixture, name)?;
    registry.sort_unstable();
    let mut expected = REGISTRY;
    expected.sort_unstable();
    ensure!(registry == expected, "{registry:#?}");
    Ok(())
}

fn check_image(fixture: &Fixture, image: &str) -> Result<()> {
    let name = format!("look-{}", image.replace(['/', ':'], "-"));
    let seen = run(fixture, &name, image, LOOK)?;
    fixture.docker.ok(["rm", &name])?;
    for part in [
        "hello",
        "stream",
        "AS  H        C:\\app\\hidden.txt",
        "A    R       C:\\app\\plain.txt",
        "changed",
        "0x7",
        "0102FF",
        "one\\0two",
        "%SystemRoot%\\x",
        "new",
        "Mine",
    ] {
        let found = seen.to_lowercase().contains(&part.to_lowercase());
        ensure!(found, "no {part} in {seen}");
    }
    for part in ["deleted.txt", "tree", "Gone"] {
        ensure!(!seen.contains(part), "{part} is in {seen}");
    }
    Ok(())
}

fn exactly(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let image = prepared(fixture, "changes")?;
    run(fixture, "e2e-changes", &image, PROGRAM)?;
    check_lists(fixture, "e2e-changes")?;
    docker.ok([
        "commit",
        "-a",
        "me",
        "-m",
        "said",
        "e2e-changes",
        "e2e/changes:1",
    ])?;
    let history = docker.ok([
        "history",
        "--no-trunc",
        "--format",
        "{{.Comment}}",
        "e2e/changes:1",
    ])?;
    ensure!(history.lines().next() == Some("said"), "{history}");
    let made = docker.inspect("e2e/changes:1")?;
    let before = docker.inspect(&image)?;
    ensure!(
        made["Author"] == "me" && made["OsVersion"] == before["OsVersion"],
        "{made}"
    );
    let layers = |value: &Value| value["RootFS"]["Layers"].as_array().map(Vec::len);
    ensure!(
        layers(&made) == layers(&before).map(|count| count + 1),
        "{made}"
    );
    check_image(fixture, "e2e/changes:1")?;
    docker.ok(["rm", "e2e-changes"])?;
    docker.ok(["rmi", "e2e/changes:1", &image])?;
    Ok(())
}

fn running(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let image = prepared(fixture, "running")?;
    let name = "e2e-changes-running";
    docker.idle(name, &["--user", "ContainerAdministrator", &image])?;
    docker.ok(["exec", name, "cmd", "/c", &one_line(PROGRAM)])?;
    check_lists(fixture, name)?;
    docker.ok(["commit", name, "e2e/running:1"])?;
    let state = docker.ok(["inspect", "-f", "{{.State.Status}}", name])?;
    ensure!(state == "running", "it is {state} after the commit");
    docker.ok(["pause", name])?;
    docker.ok(["commit", name, "e2e/running:2"])?;
    docker.ok(["rm", "-f", name])?;
    for image in ["e2e/running:1", "e2e/running:2"] {
        check_image(fixture, image)?;
        docker.ok(["rmi", image])?;
    }
    docker.ok(["rmi", &image])?;
    Ok(())
}

fn instructions(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-commit-change";
    docker.ok([
        "create",
        "--name",
        name,
        "-e",
        "MODE=dev",
        "porthole/nanoserver",
        "cmd",
    ])?;
    let changes = [
        r"ENV mode=live NOTE=two\ words",
        r#"CMD ["cmd", "/c", "echo %MODE% %NOTE% & cd"]"#,
        r"WORKDIR C:\work",
        "LABEL tier=test",
        "EXPOSE 80",
    ];
    let options = changes.iter().flat_map(|change| ["--change", change]);
    let line = ["commit"]
        .into_iter()
        .chain(options)
        .chain([name, "e2e/change:1"]);
    docker.ok(line)?;
    let said = docker.ok(["run", "--rm", "e2e/change:1"])?;
    ensure!(
        said.contains("live two words") && said.contains(r"C:\work"),
        "{said}"
    );
    let config = docker.inspect("e2e/change:1")?["Config"].clone();
    ensure!(config["Labels"]["tier"] == "test", "{config}");
    ensure!(config["ExposedPorts"]["80/tcp"].is_object(), "{config}");
    let refused = docker.run(["commit", "--change", "RUN x", name, "e2e/change:2"])?;
    ensure!(
        refused.code == 1 && refused.stderr.contains("run is not a valid change command"),
        "{refused:?}"
    );
    docker.ok(["rm", name])?;
    docker.ok(["rmi", "e2e/change:1"])?;
    Ok(())
}

fn exported(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("bound.txt"), "bound")?;
    let bind = format!(r"{}:C:\bound", directory.path().display());
    let name = "e2e-export";
    let line = r"echo made> C:\made.txt& ping -n 600 127.0.0.1";
    let administrator = ["--user", "ContainerAdministrator", "-v", &bind];
    let end = ["porthole/nanoserver", "cmd", "/c", line];
    docker.ok(["run", "-d", "--name", name]
        .iter()
        .chain(&administrator)
        .chain(&end))?;
    docker.ok([
        "exec",
        name,
        "cmd",
        "/c",
        r"type C:\made.txt C:\bound\bound.txt",
    ])?;
    for state in ["running", "stopped"] {
        let file = directory.path().join(format!("{state}.tar"));
        docker.ok(["export", "-o", &file.display().to_string(), name])?;
        let mut archive = tar::Archive::new(std::fs::File::open(&file)?);
        let mut names = Vec::new();
        for entry in archive.entries()? {
            names.push(entry?.path()?.display().to_string());
        }
        let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
        ensure!(
            has("made.txt") && has("windows/system32/cmd.exe"),
            "{state}: {names:?}"
        );
        ensure!(!has("bound/bound.txt"), "{state}: a bind is in it");
        docker.ok(["kill", name]).ok();
    }
    let file = directory.path().join("stopped.tar").display().to_string();
    docker.ok(["import", "-m", "again", &file, "e2e/import:1"])?;
    let history = docker.ok(["history", "--format", "{{.Comment}}", "e2e/import:1"])?;
    ensure!(history == "again", "{history}");
    let label = "io.porthole.wine-build";
    let build = docker.inspect("porthole/nanoserver")?["Config"]["Labels"][label].clone();
    let change = format!("LABEL {label}={}", build.as_str().unwrap_or_default());
    docker.ok(["import", "--change", &change, &file, "e2e/import:2"])?;
    let said = docker.ok([
        "run",
        "--rm",
        "e2e/import:2",
        "cmd",
        "/c",
        r"type C:\made.txt",
    ])?;
    ensure!(said.trim() == "made", "{said}");
    docker.ok(["rm", name])?;
    docker.ok(["rmi", "e2e/import:1", "e2e/import:2"])?;
    Ok(())
}

fn removal(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    docker.ok([
        "create",
        "--name",
        "e2e-removal",
        "porthole/nanoserver",
        "cmd",
    ])?;
    let id = docker.ok(["commit", "e2e-removal", "e2e/removal:1"])?;
    docker.ok(["rm", "e2e-removal"])?;
    docker.ok(["tag", "e2e/removal:1", "e2e/other:1"])?;
    let refused = docker.run(["rmi", &id])?;
    ensure!(
        refused
            .stderr
            .contains("image is referenced in multiple repositories"),
        "{refused:?}"
    );
    let untagged = docker.ok(["rmi", "e2e/other:1"])?;
    ensure!(untagged == "Untagged: e2e/other:1", "{untagged}");
    // What something was made of stays.
    docker.ok(["create", "--name", "e2e-removal", "e2e/removal:1", "cmd"])?;
    let child = docker.ok(["commit", "e2e-removal"])?;
    docker.ok(["rm", "e2e-removal"])?;
    let refused = docker.run(["rmi", &id])?;
    ensure!(
        refused.stderr.contains("image has dependent child images"),
        "{refused:?}"
    );
    let dangling = docker.ok(["images", "-q", "--no-trunc", "--filter", "dangling=true"])?;
    ensure!(dangling.contains(&child), "{child} is not in {dangling}");
    docker.ok(["rmi", &child])?;
    let removed = docker.ok(["rmi", "e2e/removal:1"])?;
    ensure!(removed.contains(&format!("Deleted: {id}")), "{removed}");
    Ok(())
}
