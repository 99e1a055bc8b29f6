//! What silos need of the machine that the tests run on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use porthole_compute_service::service::Systems;
use porthole_compute_service::silo::{SiloBackend, SiloConfig, chain_id};
use porthole_wine::KernelPackage;

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
        match Self::look() {
            Ok(host) => Some(host),
            Err(reason) => {
                println!("skipped: {reason}");
                None
            }
        }
    }

    fn look() -> Result<Self, String> {
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
        let base = base(&root).ok_or_else(|| format!("no base image in {}", root.display()))?;
        let (data, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(root.join("kernels"), data.path().join("kernels")).unwrap();
        share_registry(&root, &base, data.path());
        Ok(Self {
            base,
            data,
            run,
            supervisor,
        })
    }

    pub(crate) async fn systems(&self) -> (Arc<Systems>, String) {
        let kernel = KernelPackage::current(&self.data.path().join("kernels")).unwrap();
        (Arc::new(self.open().await), kernel.build().to_string())
    }

    /// A service over what is there: what a service process does at its start.
    pub(crate) async fn open(&self) -> Systems {
        let config = SiloConfig {
            data_root: self.data.path().to_owned(),
            exec_root: self.run.path().to_owned(),
            supervisor: self.supervisor.clone(),
        };
        Systems::open(SiloBackend::new(config).unwrap())
            .await
            .unwrap()
    }

    /// Whether nothing of any system is left.
    pub(crate) fn is_clean(&self) -> bool {
        std::fs::read_dir(self.run.path().join("compute"))
            .unwrap()
            .next()
            .is_none()
    }
}

/// `target/<profile>/deps/contract-…` lies below the programs.
fn beside_tests() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.ancestors().nth(2).unwrap().join(SUPERVISOR.1)
}

fn base(root: &Path) -> Option<PathBuf> {
    let layers = std::fs::read_dir(root.join("layers")).ok()?;
    let mut bases: Vec<_> = layers
        .flatten()
        .map(|entry| entry.path())
        .filter(|layer| layer.join(AGENT).exists())
        .collect();
    bases.sort();
    bases.into_iter().next()
}

/// Saves every test the merge that the machine has done already.
fn share_registry(root: &Path, base: &Path, data: &Path) {
    let chain = chain_id(&[base]);
    let merged = [
        root.join("registry").join(&chain),
        root.join("registry").join(base.file_name().unwrap()),
    ];
    if let Some(merged) = merged
        .into_iter()
        .find(|merged| merged.join("system.reg").exists())
    {
        let target = data.join("registry").join(chain);
        std::fs::create_dir_all(&target).unwrap();
        for file in std::fs::read_dir(merged).unwrap().flatten() {
            std::fs::copy(file.path(), target.join(file.file_name())).unwrap();
        }
    }
}
