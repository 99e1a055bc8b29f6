//! What a container changed: listed while it runs and afterwards, committed, and seen again by
//! containers of the image, here and on a host that pulls it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::docker::Docker;
use porthole_e2e::server::Server;
use serde_json::Value;

use crate::another_host::AnotherHost;
use crate::committed::id;
use crate::layer_checker;
use crate::made_images::text;
use crate::own_cli::porthole;
use crate::registries::plain;
use crate::saved::{LayerEntry, TopLayer};
use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("changes_of_an_idle_container_are_none", idle),
    ("changes_are_listed_committed_and_seen_again", story),
];

pub(crate) const ALONE: &[(&str, Test)] = &[("changes_travel_to_an_empty_store", travel)];

/// Changes files in every way.
const CHANGE: &str = r"@echo off
mkdir C:\app\sub
echo one>C:\app\one.txt
echo in a stream>C:\app\one.txt:side
echo hidden>C:\app\hidden.txt
attrib +h C:\app\hidden.txt
attrib +s C:\app\hidden.txt
echo read only>C:\app\sub\fixed.txt
attrib +r C:\app\sub\fixed.txt
del C:\License.txt
rmdir C:\inetpub
copy /y C:\app\one.txt C:\Windows\System32\timeout.exe >nul
reg import C:\work\change.reg
";

/// And the registry: values of every type in both roots, and what the base has.
const REGISTRY: &str = r#"Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\Software\E2E\Types]
@="the default"
"string"="a \\ \"b\""
"expand"=hex(2):25,00,50,00,25,00,00,00
"multi"=hex(7):61,00,00,00,62,00,00,00,00,00
"binary"=hex:01,02,ff
"dword"=dword:0000002a
"big"=hex(5):00,00,00,2a
"qword"=hex(b):00,00,00,00,01,00,00,00
"none"=hex(0):07
"resources"=hex(8):01,02

[HKEY_LOCAL_MACHINE\Software\E2E\Empty]

[HKEY_CURRENT_USER\Software\E2E]
"string"="mine"
"expand"=hex(2):25,00,50,00,25,00,00,00
"multi"=hex(7):61,00,00,00,00,00
"binary"=hex:09
"dword"=dword:00000001
"qword"=hex(b):02,00,00,00,00,00,00,00

[-HKEY_LOCAL_MACHINE\System\CurrentControlSet\Control\VMM32Files]

[HKEY_LOCAL_MACHINE\Software\Microsoft\Windows NT\CurrentVersion]
"InstallationType"=-
"EditionID"="E2E"

[HKEY_CURRENT_USER\Environment]
"TMP"=-
"TEMP"="C:\\e2e"
"#;

/// Prints all of that.
const LOOK: &str = r#"@echo off
type C:\app\one.txt
type C:\app\one.txt:side
attrib C:\app\hidden.txt
attrib C:\app\sub\fixed.txt
type C:\Windows\System32\timeout.exe
if exist C:\License.txt echo the licence is there
if exist C:\inetpub echo inetpub is there
reg query HKLM\Software\E2E /s
reg query HKCU\Software\E2E /s
reg query "HKLM\Software\Microsoft\Windows NT\CurrentVersion" /v EditionID
reg query "HKLM\Software\Microsoft\Windows NT\CurrentVersion" /v InstallationType
reg query HKLM\System\CurrentControlSet\Control\VMM32Files
reg query HKCU\Environment
"#;

/// What `docker diff` must list, and nothing else.
const FILES: &[&str] = &[
    r"A C:\app",
    r"A C:\app\hidden.txt",
    r"A C:\app\one.txt",
    r"A C:\app\sub",
    r"A C:\app\sub\fixed.txt",
    r"A C:\work",
    r"A C:\work\change.cmd",
    r"A C:\work\change.reg",
    r"A C:\work\look.cmd",
    r"C C:\Users",
    r"C C:\Users\ContainerAdministrator",
    r"C C:\Users\ContainerAdministrator\NTUSER.DAT",
    r"C C:\Windows",
    r"C C:\Windows\System32",
    r"C C:\Windows\System32\config",
    r"C C:\Windows\System32\config\SOFTWARE",
    r"C C:\Windows\System32\config\SYSTEM",
    r"C C:\Windows\System32\timeout.exe",
    r"D C:\License.txt",
    r"D C:\inetpub",
];

/// What `porthole diff --registry` must list, and nothing else: what happened to which key or
/// value, and what it was and is.
const KEYS: &[&str] = &[
    r"KeyAdded HKLM\SOFTWARE\E2E",
    r"KeyAdded HKLM\SOFTWARE\E2E\Empty",
    r"KeyAdded HKLM\SOFTWARE\E2E\Types",
    r#"ValueAdded HKLM\SOFTWARE\E2E\Types "" - REG_SZ "the default""#,
    r#"ValueAdded HKLM\SOFTWARE\E2E\Types "big" - REG_DWORD_BIG_ENDIAN "00 00 00 2a""#,
    r#"ValueAdded HKLM\SOFTWARE\E2E\Types "binary" - REG_BINARY "01 02 ff""#,
    r#"ValueAdded HKLM\SOFTWARE\E2E\Types "dword" - REG_DWORD 42"#,
    r#"ValueAdded HKLM\SOFTWARE\E2E\Types "expand" - REG_EXPAND_SZ "%P%""#,
    r#"ValueAdded HKLM\SOFTWARE\E2E\Types "multi" - REG_MULTI_SZ ["a","b"]"#,
    r#"ValueAdded HKLM\SOFTWARE\E2E\Types "none" - REG_NONE "07""#,
    r#"ValueAdded HKLM\SOFTWARE\E2E\Types "qword" - REG_QWORD 4294967296"#,
    r#"ValueAdded HKLM\SOFTWARE\E2E\Types "resources" - REG_RESOURCE_LIST "01 02""#,
    r#"ValueAdded HKLM\SOFTWARE\E2E\Types "string" - REG_SZ "a \\ \"b\"""#,
    r"KeyAdded HKCU\Software\E2E",
    r#"ValueAdded HKCU\Software\E2E "binary" - REG_BINARY "09""#,
    r#"ValueAdded HKCU\Software\E2E "dword" - REG_DWORD 1"#,
    r#"ValueAdded HKCU\Software\E2E "expand" - REG_EXPAND_SZ "%P%""#,
    r#"ValueAdded HKCU\Software\E2E "multi" - REG_MULTI_SZ ["a"]"#,
    r#"ValueAdded HKCU\Software\E2E "qword" - REG_QWORD 2"#,
    r#"ValueAdded HKCU\Software\E2E "string" - REG_SZ "mine""#,
    r"KeyDeleted HKLM\SYSTEM\ControlSet001\Control\VMM32Files",
    r#"ValueDeleted HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion "InstallationType""#,
    r#"ValueChanged HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion "EditionId""#,
    r#"ValueDeleted HKCU\Environment "TMP""#,
    r#"ValueChanged HKCU\Environment "TEMP""#,
];

/// What `docker diff` says, line by line.
fn files(docker: &Docker, container: &str) -> Result<BTreeSet<String>> {
    let text = docker.ok(["diff", container])?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// What `porthole diff --registry` says. Of what the base has, what it was and is stays out.
fn keys(fixture: &Fixture, name: &str) -> Result<BTreeSet<String>> {
    let output = porthole(fixture, &["diff", "--registry", "--json", name])?;
    ensure!(output.status.success(), "{output:?}");
    let list: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let shown = |change: &Value| {
        let (what, key) = (word(&change["Change"]), word(&change["Key"]));
        let data = |side: &str| match &change[side] {
            Value::Null => "-".to_owned(),
            value => format!("{} {}", word(&value["Type"]), value["Data"]),
        };
        match (what.as_str(), &change["Value"]) {
            (_, Value::Null) => format!("{what} {key}"),
            ("ValueAdded", name) => format!("{what} {key} {name} {} {}", data("Old"), data("New")),
            (_, name) => format!("{what} {key} {name}"),
        }
    };
    Ok(list.iter().map(shown).collect())
}

/// Whether two lists hold the same; else says how they differ.
fn same<'a>(found: &BTreeSet<String>, expected: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let expected: BTreeSet<String> = expected.into_iter().map(str::to_owned).collect();
    let more: Vec<_> = found.difference(&expected).collect();
    let fewer: Vec<_> = expected.difference(found).collect();
    ensure!(
        more.is_empty() && fewer.is_empty(),
        "listed and should not be: {more:#?}\nnot listed: {fewer:#?}"
    );
    Ok(())
}

fn nothing_changed(fixture: &Fixture, container: &str) -> Result<()> {
    same(&files(&fixture.docker, container)?, [])?;
    same(&keys(fixture, container)?, [])
}

fn idle(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    for base in ["nanoserver", "servercore"] {
        let name = format!("e2e-idle-{base}");
        docker.idle(&name, &[&format!("porthole/{base}")])?;
        docker.ok(["exec", &name, "cmd", "/c", r"ver & reg query HKLM\Software"])?;
        let running = nothing_changed(fixture, &name);
        docker.ok(["stop", "-t", "0", &name])?;
        let stopped = nothing_changed(fixture, &name);
        docker.ok(["rm", &name])?;
        running.with_context(|| format!("{base}, running"))?;
        stopped.with_context(|| format!("{base}, stopped"))?;
    }
    Ok(())
}

/// Lines as Windows ends them; of the registry as regedit writes them, in UTF-16.
fn encoded(file: &str, content: &str) -> Vec<u8> {
    let content = content.replace('\n', "\r\n");
    if !file.ends_with(".reg") {
        return content.into_bytes();
    }
    let units = std::iter::once(0xfeff).chain(content.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

/// A container that has changed everything, and what programs in it see.
fn changed(fixture: &Fixture, name: &str) -> Result<String> {
    let docker = &fixture.docker;
    let directory = tempfile::tempdir()?;
    let work = directory.path().join("work");
    fs::create_dir(&work)?;
    for (file, content) in [
        ("change.cmd", CHANGE),
        ("change.reg", REGISTRY),
        ("look.cmd", LOOK),
    ] {
        fs::write(work.join(file), encoded(file, content))?;
    }
    docker.idle(
        name,
        &["-u", "ContainerAdministrator", "porthole/nanoserver"],
    )?;
    docker.ok(["cp", text(&work)?, &format!("{name}:C:/")])?;
    let script = ["cmd", "/c", r"C:\work\change.cmd"];
    let ran = docker.run(["exec", name].iter().chain(&script))?;
    ensure!(ran.code == 0, "{ran:?}");
    let seen = docker.run(["exec", name, "cmd", "/c", r"C:\work\look.cmd"])?;
    check_view(&seen.stdout)?;
    Ok(seen.stdout)
}

fn check_view(seen: &str) -> Result<()> {
    let seen = seen.replace('\r', "");
    for words in [
        "one\n",
        "in a stream\n",
        "AS  H",
        "the default",
        "0102FF",
        "mine",
        r"C:\e2e",
    ] {
        ensure!(seen.contains(words), "{words:?} is not in {seen}");
    }
    for words in ["is there", "VMM32Files", "InstallationType", "TMP"] {
        ensure!(!seen.contains(words), "{words} is in {seen}");
    }
    Ok(())
}

/// What a new container of the image sees; it must have changed nothing itself.
fn seen(fixture: &Fixture, docker: &Docker, image: &str) -> Result<String> {
    let name = "e2e-looks";
    let look = ["cmd", "/c", r"C:\work\look.cmd"];
    let outcome = docker.run(["run", "--name", name, image].iter().chain(&look))?;
    let unchanged = nothing_changed(fixture, name);
    docker.ok(["rm", name])?;
    unchanged?;
    Ok(outcome.stdout)
}

fn story(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let (name, image) = ("e2e-changes", "e2e/changes:1");
    let view = changed(fixture, name)?;
    let check = || -> Result<()> {
        same(&files(docker, name)?, FILES.iter().copied())?;
        same(&keys(fixture, name)?, KEYS.iter().copied())
    };
    check().context("running")?;
    docker.ok(["stop", "-t", "0", name])?;
    check().context("stopped")?;
    docker.ok(["commit", name, image])?;
    docker.ok(["rm", name])?;
    let again = seen(fixture, docker, image)?;
    ensure!(again == view, "{again}\nand before the commit\n{view}");
    let of_image = keys(fixture, image)?;
    same(&of_image, KEYS.iter().copied()).context("of the image")?;
    let layer = TopLayer::of(docker, image)?;
    layer_checker::passes(&layer)?;
    in_layer(&layer)?;
    docker.ok(["rmi", image])?;
    Ok(())
}

/// The committed layer as any tool sees it.
fn in_layer(layer: &TopLayer) -> Result<()> {
    let entries = layer.entries()?;
    let get = |name: &str| {
        entries
            .get(name)
            .with_context(|| format!("no {name}: {:?}", entries.keys()))
    };
    ensure!(get("Files/app/one.txt:side")?.content == b"in a stream\r\n");
    let attributes = |name: &str| -> Result<u32> {
        let records = &get(name)?.records;
        let number = records.get("MSWINDOWS.fileattr").context("no attributes")?;
        Ok(number.parse()?)
    };
    ensure!(
        attributes("Files/app/hidden.txt")? & 0x6 == 0x6,
        "hidden and system"
    );
    ensure!(attributes("Files/app/sub/fixed.txt")? & 1 == 1, "read only");
    for whiteout in ["Files/.wh.License.txt", "Files/.wh.inetpub"] {
        ensure!(get(whiteout)?.content.is_empty(), "{whiteout}");
    }
    ensure!(!entries.contains_key("Files/Users/Public"), "not changed");
    read_by_hivex(
        get("Hives/Software_Delta")?,
        &[
            (
                r"\E2E\Types",
                &[
                    "\"@\"=\"the default\"",
                    "\"dword\"=dword:0000002a",
                    "\"binary\"=hex(3):01,02,ff",
                    "\"qword\"=hex(11):00,00,00,00,01,00,00,00",
                ],
            ),
            (
                r"\Microsoft\Windows NT\CurrentVersion",
                &["\"EditionId\"=\"E2E\""],
            ),
        ],
    )?;
    read_by_hivex(
        get("Files/Users/ContainerAdministrator/NTUSER.DAT")?,
        &[
            (
                r"\Software\E2E",
                &["\"string\"=\"mine\"", "\"dword\"=dword:00000001"],
            ),
            (r"\Environment", &[r#""TEMP"="C:\\e2e""#]),
        ],
    )?;
    // A deleted key is there, with the mark that hides the one below.
    read_by_hivex(
        get("Hives/System_Delta")?,
        &[(r"\ControlSet001\Control\VMM32Files", &[])],
    )
}

/// Has hivexsh go to each key and list its values.
fn read_by_hivex(hive: &LayerEntry, expected: &[(&str, &[&str])]) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(&hive.content)?;
    for (key, lines) in expected {
        let mut shell = Command::new("hivexsh")
            .arg(file.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut input = shell.stdin.take().context("no input")?;
        write!(input, "cd {key}\nlsval\n")?;
        drop(input);
        let output = shell.wait_with_output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success() && errors.is_empty(),
            "{key}: {errors}"
        );
        for line in *lines {
            ensure!(printed.contains(line), "{key}: no {line} in {printed}");
        }
    }
    Ok(())
}

fn travel(fixture: &Fixture) -> Result<()> {
    let (registry, _directory) = plain()?;
    let image = registry.image("e2e/changes:1");
    let name = "e2e-travels";
    let server = Server::start(&fixture.programs, fixture.place.clone())?;
    let docker = &fixture.docker;
    let made = changed(fixture, name).and_then(|view| {
        docker.ok(["commit", name, &image])?;
        docker.ok(["push", &image])?;
        let id = id(docker, &image)?;
        docker.ok(["rm", "-f", name])?;
        docker.ok(["rmi", &image])?;
        Ok((view, id))
    });
    server.stop()?;
    let (view, expected) = made?;
    let host = AnotherHost::start(fixture)?;
    let there = &host.fixture;
    let checked = (|| {
        there.docker.ok(["pull", &image])?;
        ensure!(id(&there.docker, &image)? == expected, "another image came");
        let again = seen(there, &there.docker, &image)?;
        ensure!(again == view, "{again}\nand at home\n{view}");
        layer_checker::passes(&TopLayer::of(&there.docker, &image)?)?;
        there.check_store()
    })();
    host.stop()?;
    checked
}
