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

/// Porthole's kernel package with nanoserver's C: and registry in it.
const SAME_TREE: &str = "peer-same-tree";

/// A running dockerd.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) docker: Docker,
    child: Child,
}

impl Peer {
    /// Starts dockerd and makes both images unless it has them.
    pub(crate) fn start(place: &Place) -> Result<Self> {
        let root = PathBuf::from("/var/lib/porthole-bench");
        let socket = root.join("docker.sock");
        std::fs::create_dir_all(&root)?;
        let log = std::fs::File::create(target_directory().join("dockerd.log"))?;
        let host = format!("unix://{}", socket.display());
        let child = Command::new("/usr/sbin/dockerd")
            .args(["--host", &host, "--data-root"])
            .arg(root.join("data"))
            .arg("--exec-root")
            .arg(root.join("run"))
            .arg("--pidfile")
            .arg(root.join("dockerd.pid"))
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start dockerd")?;
        let peer = Self {
            docker: Docker::new(host),
            child,
        };
        peer.wait()?;
        let images = peer.docker.ok(["images", "--format", "{{.Repository}}"])?;
        if !images.lines().any(|line| line == IMAGE) {
            peer.import_stock()?;
        }
        peer.import_same_tree(place)?;
        Ok(peer)
    }

    fn wait(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if self.docker.answers() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
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
        let make = "wine64 wineboot --init && /usr/lib/wine/wineserver -w";
        self.docker.ok([
            "run",
            "--name",
            name,
            "-e",
            "WINEDEBUG=-all",
            "peer-debian",
            "sh",
            "-c",
            make,
        ])?;
        self.docker.ok(["commit", name, IMAGE])?;
        self.docker.ok(["rm", name])?;
        std::fs::remove_file(archive)?;
        Ok(())
    }

    fn import_same_tree(&self, place: &Place) -> Result<()> {
        let tree = target_directory().join("peer-tree");
        let _ = std::fs::remove_dir_all(&tree);
        copy(&place.data_root.join("kernels/current/root/."), &tree)?;
        copy(&nanoserver_files(place)?.join("."), &tree.join("c"))?;
        let prefix = tree.join("prefix");
        copy(&registry(place)?.join("."), &prefix)?;
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
        [&["-e", "WINEDEBUG=-all", IMAGE, "wine64"], command].concat()
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

    /// Ends dockerd.
    pub(crate) fn stop(mut self) -> Result<()> {
        run(Command::new("kill").arg(self.child.id().to_string()))?;
        self.child.wait()?;
        // dockerd leaves its bridge and rules for the next start; there is none.
        let _ = Command::new("ip")
            .args(["link", "delete", "docker0"])
            .stderr(Stdio::null())
            .status();
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    run(Command::new("cp").arg("-a").arg(from).arg(to))
}

/// The layer that holds a C: and, of the two bases, is the smaller.
fn nanoserver_files(place: &Place) -> Result<PathBuf> {
    let layers = std::fs::read_dir(place.data_root.join("layers"))?;
    let mut sized = Vec::new();
    for layer in layers.flatten() {
        let files = layer.path().join("Files");
        if files.is_dir() {
            let size: u64 = output(Command::new("du").args(["-s"]).arg(&files))?
                .split_whitespace()
                .next()
                .context("du printed nothing")?
                .parse()?;
            sized.push((size, files));
        }
    }
    sized.sort();
    sized
        .into_iter()
        .next()
        .map(|(_, files)| files)
        .context("no base image is built")
}

/// The merged registry of a chain, made when its first container was.
fn registry(place: &Place) -> Result<PathBuf> {
    place
        .docker()
        .ok(["run", "--rm", "porthole/nanoserver", "cmd", "/c", "exit 0"])?;
    let mut entries = std::fs::read_dir(place.data_root.join("registry"))?.flatten();
    entries
        .next()
        .map(|entry| entry.path())
        .context("no registry was merged")
}
