//! The virtual machine's disks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use porthole_e2e::server::Place;

use crate::builds::Built;
use crate::command::{output, root, run, target_directory};
use crate::workloads::{self, Wanted};

/// What is installed beside Debian's minimal system: what a server has, the kernel, what
/// `porthole doctor` asks for, and the docker client.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,udev,kmod,apparmor,linux-image-amd64,\
                        initramfs-tools,sudo,procps,nftables,iptables,iproute2,gpgv,\
                        debian-archive-keyring,ca-certificates,curl,docker.io";

const RELEASE: &str = "bookworm";

/// The system's files: kept until what they are made from changes.
#[derive(Debug)]
pub(super) struct System {
    pub(super) disk: PathBuf,
    pub(super) kernel: PathBuf,
    pub(super) initial: PathBuf,
}

/// All disks.
#[derive(Debug)]
pub(super) struct Disks {
    pub(super) system: System,
    /// `/var/lib/porthole`: a data root with the small base image.
    pub(super) data: PathBuf,
    /// `target` of a checkout: the programs, those for base images, the probes, a web server.
    pub(super) programs: PathBuf,
}

/// Where all of it is kept.
pub(super) fn directory() -> PathBuf {
    target_directory().join("vm")
}

/// Makes every disk that is not there.
pub(super) fn make(built: &Built, place: &Place) -> Result<Disks> {
    fs::create_dir_all(directory())?;
    Ok(Disks {
        system: system()?,
        data: data(built, place)?,
        programs: programs(built)?,
    })
}

fn system() -> Result<System> {
    let sources = root().join("xtask/src/vm");
    let [agent, customize] = ["agent.sh", "customize.sh"].map(|name| sources.join(name));
    let mut inputs = format!("{RELEASE} {PACKAGES}\n");
    for script in [&agent, &customize] {
        inputs.push_str(&fs::read_to_string(script)?);
    }
    let kept = directory().join(format!("debian-{}", key(&inputs)?));
    if !kept.exists() {
        let making = directory().join("debian.new");
        clear(&making)?;
        fs::create_dir(&making)?;
        bootstrap(&making, &agent, &customize)?;
        fs::rename(&making, &kept)?;
    }
    Ok(System {
        disk: kept.join("disk.img"),
        kernel: kept.join("vmlinuz"),
        initial: kept.join("initrd"),
    })
}

fn bootstrap(making: &Path, agent: &Path, customize: &Path) -> Result<()> {
    let tree = making.join("tree");
    let hook = format!("sh {} \"$1\" {}", customize.display(), agent.display());
    run(Command::new("mmdebstrap")
        .args([
            "--variant=minbase",
            "--aptopt=APT::Install-Recommends false",
        ])
        .arg(format!("--include={PACKAGES}"))
        .arg(format!("--customize-hook={hook}"))
        .arg(RELEASE)
        .arg(&tree))?;
    for (prefix, name) in [("vmlinuz-", "vmlinuz"), ("initrd.img-", "initrd")] {
        let found = fs::read_dir(tree.join("boot"))?
            .flatten()
            .find(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .with_context(|| format!("the tree has no {prefix}*"))?;
        fs::copy(found.path(), making.join(name))?;
    }
    file_system(&tree, &making.join("disk.img"), "4G")?;
    Ok(fs::remove_dir_all(&tree)?)
}

/// A data root of its own, built from the packages that the tests' place has fetched.
fn data(built: &Built, place: &Place) -> Result<PathBuf> {
    let tree = directory().join("data");
    clear(&tree)?;
    fs::create_dir(&tree)?;
    std::os::unix::fs::symlink(place.data_root.join("cache"), tree.join("cache"))?;
    run(Command::new(built.programs.join("porthole"))
        .args(["base", "build", "nanoserver", "--data-root"])
        .arg(&tree)
        .arg("--guest-programs")
        .arg(&built.guest))?;
    fs::remove_file(tree.join("cache"))?;
    let disk = directory().join("data.img");
    file_system(&tree, &disk, "2G")?;
    clear(&tree)?;
    Ok(disk)
}

fn programs(built: &Built) -> Result<PathBuf> {
    let tree = directory().join("programs");
    clear(&tree)?;
    fs::create_dir_all(tree.join("release"))?;
    for program in [
        "portholed",
        "porthole-compute",
        "porthole-supervisor",
        "porthole",
    ] {
        // Without what debuggers need, or the emulated disk is read for a minute.
        run(Command::new("strip")
            .arg("-o")
            .arg(tree.join("release").join(program))
            .arg(built.programs.join(program)))?;
    }
    copy(&built.guest, &tree.join("guest"))?;
    let caddy = workloads::fetch(Wanted::One("caddy"))?.join("caddy");
    fs::create_dir(tree.join("caddy"))?;
    let program = caddy.canonicalize()?.join(".data/scripts/caddy.exe");
    fs::copy(program, tree.join("caddy/caddy.exe"))?;
    let disk = directory().join("programs.img");
    file_system(&tree, &disk, "400M")?;
    clear(&tree)?;
    Ok(disk)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    run(Command::new("cp").arg("-rL").arg(from).arg(to))
}

fn file_system(tree: &Path, disk: &Path, size: &str) -> Result<()> {
    if disk.exists() {
        fs::remove_file(disk)?;
    }
    run(Command::new("mke2fs")
        .args(["-q", "-t", "ext4", "-d"])
        .arg(tree)
        .arg(disk)
        .arg(size))
}

fn clear(tree: &Path) -> Result<()> {
    match fs::remove_dir_all(tree) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", tree.display()))
        }
        _ => Ok(()),
    }
}

/// A short name for a text: the first digits of its SHA-1, as git tells it.
fn key(text: &str) -> Result<String> {
    let path = directory().join("inputs");
    fs::write(&path, text)?;
    let hash = output(Command::new("git").args(["hash-object"]).arg(&path))?;
    Ok(hash.chars().take(12).collect())
}
