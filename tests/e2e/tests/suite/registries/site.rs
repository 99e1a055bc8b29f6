//! A daemon that is set up for a registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use porthole_e2e::docker::{Docker, Outcome};
use porthole_e2e::registry::{ACCOUNT, Registry};
use porthole_e2e::server::{Place, Server};

use crate::Fixture;

/// A daemon that trusts the registry's authority, and docker with a configuration of its own.
pub(super) struct Site {
    pub(super) server: Server,
    docker: Docker,
    home: PathBuf,
}

impl Site {
    pub(super) fn start(
        fixture: &Fixture,
        place: Place,
        directory: &Path,
        registry: &Registry,
    ) -> Result<Self> {
        let certificates = directory.join("certs.d");
        let own = certificates.join(registry.name());
        fs::create_dir_all(&own)?;
        if registry.authority().exists() {
            fs::copy(registry.authority(), own.join("ca.crt"))?;
        }
        let file = directory.join("porthole.toml");
        let text = format!(
            "[registries]\ncertificates = [\"{}\"]\n",
            certificates.display()
        );
        fs::write(&file, text)?;
        let home = directory.join("docker");
        fs::create_dir_all(&home)?;
        let options = ["--config".into(), file.into_os_string()];
        let docker = place.docker();
        let server = Server::start_with(&fixture.programs, place, &options)?;
        Ok(Self {
            server,
            docker,
            home,
        })
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.docker.command(arguments);
        command.env("DOCKER_CONFIG", &self.home);
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Result<Outcome> {
        Ok(self.command(arguments).output()?.into())
    }

    pub(super) fn ok(&self, arguments: &[&str]) -> Result<String> {
        let outcome = self.run(arguments)?;
        ensure!(outcome.code == 0, "docker {arguments:?}: {outcome:?}");
        Ok(outcome.stdout.trim_end().to_owned())
    }

    pub(super) fn login(&self, registry: &Registry) -> Result<()> {
        let (name, password) = ACCOUNT;
        let done = self.ok(&["login", "-u", name, "-p", password, &registry.name()])?;
        ensure!(done.contains("Login Succeeded"), "{done}");
        Ok(())
    }

    pub(super) fn id(&self, image: &str) -> Result<String> {
        self.ok(&["inspect", "-f", "{{.Id}}", image])
    }
}

/// Runs on a host that has a kernel package and no image.
pub(super) fn empty_place(fixture: &Fixture, directory: &Path) -> Result<Place> {
    let place = Place {
        data_root: Path::new("/var/lib/porthole-test-empty").to_owned(),
        exec_root: directory.join("run"),
    };
    let _ = fs::remove_dir_all(&place.data_root);
    fs::create_dir_all(&place.data_root)?;
    let copied = Command::new("cp")
        .arg("-a")
        .arg(fixture.place.data_root.join("kernels"))
        .arg(&place.data_root)
        .status()?;
    ensure!(copied.success(), "cannot copy the kernel package");
    Ok(place)
}

/// Records and files agree; with `--content`, every byte is the right one too.
pub(super) fn check_store(fixture: &Fixture, options: &[&str]) -> Result<()> {
    let checked = Command::new(fixture.programs.join("porthole"))
        .args(["store", "check", "--data-root"])
        .arg(&fixture.place.data_root)
        .args(options)
        .output()?;
    ensure!(checked.status.success(), "{checked:?}");
    Ok(())
}
