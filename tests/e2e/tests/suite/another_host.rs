//! A host with the kernel package of this build and no image at all.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use porthole_e2e::server::{Place, Server};

use crate::Fixture;

/// A server on a data root of its own, which is removed at the end. There is one network for all
/// servers of a host: only one runs at a time.
pub(crate) struct AnotherHost {
    /// What tests work with there.
    pub(crate) fixture: Fixture,
    server: Server,
}

impl AnotherHost {
    pub(crate) fn start(fixture: &Fixture) -> Result<Self> {
        let place = Place {
            data_root: beside(&fixture.place.data_root),
            exec_root: beside(&fixture.place.exec_root),
        };
        remove(&place)?;
        fs::create_dir_all(&place.data_root)?;
        let copied = Command::new("cp")
            .arg("-a")
            .args([
                fixture.place.data_root.join("kernels"),
                place.data_root.join("kernels"),
            ])
            .status()?;
        ensure!(copied.success(), "cp failed");
        let server = Server::start(&fixture.programs, place.clone())?;
        let fixture = Fixture {
            docker: place.docker(),
            place,
            ..fixture.clone()
        };
        Ok(Self { fixture, server })
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.server.stop()?;
        remove(&self.fixture.place)
    }
}

fn beside(directory: &Path) -> std::path::PathBuf {
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push("-other");
    directory.with_file_name(name)
}

fn remove(place: &Place) -> Result<()> {
    for directory in [&place.data_root, &place.exec_root] {
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
    }
    Ok(())
}
