//! A running Porthole: the daemons of one build on a data root of their own.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::docker::Docker;

/// Where `portholed` names its process.
pub const ENGINE_PID: &str = "portholed.pid";

/// Where `porthole-compute` names its process.
pub const COMPUTE_PID: &str = "compute.lock";

/// Where a server keeps its data and its sockets.
#[derive(Debug, Clone)]
pub struct Place {
    /// `--data-root`.
    pub data_root: PathBuf,
    /// `--exec-root`.
    pub exec_root: PathBuf,
}

impl Place {
    /// The places that an installed Porthole uses.
    #[must_use]
    pub fn system() -> Self {
        Self {
            data_root: "/var/lib/porthole".into(),
            exec_root: "/run/porthole".into(),
        }
    }

    /// A place for tests: on the disk of `/var/lib`, because an overlay's upper directory cannot
    /// stand on another overlay, as a checkout inside a container may.
    #[must_use]
    pub fn test() -> Self {
        Self {
            data_root: "/var/lib/porthole-test".into(),
            exec_root: "/run/porthole-test".into(),
        }
    }

    /// The socket, as `DOCKER_HOST` names it.
    #[must_use]
    pub fn docker_host(&self) -> String {
        format!("unix://{}", self.exec_root.join("docker.sock").display())
    }

    /// A docker client for it.
    #[must_use]
    pub fn docker(&self) -> Docker {
        Docker::new(self.docker_host())
    }

    /// The process ID in `file`, if that process lives.
    #[must_use]
    pub fn daemon_pid(&self, file: &str) -> Option<i32> {
        let text = std::fs::read_to_string(self.exec_root.join(file)).ok()?;
        let pid: i32 = text.trim().parse().ok()?;
        Path::new("/proc")
            .join(pid.to_string())
            .join("exe")
            .exists()
            .then_some(pid)
    }
}

/// A `portholed` that was started here.
#[derive(Debug)]
pub struct Server {
    /// Where it keeps its data.
    pub place: Place,
    programs: PathBuf,
    options: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    child: Child,
}

impl Server {
    /// Starts `portholed` from the directory `programs` and waits until it answers.
    ///
    /// # Errors
    /// When it ends or does not answer within 20 seconds; the message names its log.
    pub fn start(programs: &Path, place: Place) -> Result<Self> {
        Self::start_with(programs, place, &[])
    }

    /// The same, with more options of `portholed`.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(programs: &Path, place: Place, options: &[OsString]) -> Result<Self> {
        Self::start_in(programs, place, options, &[])
    }

    /// The same, with variables of its environment, which the Compute Service inherits.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_in(
        programs: &Path,
        place: Place,
        options: &[OsString],
        environment: &[(OsString, OsString)],
    ) -> Result<Self> {
        std::fs::create_dir_all(&place.exec_root)?;
        let log_path = place.exec_root.join("portholed.log");
        let log = File::options().create(true).append(true).open(&log_path)?;
        let child = Command::new(programs.join("portholed"))
            .arg("--data-root")
            .arg(&place.data_root)
            .arg("--exec-root")
            .arg(&place.exec_root)
            .args(["-H", &place.docker_host()])
            .args(options)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start portholed")?;
        let mut server = Self {
            place,
            programs: programs.to_owned(),
            options: options.to_owned(),
            environment: environment.to_owned(),
            child,
        };
        server.wait_until_it_answers(&log_path)?;
        Ok(server)
    }

    fn wait_until_it_answers(&mut self, log: &Path) -> Result<()> {
        let docker = self.place.docker();
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("portholed ended ({status}); its log is {}", log.display());
            }
            if docker.answers() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("portholed does not answer; its log is {}", log.display())
    }

    /// Kills `portholed` without warning and starts another.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn kill_and_restart(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        let place = self.place.clone();
        let next = Self::start_in(&self.programs, place, &self.options, &self.environment)?;
        *self = next;
        Ok(())
    }

    /// Removes every container, then stops both daemons.
    ///
    /// # Errors
    /// When the client cannot be run.
    pub fn stop(self) -> Result<()> {
        self.place.docker().remove_all()?;
        self.stop_daemons()
    }

    /// Stops both daemons; containers run on.
    ///
    /// # Errors
    /// When `portholed` cannot be waited for.
    pub fn stop_daemons(mut self) -> Result<()> {
        terminate(&self.place, ENGINE_PID);
        self.child.wait()?;
        terminate(&self.place, COMPUTE_PID);
        Ok(())
    }

    /// Ends every process of this server's at once and empties its run-time directory, as a power
    /// cut does. Network namespaces are unmounted, which the end of the kernel would do.
    ///
    /// # Errors
    /// When a process stays or the directory cannot be removed.
    pub fn lose_power(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let processes = processes_below(&self.place.exec_root);
            if processes.is_empty() {
                break;
            }
            if Instant::now() > deadline {
                bail!("processes {processes:?} do not end");
            }
            let _ = Command::new("kill").arg("-9").args(&processes).status();
            std::thread::sleep(Duration::from_millis(20));
        }
        for namespace in std::fs::read_dir(self.place.exec_root.join("netns"))? {
            let _ = Command::new("umount").arg(namespace?.path()).status();
        }
        std::fs::remove_dir_all(&self.place.exec_root)
            .with_context(|| format!("cannot empty {}", self.place.exec_root.display()))
    }

    /// Lets the daemons outlive this process.
    pub fn leave_running(self) {}
}

/// The IDs of processes whose arguments name the directory or something in it: the Compute Service
/// and the supervisors, whose end is that of their silos.
fn processes_below(directory: &Path) -> Vec<String> {
    let needle = directory.display().to_string();
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.to_owned();
            name.parse::<u32>().ok()?;
            let arguments = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
            let is_ours = arguments.starts_with('/') && arguments.contains("porthole-");
            (is_ours && arguments.split('\0').any(|one| one.starts_with(&needle))).then_some(name)
        })
        .collect()
}

/// Asks a daemon to end and waits until it has, ten seconds at most.
fn terminate(place: &Place, file: &str) {
    let Some(pid) = place.daemon_pid(file) else {
        return;
    };
    let _ = Command::new("kill")
        .arg(pid.to_string())
        .stderr(Stdio::null())
        .status();
    let deadline = Instant::now() + Duration::from_secs(10);
    while place.daemon_pid(file).is_some() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
}
