//! `docker cp`: files into containers and out of them, whether they run or not.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::docker::Outcome;

use crate::clients::clients;
use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("archive_goes_both_ways_in_every_state", both_ways),
    ("archive_goes_through_an_old_docker", old_docker),
    ("archive_streams_and_follows_links", streams),
    ("archive_failures_have_dockers_words", failures),
    ("archive_shows_binds_and_tmpfs", binds),
    ("archive_gives_files_to_whom_they_belong", owners),
    ("archive_of_300_mb_takes_little_memory", large),
    ("archive_refuses_what_is_hostile", hostile),
    ("archive_links_lead_back_into_the_drive", links),
    ("archive_outlasts_starts_and_ends", changes),
    ("archive_that_nobody_reads_keeps_no_start", stalled),
    ("archive_through_the_own_cli", own_cli),
];

const IMAGE: &str = "porthole/nanoserver";

/// As whom programs may write everywhere.
const ADMINISTRATOR: &[&str] = &["-u", "ContainerAdministrator"];

/// A container of a test, removed with it.
struct Container<'a> {
    fixture: &'a Fixture,
    name: &'static str,
}

impl<'a> Container<'a> {
    fn start(fixture: &'a Fixture, name: &'static str, how: &[&str]) -> Result<Self> {
        let container = Self { fixture, name };
        fixture.docker.idle(name, &[how, &[IMAGE]].concat())?;
        Ok(container)
    }

    fn cmd(&self, line: &str) -> Result<String> {
        self.fixture
            .docker
            .ok(["exec", self.name, "cmd", "/c", line])
    }

    fn at(&self, path: &str) -> String {
        format!("{}:{path}", self.name)
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.fixture.docker.run(["rm", "-f", self.name]);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn cp(fixture: &Fixture, from: &str, to: &str) -> Result<String> {
    fixture.docker.ok(["cp", from, to])
}

/// Has docker, or another program, read this.
pub(crate) fn fed(command: &mut Command, input: &[u8]) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let input = input.to_vec();
    // A program that has refused it reads no more.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output()?;
    let _ = writer.join();
    Ok(output)
}

/// A tree with names that differ in every way from those of Unix.
fn tree(root: &Path) -> Result<()> {
    fs::create_dir_all(root.join("Größe/leer"))?;
    fs::write(root.join("Größe/Zähler 1.txt"), "drei\r\n")?;
    fs::write(root.join("ReadMe.TXT"), "one\r\n")?;
    fs::write(root.join("中文.bin"), [0, 255, 10])?;
    Ok(())
}

/// Whether two trees hold the same.
fn same(left: &Path, right: &Path) -> Result<()> {
    let output = Command::new("diff")
        .arg("-r")
        .args([left, right])
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    Ok(())
}

fn both_ways(fixture: &Fixture) -> Result<()> {
    let home = tempfile::tempdir()?;
    let source = home.path().join("App");
    tree(&source)?;
    let container = Container::start(fixture, "e2e-cp-states", &[])?;
    let docker = &fixture.docker;
    for (number, state) in ["running", "paused", "exited"].into_iter().enumerate() {
        match state {
            "paused" => docker.ok(["pause", container.name])?,
            "exited" => docker.ok(["kill", container.name])?,
            _ => String::new(),
        };
        docker.until(
            container.name,
            "{{.State.Status}}",
            std::time::Duration::from_secs(20),
            |status| status == state,
        )?;
        let inside = container.at(&format!("C:/In{number}"));
        cp(fixture, text(&source), &inside)?;
        let back = home.path().join(state);
        cp(fixture, &inside.to_lowercase(), text(&back))?;
        same(&source, &back).context(state)?;
        let file = home.path().join(format!("{state}.txt"));
        let one = container.at(&format!(r"C:\in{number}\README.txt"));
        fs::write(&file, "old")?;
        cp(fixture, &one, text(home.path()))?;
        ensure!(fs::read(home.path().join("README.txt"))? == b"one\r\n");
    }
    docker.ok(["start", container.name])?;
    for number in 0..3 {
        let line = format!(r"type C:\In{number}\readme.txt & dir /s /b C:\In{number}");
        let seen = container.cmd(&line)?;
        ensure!(
            seen.contains("one") && seen.contains(r"\Größe\Zähler 1.txt"),
            "{seen}"
        );
    }
    Ok(())
}

fn old_docker(fixture: &Fixture) -> Result<()> {
    let home = tempfile::tempdir()?;
    let source = home.path().join("App");
    tree(&source)?;
    let container = Container::start(fixture, "e2e-cp-old", &[])?;
    let program = clients()?.join("docker-old");
    let old = |arguments: &[&str]| -> Result<()> {
        let output = Command::new(&program)
            .env_remove("DOCKER_CONTEXT")
            .envs(fixture.docker.environment())
            .args(arguments)
            .output()?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(())
    };
    let (inside, back) = (container.at("C:/App"), home.path().join("back"));
    old(&["cp", "-a", text(&source), &inside])?;
    old(&["cp", "-L", &inside, text(&back)])?;
    same(&source, &back)?;
    // What is in a directory, into one that is there.
    old(&["cp", &container.at("C:/App/."), text(&back)])?;
    same(&source, &back)?;
    let seen = container.cmd(r"dir /b C:\App")?;
    ensure!(seen.contains("ReadMe.TXT"), "{seen}");
    Ok(())
}

fn streams(fixture: &Fixture) -> Result<()> {
    let home = tempfile::tempdir()?;
    let source = home.path().join("App");
    tree(&source)?;
    symlink("ReadMe.TXT", source.join("link"))?;
    let container = Container::start(fixture, "e2e-cp-streams", &[])?;
    let docker = &fixture.docker;
    let tar = Command::new("tar")
        .args(["c", "-z", "-C", text(home.path()), "App"])
        .output()?;
    let put = fed(
        &mut docker.command(["cp", "-", &container.at("/")]),
        &tar.stdout,
    )?;
    ensure!(put.status.success(), "{put:?}");
    // Programs follow the link, and so does docker when it is told to.
    ensure!(container.cmd(r"type C:\App\link")? == "one");
    let got = docker
        .command(["cp", &container.at("C:/App"), "-"])
        .output()?;
    ensure!(got.status.success(), "{got:?}");
    let back = home.path().join("back");
    fs::create_dir(&back)?;
    let untar = fed(
        Command::new("tar").args(["x", "-C", text(&back)]),
        &got.stdout,
    )?;
    ensure!(untar.status.success(), "{untar:?}");
    same(&source, &back.join("App"))?;
    ensure!(fs::read_link(back.join("App/link"))? == Path::new("ReadMe.TXT"));
    let followed = home.path().join("followed");
    docker.ok([
        "cp",
        "-q",
        "-L",
        &container.at("/App/link"),
        text(&followed),
    ])?;
    ensure!(fs::read(&followed)? == b"one\r\n");
    let kept = home.path().join("kept");
    docker.ok(["cp", &container.at("/App/link"), text(&kept)])?;
    ensure!(kept.is_symlink());
    Ok(())
}

/// Whether it failed, and said this.
fn said(outcome: &Outcome, words: &str) -> Result<()> {
    ensure!(
        outcome.code != 0 && outcome.stderr.contains(words),
        "{words}: {outcome:?}"
    );
    Ok(())
}

fn failures(fixture: &Fixture) -> Result<()> {
    let home = tempfile::tempdir()?;
    let file = home.path().join("file");
    fs::write(&file, "x")?;
    fs::create_dir(home.path().join("dir"))?;
    let container = Container::start(fixture, "e2e-cp-failures", ADMINISTRATOR)?;
    container.cmd(r"mkdir C:\there & echo x>C:\there\file.txt")?;
    let (file, directory) = (text(&file), home.path().join("dir"));
    let name = container.name;
    let missing = |path: &str| format!("Could not find the file {path} in container {name}");
    let out = text(home.path());
    for (from, to, words) in [
        (&*container.at(r"C:\x"), out, missing(r"C:\x")),
        (&container.at("C:/there/x"), out, missing("C:/there/x")),
        (
            &container.at("D:/x"),
            out,
            "The specified path is not on the system drive (C:)".into(),
        ),
        (&container.at("C:there"), out, "single quotes".into()),
        (file, &container.at("C:/no/file"), missing("C:/no")),
        (file, &container.at("C:/no/"), "no such directory".into()),
        (
            text(&directory),
            &container.at("C:/there/file.txt"),
            "cannot copy directory".into(),
        ),
        ("e2e-cp-absent:/x", out, "No such container".into()),
    ] {
        said(&fixture.docker.run(["cp", from, to])?, &words)?;
    }
    let archive = one(tar::EntryType::Regular, "there", "", b"x");
    let mut put = fixture.docker.command(["cp", "-", &container.at("/")]);
    let outcome = Outcome::from(fed(&mut put, &archive)?);
    said(&outcome, "cannot overwrite directory")
}

fn binds(fixture: &Fixture) -> Result<()> {
    let (home, shared) = (tempfile::tempdir()?, tempfile::tempdir()?);
    fs::write(shared.path().join("host.txt"), "host")?;
    let file = home.path().join("file");
    fs::write(&file, "x")?;
    let bind = format!(r"{}:C:\shared", shared.path().display());
    let read_only = format!(r"{}:C:\fixed:ro", shared.path().display());
    let how = ["-v", &bind, "-v", &read_only, "--tmpfs", r"C:\mem"];
    let container = Container::start(fixture, "e2e-cp-binds", &how)?;
    container.cmd(r"echo mem>C:\mem\m.txt")?;
    let mem = home.path().join("mem");
    cp(fixture, &container.at("C:/mem"), text(&mem))?;
    ensure!(fs::read(mem.join("m.txt"))? == b"mem\r\n");
    for state in ["running", "stopped"] {
        if state == "stopped" {
            fixture.docker.ok(["kill", container.name])?;
        }
        let back = home.path().join(state);
        cp(fixture, &container.at("C:/Shared/host.txt"), text(&back))?;
        ensure!(fs::read(&back)? == b"host");
        let inside = container.at(&format!("C:/shared/{state}.txt"));
        cp(fixture, text(&file), &inside)?;
        ensure!(fs::read(shared.path().join(format!("{state}.txt")))? == b"x");
        let refused = fixture
            .docker
            .run(["cp", text(&file), &container.at("C:/fixed/f")])?;
        said(&refused, "mounted volume is marked read-only")?;
    }
    // Nothing in memory outlives its container's end.
    let gone = fixture
        .docker
        .run(["cp", &container.at("C:/mem/m.txt"), text(home.path())])?;
    said(&gone, "Could not find the file")
}

fn owners(fixture: &Fixture) -> Result<()> {
    let (home, shared) = (tempfile::tempdir()?, tempfile::tempdir()?);
    chown(shared.path(), Some(4321), Some(4321))?;
    let source = home.path().join("App");
    tree(&source)?;
    let bind = format!(r"{}:C:\shared", shared.path().display());
    let container = Container::start(fixture, "e2e-cp-owners", &["-v", &bind])?;
    for state in ["running", "stopped"] {
        if state == "stopped" {
            fixture.docker.ok(["kill", container.name])?;
        }
        cp(
            fixture,
            text(&source),
            &container.at(&format!("C:/shared/{state}")),
        )?;
        for path in ["", "/ReadMe.TXT", "/Größe"] {
            let found = fs::metadata(shared.path().join(format!("{state}{path}")))?;
            ensure!(
                (found.uid(), found.gid()) == (4321, 4321),
                "{state}{path} belongs to {}:{}",
                found.uid(),
                found.gid()
            );
        }
        let profile = container.at(&format!("C:/Users/ContainerUser/{state}"));
        cp(fixture, text(&source), &profile)?;
    }
    fixture.docker.ok(["start", container.name])?;
    // The user's own, and so to be changed and deleted.
    for state in ["running", "stopped"] {
        let line = format!(
            r"cd C:\Users\ContainerUser\{state}&& echo two>>ReadMe.TXT&& type ReadMe.TXT&& rd /s /q Größe&& dir /b"
        );
        let seen = container.cmd(&line)?;
        ensure!(seen.contains("two") && !seen.contains("Größe"), "{seen}");
    }
    Ok(())
}

/// Bytes of a process's memory: the most that it has been, from now on or so far.
fn peak(pid: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.context("no VmHWM")?.trim_end_matches("kB").trim();
    Ok(kilobytes.parse::<u64>()? * 1024)
}

fn large(fixture: &Fixture) -> Result<()> {
    const SIZE: u64 = 300 << 20;
    let home = tempfile::tempdir()?;
    let (source, back) = (home.path().join("large"), home.path().join("back"));
    fs::File::create(&source)?.set_len(SIZE)?;
    let container = Container::start(fixture, "e2e-cp-large", &[])?;
    let pid = fs::read_to_string(fixture.place.exec_root.join("portholed.pid"))?;
    let pid = pid.trim();
    // From now on.
    fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
    let before = peak(pid)?;
    cp(fixture, text(&source), &container.at("C:/Large"))?;
    cp(fixture, &container.at("C:/large"), text(&back))?;
    let grown = peak(pid)?.saturating_sub(before);
    ensure!(fs::metadata(&back)?.len() == SIZE);
    ensure!(grown < SIZE / 4, "the daemon took {grown} bytes");
    let seen = container.cmd(r"dir C:\Large")?;
    ensure!(
        seen.replace([',', '.'], "").contains(&SIZE.to_string()),
        "{seen}"
    );
    Ok(())
}

/// An archive of one entry, its name not checked.
fn one(kind: tar::EntryType, name: &str, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    // Writing to memory does not fail.
    let _ = builder.append(&header, content);
    builder.into_inner().unwrap_or_default()
}

fn hostile(fixture: &Fixture) -> Result<()> {
    use tar::EntryType;
    let container = Container::start(fixture, "e2e-cp-hostile", ADMINISTRATOR)?;
    container.cmd(r"mkdir C:\in")?;
    for (kind, name, link) in [
        (EntryType::Regular, "../up", ""),
        (EntryType::Regular, "a/../../../up", ""),
        (EntryType::Regular, "/rooted", ""),
        (EntryType::Regular, r"C:\Windows\x", ""),
        (EntryType::Regular, "c:/Windows/x", ""),
        (EntryType::Regular, r"..\up", ""),
        (EntryType::Regular, "file.txt:stream", ""),
        (EntryType::Regular, "NUL", ""),
        (EntryType::Regular, "sub/com1.txt", ""),
        (EntryType::Symlink, "link", "../../etc/passwd"),
        (EntryType::Symlink, "link", r"D:\secret"),
        (EntryType::Link, "link", "../Windows/x"),
        (EntryType::Link, "link", "/etc/passwd"),
        (EntryType::Char, "device", ""),
        (EntryType::Block, "device", ""),
        (EntryType::Fifo, "fifo", ""),
    ] {
        let archive = one(kind, name, link, b"");
        let mut put = fixture.docker.command(["cp", "-", &container.at("C:/in")]);
        let outcome = Outcome::from(fed(&mut put, &archive)?);
        said(&outcome, &format!("{name:?}"))?;
    }
    let long = one(
        EntryType::GNULongName,
        "././@LongLink",
        "",
        &vec![b'x'; 8 << 20],
    );
    let mut put = fixture.docker.command(["cp", "-", &container.at("C:/in")]);
    said(&Outcome::from(fed(&mut put, &long)?), "exceed")?;
    // None of them has left anything.
    let line = r"echo in& dir /b C:\in 2>nul& for %f in (C:\up C:\rooted C:\Windows\x) do @if exist %f echo %f";
    let seen = container.cmd(line)?;
    ensure!(seen.trim_end() == "in", "{seen}");
    Ok(())
}

fn links(fixture: &Fixture) -> Result<()> {
    let (home, shared) = (tempfile::tempdir()?, tempfile::tempdir()?);
    for (name, target) in [
        ("etc", "../../../../../../etc"),
        ("rooted", "/etc"),
        ("passwd", "/etc/passwd"),
        ("proc", "/proc/self/root"),
    ] {
        symlink(target, shared.path().join(name))?;
    }
    let mine = home.path().join("mine");
    fs::write(&mine, "mine")?;
    let bind = format!(r"{}:C:\shared", shared.path().display());
    let container = Container::start(fixture, "e2e-cp-links", &["-v", &bind])?;
    let docker = &fixture.docker;
    for state in ["running", "stopped"] {
        if state == "stopped" {
            docker.ok(["kill", container.name])?;
        }
        for path in [
            "C:/shared/etc/passwd",
            "C:/shared/rooted/passwd",
            "C:/shared/proc/etc/passwd",
            "C:/shared/../../etc/passwd",
        ] {
            let outcome = docker.run(["cp", &container.at(path), text(home.path())])?;
            said(&outcome, "Could not find the file").context(path.to_owned())?;
        }
        let followed = docker.run([
            "cp",
            "-L",
            &container.at("C:/shared/passwd"),
            text(home.path()),
        ])?;
        said(&followed, "Could not find the file /etc/passwd")?;
        let into = format!("C:/shared/etc/porthole-e2e-{state}");
        let outcome = docker.run(["cp", text(&mine), &container.at(&into)])?;
        ensure!(outcome.code != 0, "{outcome:?}");
        ensure!(!Path::new(&format!("/etc/porthole-e2e-{state}")).exists());
    }
    ensure!(!home.path().join("passwd").exists());
    Ok(())
}

/// Whoever copies while a container ends or starts gets all of it.
fn changes(fixture: &Fixture) -> Result<()> {
    let home = tempfile::tempdir()?;
    let source = home.path().join("App");
    tree(&source)?;
    let container = Container::start(fixture, "e2e-cp-changes", &[])?;
    cp(fixture, text(&source), &container.at("C:/App"))?;
    for round in 0..6 {
        let verb = if round % 2 == 0 { "kill" } else { "start" };
        let mut changing = fixture
            .docker
            .command([verb, container.name])
            .stdout(Stdio::null())
            .spawn()?;
        for copy in 0..6 {
            let back = home.path().join(format!("{round}-{copy}"));
            cp(fixture, &container.at("C:/App"), text(&back))
                .with_context(|| format!("{verb}, copy {copy}"))?;
            same(&source, &back)?;
            let inside = container.at(&format!("C:/Users/ContainerUser/{round}-{copy}"));
            cp(fixture, text(&source), &inside)
                .with_context(|| format!("{verb}, copy {copy} into it"))?;
        }
        ensure!(changing.wait()?.success(), "{verb}");
    }
    let seen = container.cmd(r"dir /b C:\Users\ContainerUser\5-5")?;
    ensure!(seen.contains("ReadMe.TXT"), "{seen}");
    Ok(())
}

fn stalled(fixture: &Fixture) -> Result<()> {
    let container = Container::start(fixture, "e2e-cp-stalled", &[])?;
    fixture.docker.ok(["kill", container.name])?;
    let socket = fixture.docker.host().trim_start_matches("unix://");
    let mut client = UnixStream::connect(socket)?;
    let name = container.name;
    write!(
        client,
        "GET /containers/{name}/archive?path=C:/Windows HTTP/1.1\r\nHost: porthole\r\n\r\n"
    )?;
    // The answer has begun, and is far more than what is under way at once.
    let mut head = [0; 12];
    client.read_exact(&mut head)?;
    ensure!(
        &head == b"HTTP/1.1 200",
        "{}",
        String::from_utf8_lossy(&head)
    );
    fixture.docker.ok(["start", name])?;
    // What it is given ends without the end of an answer.
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    ensure!(!rest.ends_with(b"\r\n0\r\n\r\n"), "the archive seems whole");
    Ok(())
}

fn own_cli(fixture: &Fixture) -> Result<()> {
    let home = tempfile::tempdir()?;
    let source = home.path().join("App");
    tree(&source)?;
    let container = Container::start(fixture, "e2e-cp-own", ADMINISTRATOR)?;
    let porthole = |arguments: &[&str], input: &[u8]| -> Result<Output> {
        let mut command = Command::new(fixture.programs.join("porthole"));
        command
            .args(["-H", fixture.docker.host(), "cp"])
            .args(arguments);
        fed(&mut command, input)
    };
    let ok = |arguments: &[&str], input: &[u8]| -> Result<Output> {
        let output = porthole(arguments, input)?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(output)
    };
    let back = home.path().join("back");
    ok(&[text(&source), &container.at(r"C:\App")], b"")?;
    // Backslashes do what they should, on this host too.
    ok(&[&container.at(r"C:\app"), text(&back)], b"")?;
    same(&source, &back)?;
    let name = home.path().join("renamed.txt");
    ok(&[&container.at(r"C:\App\readme.txt"), text(&name)], b"")?;
    ensure!(fs::read(&name)? == b"one\r\n");
    ok(&["-q", text(&name), &container.at(r"C:\App\New.txt")], b"")?;
    ensure!(container.cmd(r"type C:\App\New.txt")? == "one");
    let archive = ok(&[&container.at(r"C:\App\."), "-"], b"")?.stdout;
    container.cmd(r"mkdir C:\Two")?;
    let said = ok(&["-", &container.at(r"C:\Two")], &archive)?;
    let told = String::from_utf8_lossy(&said.stderr).into_owned();
    ensure!(told.contains("Successfully copied"), "{told}");
    ensure!(container.cmd(r"type C:\Two\New.txt")? == "one");
    fixture.docker.ok(["kill", container.name])?;
    ok(&[&container.at("Two/."), text(&back)], b"")?;
    ensure!(back.join("New.txt").is_file());
    for (arguments, words) in [
        (
            [&*container.at("C:/absent"), "."],
            "Could not find the file",
        ),
        (
            [text(&source), &container.at("C:/App/New.txt")],
            "cannot take its place",
        ),
        ([text(&name), &container.at("C:/no/")], "make it first"),
        ([text(&name), text(&back)], "CONTAINER:PATH"),
        (
            [&container.at("/x"), &container.at("/y")],
            "between containers",
        ),
    ] {
        let output = porthole(&arguments, b"")?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success() && told.contains(words), "{told}");
    }
    Ok(())
}
