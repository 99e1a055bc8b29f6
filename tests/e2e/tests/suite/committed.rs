//! Containers that are committed, as a source of images for other tests.

use anyhow::{Result, ensure};
use porthole_e2e::docker::Docker;

use crate::Fixture;

/// An image that a test made, removed with it.
pub(crate) struct Committed<'a> {
    docker: &'a Docker,
    /// Its name.
    pub(crate) name: String,
    /// Its ID.
    pub(crate) id: String,
}

impl<'a> Committed<'a> {
    /// Runs a line of `cmd` in a container of the image, as an administrator, and makes an image
    /// of that.
    pub(crate) fn of(fixture: &'a Fixture, image: &str, name: &str, line: &str) -> Result<Self> {
        let docker = &fixture.docker;
        let user = ["-u", "ContainerAdministrator"];
        let container = docker.ok(["create", user[0], user[1], image, "cmd", "/c", line])?;
        let ran = docker.run(["start", "-a", &container])?;
        let id = docker.ok(["commit", &container, name])?;
        docker.ok(["rm", &container])?;
        ensure!(ran.code == 0, "{line}: {ran:?}");
        Ok(Self {
            docker,
            name: name.to_owned(),
            id,
        })
    }

    /// One on nanoserver with `text` in `C:\made.txt`.
    pub(crate) fn with_text(fixture: &'a Fixture, name: &str, text: &str) -> Result<Self> {
        let line = format!(r"echo {text}>C:\made.txt");
        Self::of(fixture, "porthole/nanoserver", name, &line)
    }
}

impl Drop for Committed<'_> {
    fn drop(&mut self) {
        let _ = self.docker.run(["rmi", "-f", &self.id]);
    }
}

/// The ID of an image.
pub(crate) fn id(docker: &Docker, name: &str) -> Result<String> {
    docker.ok(["image", "inspect", "-f", "{{.Id}}", name])
}

/// What a container of the image has in `C:\made.txt`.
pub(crate) fn text_in(docker: &Docker, image: &str) -> Result<String> {
    docker.ok(["run", "--rm", image, "cmd", "/c", r"type C:\made.txt"])
}
