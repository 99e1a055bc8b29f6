//! What outlives the daemon: one file for the nat network and one for each endpoint, below the
//! run-time root. Namespaces and interfaces are gone after a reboot, and so are these files. They
//! are the only table of addresses and ports in use, and are written before anything is made in
//! the kernel, so that a crash leaves nothing that nobody knows of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};

/// The largest record that is read.
const MAX_SIZE: u64 = 1 << 20;

/// The nat network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NatRecord {
    /// Its addresses.
    pub(crate) subnet: Ipv4Net,
    /// Whether the host forwarded no packets before.
    pub(crate) enabled_forwarding: bool,
}

/// The records below a run-time root.
#[derive(Debug)]
pub(crate) struct Records {
    directory: PathBuf,
}

impl Records {
    pub(crate) fn open(exec_root: &Path) -> Result<Self> {
        let records = Self {
            directory: exec_root.join("network"),
        };
        let endpoints = records.endpoints();
        fs::create_dir_all(&endpoints)
            .map_err(|error| Error::io("create directory", &endpoints, error))?;
        Ok(records)
    }

    pub(crate) fn nat(&self) -> Result<Option<NatRecord>> {
        read(&self.nat_path())
    }

    pub(crate) fn write_nat(&self, record: &NatRecord) -> Result<()> {
        write(&self.nat_path(), record)
    }

    pub(crate) fn write_endpoint(&self, endpoint: &Endpoint) -> Result<()> {
        write(&self.endpoint_path(&endpoint.id), endpoint)
    }

    pub(crate) fn remove_endpoint(&self, id: &str) -> Result<()> {
        remove(&self.endpoint_path(id))
    }

    /// All endpoints. A file that is none was cut short by a crash before anything was made.
    pub(crate) fn load_endpoints(&self) -> Result<Vec<Endpoint>> {
        let directory = self.endpoints();
        let failed = |error| Error::io("list endpoints", &directory, error);
        let mut endpoints = Vec::new();
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            match read::<Endpoint>(&path) {
                Ok(Some(endpoint)) if self.endpoint_path(&endpoint.id) == path => {
                    endpoints.push(endpoint);
                }
                Ok(_) => remove(&path)?,
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "dropped an unreadable endpoint record");
                    remove(&path)?;
                }
            }
        }
        Ok(endpoints)
    }

    /// Removes everything, when there is no endpoint left.
    pub(crate) fn remove_all(&self) -> Result<()> {
        remove(&self.nat_path())?;
        for path in [self.endpoints(), self.directory.clone()] {
            match fs::remove_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("remove directory", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn nat_path(&self) -> PathBuf {
        self.directory.join("nat.json")
    }

    fn endpoints(&self) -> PathBuf {
        self.directory.join("endpoints")
    }

    fn endpoint_path(&self, id: &str) -> PathBuf {
        self.endpoints().join(format!("{id}.json"))
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let size = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read record", path, error)),
    };
    let invalid = || {
        Error::new(
            ErrorKind::Invalid,
            "read record",
            path.display().to_string(),
            "not a record",
        )
    };
    if size > MAX_SIZE {
        return Err(invalid());
    }
    let bytes = fs::read(path).map_err(|error| Error::io("read record", path, error))?;
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| invalid().with_source(error))
}

/// Not synced: the run-time root is a memory file system, or at least does not outlive a reboot.
fn write<T: Serialize>(path: &Path, record: &T) -> Result<()> {
    let failed = |error| Error::io("write record", path, error);
    let bytes = serde_json::to_vec(record).map_err(|error| failed(error.into()))?;
    let temporary = path.with_extension("json.tmp");
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(failed)?;
    fs::write(&temporary, bytes).map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove record", path, error))
        }
        _ => Ok(()),
    }
}
