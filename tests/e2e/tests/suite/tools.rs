//! The command-line programs of both bases: what each one does, not what it says.

use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::docker::Outcome;
use tempfile::TempDir;

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("tools_of_text_find_sort_and_page", |f| in_both(f, text)),
    ("tools_of_files_copy_mark_and_hash", |f| in_both(f, files)),
    ("tools_of_the_registry_set_and_delete", |f| {
        in_both(f, registry)
    }),
    ("tools_of_processes_list_and_end", |f| in_both(f, processes)),
    ("tools_of_services_make_start_and_stop", |f| {
        in_both(f, services)
    }),
    ("tools_of_the_network_show_and_ask", |f| in_both(f, network)),
    ("tools_name_user_and_host", |f| in_both(f, names)),
    ("tools_left_out_are_not_recognized", |f| {
        in_both(f, left_out)
    }),
];

/// A container in which commands run, with a directory of the host as `C:\work`.
struct Shell<'a> {
    fixture: &'a Fixture,
    name: String,
    work: TempDir,
}

fn in_both(fixture: &Fixture, test: fn(&Shell<'_>) -> Result<()>) -> Result<()> {
    for base in ["nanoserver", "servercore"] {
        let shell = Shell::start(fixture, base)?;
        let result = test(&shell).with_context(|| base.to_owned());
        fixture.docker.ok(["rm", "-f", &shell.name])?;
        result?;
    }
    Ok(())
}

impl<'a> Shell<'a> {
    fn start(fixture: &'a Fixture, base: &str) -> Result<Self> {
        let work = tempfile::tempdir()?;
        let (image, probes) = (format!("porthole/{base}"), fixture.probes_bind());
        let bind = format!(r"{}:C:\work", work.path().display());
        let command = [
            "run",
            "-d",
            "--hostname",
            "Ship",
            "-v",
            &probes,
            "-v",
            &bind,
        ];
        let program = [&image, "ping", "-n", "100000", "127.0.0.1"];
        let name = fixture.docker.ok(command.iter().chain(&program))?;
        Ok(Self {
            fixture,
            name,
            work,
        })
    }

    /// Runs a command line of `cmd` in it.
    fn run(&self, line: &str) -> Result<Outcome> {
        self.fixture
            .docker
            .run(["exec", &self.name, "cmd", "/c", line])
    }

    /// Runs a command line, which must succeed; what it prints, as lines joined by `|`.
    fn ok(&self, line: &str) -> Result<String> {
        let outcome = self.run(line)?;
        ensure!(outcome.code == 0, "{line}: {outcome:?}");
        Ok(joined(&outcome.stdout))
    }

    /// Runs a command line, which must succeed and print all of `expected`.
    fn prints(&self, line: &str, expected: &[&str]) -> Result<()> {
        let said = self.ok(line)?;
        for text in expected {
            ensure!(said.contains(text), "{line}: no {text:?} in {said:?}");
        }
        Ok(())
    }

    /// Starts a program that runs beside.
    fn start_beside(&self, program: &[&str]) -> Result<()> {
        let exec = ["exec", "-d", &self.name];
        self.fixture.docker.ok(exec.iter().chain(program))?;
        Ok(())
    }

    /// Runs a command line until it prints all of `expected`, for something that has been started.
    fn comes_to_print(&self, line: &str, expected: &[&str]) -> Result<()> {
        for _ in 0..100 {
            if self.prints(line, expected).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.prints(line, expected)
    }

    /// Runs a command line, which must fail with this code (its low eight bits, as docker gives).
    fn fails(&self, line: &str, code: i32) -> Result<()> {
        let outcome = self.run(line)?;
        ensure!(outcome.code == code, "{line}: {outcome:?}");
        Ok(())
    }
}

fn joined(text: &str) -> String {
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("|")
}

fn text(shell: &Shell<'_>) -> Result<()> {
    shell.prints("set /a 6*7", &["42"])?;
    shell.ok(r"(echo pear& echo apple& echo fig)>C:\work\fruit.txt")?;
    ensure!(
        shell.ok(r"sort C:\work\fruit.txt")? == "apple|fig|pear",
        "sort"
    );
    ensure!(
        shell.ok(r"sort /r C:\work\fruit.txt")? == "pear|fig|apple",
        "sort /r"
    );
    ensure!(
        shell.ok(r"type C:\work\fruit.txt | find /c /v fig")? == "2",
        "find"
    );
    shell.fails(r"type C:\work\fruit.txt | find plum", 1)?;
    ensure!(
        shell.ok(r"findstr /r /n ^.i C:\work\fruit.txt")? == "3:fig",
        "findstr"
    );
    shell.fails(r"findstr plum C:\work\fruit.txt", 1)?;
    ensure!(
        shell.ok(r"more < C:\work\fruit.txt")? == "pear|apple|fig|",
        "more"
    );
    shell.prints("where cmd", &[r"\cmd.exe"])?;
    shell.fails("where no-such-program", 1)
}

fn files(shell: &Shell<'_>) -> Result<()> {
    shell.ok(r"mkdir C:\work\from\deep & echo x>C:\work\from\deep\file")?;
    shell.ok(r"xcopy C:\work\from C:\work\to\ /s /e /i /y")?;
    ensure!(shell.ok(r"type C:\work\to\deep\file")? == "x", "xcopy");
    shell.ok(r"attrib +r C:\work\to\deep\file")?;
    shell.run(r"echo y>C:\work\to\deep\file")?;
    ensure!(shell.ok(r"type C:\work\to\deep\file")? == "x", "attrib +r");
    shell.ok(r"attrib -r C:\work\to\deep\file")?;
    shell.ok(r"echo y>C:\work\to\deep\file")?;
    ensure!(shell.ok(r"type C:\work\to\deep\file")? == "y", "attrib -r");
    // Of "x\r\n".
    shell.prints(
        r"certutil -hashfile C:\work\from\deep\file SHA256",
        &["b35e09fa2ced9ebcad9d16336fb961146fe34bfbebc562679da85f8a314c9dca"],
    )
}

fn registry(shell: &Shell<'_>) -> Result<()> {
    shell.ok(r"reg add HKCU\Software\Probe /v Colour /d green /f")?;
    shell.prints(
        r"reg query HKCU\Software\Probe /v Colour",
        &["REG_SZ", "green"],
    )?;
    shell.ok(r"reg delete HKCU\Software\Probe /f")?;
    shell.fails(r"reg query HKCU\Software\Probe", 1)?;
    shell.ok("setx PROBE_COLOUR blue")?;
    ensure!(shell.ok("echo %PROBE_COLOUR%")? == "blue", "setx");
    Ok(())
}

fn processes(shell: &Shell<'_>) -> Result<()> {
    shell.prints("tasklist", &["ping.exe", "cexecsvc.exe"])?;
    shell.start_beside(&[r"C:\probes\listen.exe", "9"])?;
    shell.comes_to_print("tasklist", &["listen.exe"])?;
    shell.ok("taskkill /f /im listen.exe")?;
    ensure!(!shell.ok("tasklist")?.contains("listen.exe"), "taskkill");
    shell.fails("taskkill /f /im listen.exe", 128)?;
    let before = std::time::Instant::now();
    shell.ok("timeout /t 1 /nobreak")?;
    ensure!(before.elapsed().as_millis() >= 1000, "timeout");
    Ok(())
}

fn services(shell: &Shell<'_>) -> Result<()> {
    const FILE: &str = r"C:\work\service.txt";
    let path = format!(r"C:\probes\service.exe {FILE}");
    let create = [
        "sc", "create", "probe", "binPath=", &path, "start=", "demand",
    ];
    let exec = ["exec", &shell.name];
    shell.fixture.docker.ok(exec.iter().chain(&create))?;
    shell.prints("sc qc probe", &["DEMAND_START", &path])?;
    shell.prints("sc query probe", &["STOPPED"])?;
    let said = format!("type {FILE}");
    shell.ok("sc start probe")?;
    shell.comes_to_print(&said, &["running"])?;
    shell.comes_to_print("sc query", &["SERVICE_NAME: probe", "4  RUNNING"])?;
    shell.prints("sc queryex probe", &["PID                : "])?;
    shell.fails("sc start probe", 1056 & 0xff)?;
    shell.prints("net start", &["probe"])?;
    shell.ok("net stop probe")?;
    shell.comes_to_print(&said, &["running|stopped"])?;
    shell.comes_to_print("sc query probe", &["1  STOPPED"])?;
    shell.fails("sc stop probe", 1062 & 0xff)?;
    shell.ok("net start probe")?;
    shell.comes_to_print("sc query probe", &["4  RUNNING"])?;
    shell.ok("sc stop probe")?;
    shell.comes_to_print("sc query probe", &["1  STOPPED"])?;
    shell.ok("sc config probe start= disabled")?;
    shell.fails("sc start probe", 1058 & 0xff)?;
    shell.ok("sc delete probe")?;
    shell.fails("sc query probe", 1060 & 0xff)
}

fn network(shell: &Shell<'_>) -> Result<()> {
    let inspected = |field: &str| {
        let format = format!("{{{{range .NetworkSettings.Networks}}}}{{{{.{field}}}}}{{{{end}}}}");
        shell
            .fixture
            .docker
            .ok(["inspect", "-f", &format, &shell.name])
    };
    let (address, gateway) = (inspected("IPAddress")?, inspected("Gateway")?);
    shell.prints("ipconfig", &[&address, &gateway])?;
    shell.prints("ping -n 1 localhost", &["Reply from"])?;
    shell.prints(
        &format!("ping -n 1 {gateway}"),
        &[&format!("Reply from {gateway}")],
    )?;
    shell.fails("ping -n 1 no-such-host.invalid", 1)?;
    shell.start_beside(&[r"C:\probes\listen.exe", "7777"])?;
    shell.comes_to_print("netstat -an", &["0.0.0.0:7777", "LISTENING"])?;
    let server = UdpSocket::bind((gateway.as_str(), 53)).context("cannot serve names")?;
    let stop = UdpSocket::bind((gateway.as_str(), 0))?;
    std::thread::scope(|scope| {
        scope.spawn(|| answer_questions(&server));
        let line = format!("nslookup probe.test {gateway}");
        let asked = shell.prints(&line, &["probe.test", "192.0.2.77"]);
        stop.send_to(&[], (gateway.as_str(), 53))?;
        asked
    })
}

/// Answers questions for addresses of IPv4 with one, and all others with none, until an empty one.
fn answer_questions(server: &UdpSocket) -> std::io::Result<()> {
    const HEADER: usize = 12;
    let mut packet = [0; 512];
    loop {
        let (length, client) = server.recv_from(&mut packet)?;
        if length < HEADER {
            return Ok(());
        }
        let question = &packet[HEADER..length];
        let end = question.iter().position(|&byte| byte == 0).unwrap_or(0) + 5;
        let is_ipv4 = question[..end].ends_with(&[0, 1, 0, 1]);
        let counts = [0, 1, 0, u8::from(is_ipv4), 0, 0, 0, 0];
        let mut answer = [&packet[..2], &[0x81, 0x80], &counts, &question[..end]].concat();
        if is_ipv4 {
            // The name of the question, type A, class IN, a minute, four bytes.
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 77]);
        }
        server.send_to(&answer, client)?;
    }
}

fn names(shell: &Shell<'_>) -> Result<()> {
    ensure!(shell.ok("hostname")? == "Ship", "hostname");
    let account = shell.ok("echo %USERNAME%")?.to_lowercase();
    let user = format!(r"user manager\{account}");
    ensure!(shell.ok("whoami")? == user, "whoami");
    shell.prints(
        "whoami /all",
        &[&user, "S-1-5-", "GROUP INFORMATION", "Privilege"],
    )
}

/// What the list of left-out files names, but for what tools of ours replace, and for the boot
/// program, which Windows has not and Wine looks for.
fn left_out(shell: &Shell<'_>) -> Result<()> {
    const LIST: &str = include_str!("../../../../crates/mechanisms/base/src/image_files.toml");
    const ONE: &str = ":one\r\n%1\r\necho %1 %errorlevel%\r\nexit /b 0\r\n";
    const OTHERS: [&str; 5] = ["certutil", "powershell", "setx", "whoami", "wineboot"];
    let (absent, _) = LIST
        .split_once("# --- nanoserver")
        .context("the list has changed")?;
    let quoted = absent.split('"').skip(1).step_by(2);
    let names = quoted.filter_map(|name| name.strip_suffix(".exe"));
    let names: Vec<_> = names.filter(|name| !OTHERS.contains(name)).collect();
    ensure!(names.len() > 40 && names.contains(&"schtasks"), "{names:?}");
    let script = format!(
        "@echo off\r\nfor %%n in ({}) do call :one %%n\r\nexit /b 0\r\n{ONE}",
        names.join(" ")
    );
    fs::write(shell.work.path().join("each.cmd"), script)?;
    let outcome = shell.run(r"C:\work\each.cmd")?;
    for name in names {
        let said = format!("{name} 9009");
        ensure!(
            outcome.stdout.lines().any(|line| line == said),
            "no {said:?} in {outcome:?}"
        );
        let said = format!("'{name}' as an internal or external command");
        ensure!(outcome.stderr.contains(&said), "no {said:?} in {outcome:?}");
    }
    let outcome = shell.run("powershell -Command 1")?;
    let is_sentence = outcome.stderr.lines().count() == 1 && outcome.stderr.contains("PowerShell");
    ensure!(outcome.code == 9009 & 0xff && is_sentence, "{outcome:?}");
    Ok(())
}
