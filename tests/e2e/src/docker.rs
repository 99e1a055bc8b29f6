//! The docker client that is installed, pointed at one server.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A docker client.
#[derive(Debug, Clone)]
pub struct Docker {
    host: String,
    certificates: Option<PathBuf>,
    config: Option<PathBuf>,
}

/// What a client's run gave.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The client's exit code.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Docker {
    /// A client that talks to `host`.
    #[must_use]
    pub fn new(host: String) -> Self {
        Self {
            host,
            certificates: None,
            config: None,
        }
    }

    /// A client that speaks TLS with `host`, with `ca.pem`, `cert.pem` and `key.pem` of a directory.
    #[must_use]
    pub fn over_tls(host: String, certificates: PathBuf) -> Self {
        Self {
            host,
            certificates: Some(certificates),
            config: None,
        }
    }

    /// The same client with its configuration, and with it its logins, in a directory.
    #[must_use]
    pub fn with_config(&self, directory: PathBuf) -> Self {
        Self {
            config: Some(directory),
            ..self.clone()
        }
    }

    /// The environment variables that lead any client of Docker's to this host.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let mut variables = vec![("DOCKER_HOST", OsString::from(&self.host))];
        if let Some(directory) = &self.certificates {
            variables.push(("DOCKER_TLS_VERIFY", "1".into()));
            variables.push(("DOCKER_CERT_PATH", directory.into()));
        }
        if let Some(directory) = &self.config {
            variables.push(("DOCKER_CONFIG", directory.into()));
        }
        variables
    }

    /// The host that it talks to.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// A command of the client, to be run by the caller.
    #[must_use]
    pub fn command<I, S>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = Command::new("docker");
        command
            .env_remove("DOCKER_CONTEXT")
            .envs(self.environment())
            .args(arguments);
        command
    }

    /// Runs the client to its end.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn run<I, S>(&self, arguments: I) -> Result<Outcome>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let output = self
            .command(arguments)
            .stdin(Stdio::null())
            .output()
            .context("cannot run the docker client")?;
        Ok(Outcome::from(output))
    }

    /// Runs the client, which must succeed, and returns its output without the last line break.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn ok<I, S>(&self, arguments: I) -> Result<String>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let outcome = self.run(arguments)?;
        ensure!(
            outcome.code == 0,
            "docker exited with {}: {}",
            outcome.code,
            outcome.stderr
        );
        Ok(outcome.stdout.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Starts a container that runs for ten minutes and does nothing; gives its ID. `how` ends with
    /// the image.
    ///
    /// # Errors
    /// When docker refuses.
    pub fn idle(&self, name: &str, how: &[&str]) -> Result<String> {
        let begin = ["run", "-d", "--name", name];
        let program = ["ping", "-n", "600", "127.0.0.1"];
        self.ok(begin.iter().chain(how).chain(&program))
    }

    /// `docker inspect` of one object.
    ///
    /// # Errors
    /// When there is none.
    pub fn inspect(&self, name: &str) -> Result<Value> {
        let text = self.ok(["inspect", name])?;
        let mut list: Vec<Value> = serde_json::from_str(&text)?;
        list.pop().context("inspect printed an empty list")
    }

    /// Waits until a template of `docker inspect` gives what `done` is after.
    ///
    /// # Errors
    /// When it does not while there is patience, with what it gave last.
    pub fn until(
        &self,
        name: &str,
        template: &str,
        patience: Duration,
        done: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let found = self.ok(["inspect", "-f", template, name])?;
            if done(&found) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{name}: {template} is {found}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether a daemon answers.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.run(["version"]).is_ok_and(|outcome| outcome.code == 0)
    }

    /// Removes every container.
    ///
    /// # Errors
    /// When the client cannot be run, or a container resists.
    pub fn remove_all(&self) -> Result<()> {
        let ids = self.ok(["ps", "-aq"])?;
        if !ids.is_empty() {
            self.ok(["rm", "-f"].into_iter().chain(ids.split_whitespace()))?;
        }
        Ok(())
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
