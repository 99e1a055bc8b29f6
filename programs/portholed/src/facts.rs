//! What `docker info` tells of the host and the installation.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use porthole_engine::facts::Facts;
use porthole_wine::kernel::KernelPackage;
use uuid::Uuid;

use crate::configuration::Configuration;

/// The file with the engine's ID, in the data root.
const ID_FILE: &str = "engine-id";

/// Gathers them.
///
/// # Errors
/// When the engine's ID can be neither read nor written.
pub(crate) fn gather(configuration: &Configuration) -> Result<Facts> {
    let data_root = &configuration.data_root;
    let kernel = KernelPackage::current(&data_root.join("kernels"));
    if let Err(error) = &kernel {
        tracing::warn!(%error, "no kernel package: containers cannot start");
    }
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
        wine_build: kernel
            .ok()
            .map(|kernel| kernel.description().build().to_string()),
        data_root: data_root.display().to_string(),
    })
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
}
