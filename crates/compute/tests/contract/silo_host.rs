//! What silos need of the machine that the tests run on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use porthole_compute_service::launch::{self, Launch};
use porthole_compute_service::service::Systems;
use porthole_compute_service::silo::{SiloBackend, SiloConfig};
use porthole_sandbox::cgroup::{Cgroup, Hierarchies};
use porthole_wine::KernelPackage;
use rustix::process::{Pid, Signal, kill_process};

/// The data root with a kernel package and a base, unless this variable names another.
const DATA_ROOT: (&str, &str) = ("PORTHOLE_TEST_DATA_ROOT", "/var/lib/porthole");

/// The supervisor program, unless this variable names another: beside the tests.
const SUPERVISOR: (&str, &str) = ("PORTHOLE_TEST_SUPERVISOR", "porthole-supervisor");

/// The guest agent: a layer with it is a base.
const AGENT: &str = "Files/Windows/System32/cexecsvc.exe";

/// Roots of this test's own over the machine's kernel package and base.
pub(crate) struct SiloHost {
    pub(crate) base: PathBuf,
    data: tempfile::TempDir,
    run: tempfile::TempDir,
    supervisor: PathBuf,
}

impl SiloHost {
    /// Finds everything, or says what is missing.
    pub(crate) fn find() -> Option<Self> {
        Self::find_all().into_iter().next()
    }

    /// One for each base; none, and what is missing is said, where there is none.
    pub(crate) fn find_all() -> Vec<Self> {
        Self::look().unwrap_or_else(|reason| {
            println!("skipped: {reason}");
            Vec::new()
        })
    }

    fn look() -> Result<Vec<Self>, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("silos need root".into());
        }
        let supervisor = std::env::var_os(SUPERVISOR.0).map_or_else(beside_tests, PathBuf::from);
        if !supervisor.exists() {
            return Err(format!("{} is not built", supervisor.display()));
        }
        let root = std::env::var_os(DATA_ROOT.0).map_or_else(|| DATA_ROOT.1.into(), PathBuf::from);
        if !root.join("kernels/current").exists() {
            return Err(format!("no kernel package in {}", root.display()));
        }
        let bases = bases(&root);
        if bases.is_empty() {
            return Err(format!("no base image in {}", root.display()));
        }
        let hosts = bases
            .into_iter()
            .map(|base| Self::on(&root, base, &supervisor));
        Ok(hosts.collect())
    }

    fn on(root: &Path, base: PathBuf, supervisor: &Path) -> Self {
        let (data, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(root.join("kernels"), data.path().join("kernels")).unwrap();
        share_registry(root, &base, data.path());
        Self {
            base,
            data,
            run,
            supervisor: supervisor.to_owned(),
        }
    }

    /// What images must have been made for.
    pub(crate) fn wine_build(&self) -> String {
        let kernel = KernelPackage::current(&self.data.path().join("kernels")).unwrap();
        kernel.build().to_string()
    }

    /// A service in this process.
    pub(crate) async fn systems(&self) -> Arc<Systems> {
        let config = SiloConfig {
            data_root: self.data.path().to_owned(),
            exec_root: self.run.path().to_owned(),
            supervisor: self.supervisor.clone(),
        };
        Arc::new(
            Systems::open(SiloBackend::new(config).unwrap())
                .await
                .unwrap(),
        )
    }

    /// How the daemon is started on these roots.
    pub(crate) fn launch(&self) -> Option<Launch> {
        let program = self.supervisor.with_file_name("porthole-compute");
        if !program.exists() {
            println!("skipped: {} is not built", program.display());
            return None;
        }
        Some(Launch {
            program,
            data_root: self.data.path().to_owned(),
            exec_root: self.run.path().to_owned(),
            log_level: Some("debug".into()),
        })
    }

    /// Kills every process that has `word` and these roots in its arguments.
    pub(crate) fn kill(&self, word: &str) {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments);
            let ours = arguments.contains(&*self.run.path().to_string_lossy());
            let pid = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if let Some(pid) = pid
                .and_then(Pid::from_raw)
                .filter(|_| ours && arguments.contains(word))
            {
                // It may just have ended.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }

    /// Waits until a daemon serves.
    pub(crate) async fn daemon_serves(&self) {
        let socket = self.run.path().join(launch::SOCKET);
        while tokio::net::UnixStream::connect(&socket).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// The run directory of a system.
    pub(crate) fn run_directory(&self, id: &str) -> PathBuf {
        self.run.path().join("compute").join(id)
    }

    /// Whether nothing of any system is left.
    pub(crate) fn is_clean(&self) -> bool {
        std::fs::read_dir(self.run.path().join("compute"))
            .unwrap()
            .next()
            .is_none()
    }
}

/// A test that failed leaves nothing behind either.
impl Drop for SiloHost {
    fn drop(&mut self) {
        self.kill("porthole-");
        let systems = std::fs::read_dir(self.run.path().join("compute"));
        for system in systems.into_iter().flatten().flatten() {
            if let Ok(hierarchies) = Hierarchies::detect() {
                let id = system.file_name();
                let _ = Cgroup::remove_orphan(&hierarchies, "porthole", &id.to_string_lossy());
            }
        }
    }
}

/// `target/<profile>/deps/contract-…` lies below the programs.
fn beside_tests() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.ancestors().nth(2).unwrap().join(SUPERVISOR.1)
}

fn bases(root: &Path) -> Vec<PathBuf> {
    let layers = std::fs::read_dir(root.join("layers"));
    let mut bases: Vec<_> = layers
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|layer| layer.join(AGENT).exists())
        .collect();
    bases.sort();
    bases
}

/// Saves every test the merge that the machine has done already.
fn share_registry(root: &Path, base: &Path, data: &Path) {
    let base = base.file_name().unwrap().to_str().unwrap();
    let cached = std::fs::read_dir(root.join("registry"));
    for merged in cached.into_iter().flatten().flatten() {
        // Of the base alone, or of an image on it, which nobody then looks for.
        if !merged.file_name().to_string_lossy().starts_with(base) {
            continue;
        }
        let target = data.join("registry").join(merged.file_name());
        std::fs::create_dir_all(&target).unwrap();
        for file in std::fs::read_dir(merged.path()).unwrap().flatten() {
            std::fs::copy(file.path(), target.join(file.file_name())).unwrap();
        }
    }
}
