//! Compiles the Windows programs of `guest/`: agent, tools, probes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::{cargo, output, root, run, target_directory};

const TARGET: &str = "x86_64-pc-windows-gnu";

/// Debian's compiler, which comes with the library's source (packages `rustc-web`, `cargo-web`,
/// `rust-web-src`), and its lints (`rust-web-clippy`).
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_CLIPPY: &str = "/usr/bin/cargo-clippy";

/// Compiles everything and puts the agent and the tools into `directory`, the probes into
/// `directory/probes`.
pub(crate) fn build(directory: &Path) -> Result<()> {
    run(&mut toolchain("build")?)?;
    let programs = built().join(TARGET).join("release");
    let probes = sources("probes")?;
    let others = sources("tools")?;
    install(
        &programs,
        directory,
        others.iter().map(String::as_str).chain(["cexecsvc"]),
    )?;
    install(
        &programs,
        &directory.join("probes"),
        probes.iter().map(String::as_str),
    )
}

/// Clippy over everything.
pub(crate) fn lint() -> Result<()> {
    run(toolchain("clippy")?.args(["--quiet", "--", "-D", "warnings"]))
}

/// Where the compiler works.
fn built() -> PathBuf {
    target_directory().join("guest-build")
}

/// A subcommand of cargo (`build`, `clippy`) for the Windows programs.
fn toolchain(subcommand: &str) -> Result<Command> {
    let mut command = compiler(subcommand)?;
    command
        .current_dir(root().join("guest"))
        .env("CARGO_TARGET_DIR", built())
        // Flags and toolchains of the host's build mean nothing here.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTUP_TOOLCHAIN");
    Ok(command)
}

/// The compiler for Windows: the user's own, if it has the target, else Debian's.
fn compiler(subcommand: &str) -> Result<Command> {
    if has_target(&mut cargo()) {
        let mut command = cargo();
        command.args([subcommand, "--release", "--target", TARGET]);
        return Ok(command);
    }
    if !Path::new(DEBIAN_RUSTC).exists() || !Path::new(DEBIAN_CARGO).exists() {
        bail!(
            "no compiler for {TARGET}: `rustup target add {TARGET}`, \
             or `apt-get install rustc-web cargo-web rust-web-src gcc-mingw-w64-x86-64`"
        );
    }
    // By its own path: cargo would rather take a clippy of rustup's, which is for another compiler.
    let program = match subcommand {
        "clippy" => DEBIAN_CLIPPY,
        _ => DEBIAN_CARGO,
    };
    let mut command = Command::new(program);
    command
        .env("CARGO", DEBIAN_CARGO)
        .env("RUSTC", DEBIAN_RUSTC)
        // Compiling the standard library is an unstable option of a stable compiler.
        .env("RUSTC_BOOTSTRAP", "1")
        .args([
            subcommand,
            "--release",
            "--target",
            TARGET,
            "-Zbuild-std=std,panic_abort",
        ]);
    Ok(command)
}

/// Whether the compiler that `cargo` uses has the target's standard library.
fn has_target(cargo: &mut Command) -> bool {
    let rustc = Path::new(cargo.get_program()).with_file_name("rustc");
    let rustc = if rustc.exists() {
        rustc
    } else {
        PathBuf::from("rustc")
    };
    let library =
        output(Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]));
    library.is_ok_and(|directory| Path::new(&directory).exists())
}

/// The names of the programs of a package: its `src/bin/*.rs`.
fn sources(package: &str) -> Result<Vec<String>> {
    let directory = root().join("guest").join(package).join("src/bin");
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) {
            names.push(stem.to_owned());
        }
    }
    Ok(names)
}

/// Copies programs, each by renaming a finished copy into place.
fn install<'a>(from: &Path, to: &Path, names: impl Iterator<Item = &'a str>) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for name in names {
        let source = from.join(format!("{name}.exe"));
        let copy = to.join(format!(".{name}.exe"));
        fs::copy(&source, &copy).with_context(|| source.display().to_string())?;
        fs::rename(&copy, to.join(format!("{name}.exe")))?;
    }
    Ok(())
}
