//! What `docker info` tells of the host and the installation.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use porthole_engine::facts::{Facts, Installation};
use porthole_store::DataRoot;
use porthole_wine::kernel::KernelPackage;
use uuid::Uuid;

use crate::address::Address;
use crate::configuration::Configuration;

/// The file with the engine's ID, in the data root.
const ID_FILE: &str = "engine-id";

/// Gathers them.
///
/// # Errors
/// When the engine's ID can be neither read nor written.
pub(crate) fn gather(configuration: &Configuration) -> Result<Facts> {
    let data_root = &configuration.data_root;
    Ok(Facts {
        engine_id: engine_id(&data_root.join(ID_FILE))?,
        host_name: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        processors: std::thread::available_parallelism()
            .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
        memory: memory(),
        windows_build: configuration.windows_build,
        data_root: data_root.display().to_string(),
        time_zone: iana_time_zone::get_timezone().ok(),
        warnings: warnings(configuration),
    })
}

/// What `docker info` shall warn of: addresses that are open to everybody, in dockerd's words.
fn warnings(configuration: &Configuration) -> Vec<String> {
    let open = configuration.hosts.iter().filter_map(|host| match host {
        Address::Tcp(address) if configuration.tls.is_none() => Some(format!(
            "WARNING: API is accessible on http://{}:{} without encryption.\n         \
             Access to the remote API is equivalent to root access on the host: use --tlsverify.",
            address.host,
            address.port(false)
        )),
        _ => None,
    });
    open.collect()
}

/// The kernel package, which `porthole base build` may install or replace while the daemon runs.
#[derive(Debug)]
pub(crate) struct InstalledKernel {
    kernels: PathBuf,
}

impl InstalledKernel {
    /// The current kernel package below the data root.
    pub(crate) fn new(configuration: &Configuration) -> Self {
        let kernels = DataRoot::new(&configuration.data_root).kernels();
        Self { kernels }
    }

    /// Its Wine build, or why there is none.
    ///
    /// # Errors
    /// When no kernel package is installed, or it cannot be read.
    pub(crate) fn build(&self) -> porthole_wine::Result<String> {
        let kernel = KernelPackage::current(&self.kernels)?;
        Ok(kernel.description().build().to_string())
    }
}

impl Installation for InstalledKernel {
    fn wine_build(&self) -> Option<String> {
        self.build().ok()
    }
}

/// Bytes of memory of the host.
fn memory() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram.saturating_mul(u64::from(info.mem_unit))
}

/// The engine's ID: made once, kept with the data.
fn engine_id(path: &Path) -> Result<String> {
    if let Ok(text) = fs::read_to_string(path)
        && let Ok(id) = Uuid::parse_str(text.trim())
    {
        return Ok(id.to_string());
    }
    let id = Uuid::new_v4().to_string();
    fs::write(path, format!("{id}\n"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stays_and_a_damaged_one_is_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(ID_FILE);
        let first = engine_id(&path).expect("an ID");
        assert_eq!(engine_id(&path).expect("an ID"), first);
        fs::write(&path, "damaged").expect("a write");
        assert_ne!(engine_id(&path).expect("an ID"), first);
    }

    #[test]
    fn a_kernel_package_is_seen_once_it_is_installed() {
        let directory = tempfile::tempdir().expect("a directory");
        let kernels = directory.path().to_owned();
        let installed = InstalledKernel {
            kernels: kernels.clone(),
        };
        assert_eq!(installed.wine_build(), None);
        let description = r#"{"id":"k1","wine":"10.0","debian_version":"10.0~repack-6",
            "server_protocol":855,"variant":"wow64"}"#;
        fs::create_dir(kernels.join("k1")).expect("a directory");
        fs::write(kernels.join("k1/kernel.json"), description).expect("a description");
        std::os::unix::fs::symlink("k1", kernels.join("current")).expect("a link");
        assert_eq!(installed.wine_build().as_deref(), Some("10.0/855/wow64"));
    }
}
