//! The peer: Debian's dockerd on a socket of its own, with Wine in Linux images.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use porthole_e2e::docker::Docker;
use porthole_e2e::server::Place;

use crate::command::{output, run, target_directory};

/// Debian 13 with its Wine, and a prefix that is already made.
pub(crate) const IMAGE: &str = "peer-wine";

/// Debian's loader itself: the `wine` command is a shell script that looks for it.
const STOCK_LOADER: &str = "/usr/lib/wine/wine64";

/// Porthole's kernel package with nanoserver's C: and registry in it.
const SAME_TREE: &str = "peer-same-tree";

const ROOT: &str = "/var/lib/porthole-bench";

fn host() -> String {
    format!("unix://{ROOT}/docker.sock")
}

fn containerd_socket() -> String {
    format!("{ROOT}/containerd.sock")
}

/// A daemon whose words go to the log that both share.
fn daemon(program: &str) -> Result<Command> {
    let log = target_directory().join("dockerd.log");
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(log)?;
    let mut command = Command::new(program);
    command.stdout(log.try_clone()?).stderr(log);
    Ok(command)
}

/// Starts containerd as a service of its own, as Debian runs it: a dockerd that starts its own takes
/// it along when it is killed, and its successor meets the half ended one.
fn spawn_containerd() -> Result<Child> {
    let root = Path::new(ROOT);
    daemon("/usr/bin/containerd")?
        .args(["--log-level", "warn", "--address", &containerd_socket()])
        .arg("--root")
        .arg(root.join("containerd"))
        .arg("--state")
        .arg(root.join("run/containerd-state"))
        .spawn()
        .context("cannot start containerd")
}

/// Starts dockerd, as one that lets containers live when it ends, which Porthole always does.
fn spawn_dockerd() -> Result<Child> {
    let root = Path::new(ROOT);
    daemon("/usr/sbin/dockerd")?
        .args(["--live-restore", "--host", &host()])
        .args(["--containerd", &containerd_socket(), "--data-root"])
        .arg(root.join("data"))
        .arg("--exec-root")
        .arg(root.join("run"))
        .arg("--pidfile")
        .arg(root.join("dockerd.pid"))
        .spawn()
        .context("cannot start dockerd")
}

/// A running dockerd.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) docker: Docker,
    dockerd: Child,
    containerd: Child,
}

impl Peer {
    /// Starts dockerd and makes the image of Debian's Wine unless it has it.
    pub(crate) fn start() -> Result<Self> {
        std::fs::create_dir_all(ROOT)?;
        let peer = Self {
            docker: Docker::new(host()),
            containerd: spawn_containerd()?,
            dockerd: spawn_dockerd()?,
        };
        peer.wait()?;
        let images = peer.docker.ok(["images", "--format", "{{.Repository}}"])?;
        if !images.lines().any(|line| line == IMAGE) {
            peer.import_stock()?;
        }
        Ok(peer)
    }

    /// Kills dockerd without warning and starts another; containers run on.
    pub(crate) fn kill_and_restart(&mut self) -> Result<()> {
        self.dockerd.kill()?;
        self.dockerd.wait()?;
        self.dockerd = spawn_dockerd()?;
        self.wait()
    }

    /// The processes that it consists of, without those that each container has.
    pub(crate) fn daemons(&self) -> [u32; 2] {
        [self.dockerd.id(), self.containerd.id()]
    }

    fn wait(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if self.docker.answers() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!(
            "dockerd does not answer; its log is {}",
            target_directory().join("dockerd.log").display()
        )
    }

    /// Debian's Wine, its prefix made once as a user of that image would.
    fn import_stock(&self) -> Result<()> {
        let archive = target_directory().join("peer-wine.tar");
        run(Command::new("mmdebstrap")
            .args(["--variant=apt", "--include=wine64,wine", "trixie"])
            .arg(&archive))?;
        let name = "peer-prefix";
        self.docker
            .ok(["import", &archive.to_string_lossy(), "peer-debian"])?;
        // Of a run that was broken off.
        let _ = self.docker.ok(["rm", "-f", name]);
        let make = format!("{STOCK_LOADER} wineboot --init && /usr/lib/wine/wineserver -w");
        self.docker.ok([
            "run",
            "--name",
            name,
            "-e",
            "WINEDEBUG=-all",
            "peer-debian",
            "sh",
            "-c",
            &make,
        ])?;
        self.docker.ok(["commit", name, IMAGE])?;
        self.docker.ok(["rm", name])?;
        std::fs::remove_file(archive)?;
        Ok(())
    }

    /// Makes the image of Porthole's own tree, whose server must be running.
    pub(crate) fn import_same_tree(&self, place: &Place) -> Result<()> {
        let tree = target_directory().join("peer-tree");
        let _ = std::fs::remove_dir_all(&tree);
        copy(&place.data_root.join("kernels/current/root/."), &tree)?;
        let layer = nanoserver_layer(place)?;
        copy(&layer.join("Files/."), &tree.join("c"))?;
        let prefix = tree.join("prefix");
        copy(&registry(place, &layer)?.join("."), &prefix)?;
        std::fs::create_dir_all(prefix.join("dosdevices"))?;
        std::os::unix::fs::symlink("/c", prefix.join("dosdevices/c:"))?;
        let archive = target_directory().join("peer-tree.tar");
        run(Command::new("tar")
            .arg("-C")
            .arg(&tree)
            .arg("-cf")
            .arg(&archive)
            .arg("."))?;
        self.docker
            .ok(["import", &archive.to_string_lossy(), SAME_TREE])?;
        std::fs::remove_file(archive)?;
        std::fs::remove_dir_all(tree)?;
        Ok(())
    }

    /// Arguments of `docker run` for a Windows command in Debian's Wine.
    pub(crate) fn stock<'a>(&self, command: &[&'a str]) -> Vec<&'a str> {
        [&["-e", "WINEDEBUG=-all", IMAGE, STOCK_LOADER], command].concat()
    }

    /// Arguments of `docker run` for a Windows command in Porthole's own tree.
    pub(crate) fn same_tree<'a>(&self, command: &[&'a str]) -> Vec<&'a str> {
        let words: &[&str] = &[
            "-e",
            "WINEDEBUG=-all",
            "-e",
            "WINEPREFIX=/prefix",
            "-e",
            "LC_ALL=C.UTF-8",
            "-e",
            "HOME=/prefix",
            "-e",
            "WINESERVER=/usr/lib/wine/wineserver64",
            "-w",
            "/c",
            SAME_TREE,
            "/usr/lib/wine/wine64",
            r"C:\Windows\System32\cmd.exe",
        ];
        [words, &command[1..]].concat()
    }
}

/// Ends dockerd and its containers, also when an image could not be made or a measurement failed.
impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.docker.remove_all();
        for daemon in [&mut self.dockerd, &mut self.containerd] {
            let _ = Command::new("kill").arg(daemon.id().to_string()).status();
            let _ = daemon.wait();
        }
        // dockerd leaves its bridge and rules for the next start; there is none.
        let _ = Command::new("ip")
            .args(["link", "delete", "docker0"])
            .stderr(Stdio::null())
            .status();
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    run(Command::new("cp").arg("-a").arg(from).arg(to))
}

/// The layer that holds a C: and, of the two bases, is the smaller.
fn nanoserver_layer(place: &Place) -> Result<PathBuf> {
    let layers = std::fs::read_dir(place.data_root.join("layers"))?;
    let mut sized = Vec::new();
    for layer in layers.flatten().map(|entry| entry.path()) {
        if layer.join("Files").is_dir() {
            let size: u64 = output(Command::new("du").arg("-s").arg(&layer))?
                .split_whitespace()
                .next()
                .context("du printed nothing")?
                .parse()?;
            sized.push((size, layer));
        }
    }
    let smallest = sized.into_iter().min();
    smallest
        .map(|(_, layer)| layer)
        .context("no base image is built")
}

/// The merged registry of a base, made when its first container was.
fn registry(place: &Place, layer: &Path) -> Result<PathBuf> {
    place
        .docker()
        .ok(["run", "--rm", "porthole/nanoserver", "cmd", "/c", "exit 0"])?;
    let name = layer.file_name().context("a layer has a name")?;
    let name = name.to_string_lossy();
    let merged = std::fs::read_dir(place.data_root.join("registry"))?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&*name))
        .map(|entry| entry.path())
        .find(|merged| merged.join("security.hiv").exists());
    merged.context("the container's registry was merged")
}
