//! Runs Wine while a base is being built: in namespaces that end with the program, without network,
//! and with a prefix that is thrown away.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, IoContext, Result};

const SCRIPT: &str = include_str!("throwaway.sh");

/// Less room than this on a file system, in bytes, is none.
const ROOM: u64 = 16 << 20;

/// A working directory in which programs of a kernel package run.
pub(crate) struct Throwaway {
    kernel_root: PathBuf,
    work: PathBuf,
}

impl Throwaway {
    /// Lays the working directory out in the empty directory `work`. `system_directory` holds
    /// Wine's PE files and NLS data; it is where the kernel package's links find them.
    pub(crate) fn new(kernel_root: &Path, work: &Path, system_directory: &Path) -> Result<Self> {
        for name in [
            "root",
            "tmp",
            "prefix/dosdevices",
            "prefix/drive_c",
            "c/Windows",
            "share/fonts",
        ] {
            let path = work.join(name);
            fs::create_dir_all(&path).at("create directory", &path)?;
        }
        let link = |target: &str, name: &str| {
            let path = work.join(name);
            std::os::unix::fs::symlink(target, &path).at("create link", &path)
        };
        link("../drive_c", "prefix/dosdevices/c:")?;
        link("/c/Windows/System32", "share/nls")?;
        link_files(system_directory, &work.join("c/Windows/System32"))?;
        Ok(Self {
            kernel_root: kernel_root.to_owned(),
            work: work.to_owned(),
        })
    }

    /// A path in the working directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    /// Starts a program, whose path is that in the kernel package.
    pub(crate) fn start(&self, program: &[&str]) -> Result<Child> {
        let log = self.work.join("log");
        let output = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .at("open log", &log)?;
        let errors = output.try_clone().at("open log", &log)?;
        // Both ends with this process, however that ends.
        let mut command = Command::new("setpriv");
        command
            .args([
                "--pdeathsig",
                "KILL",
                "unshare",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--ipc",
                "--net",
                "--uts",
                "--",
            ])
            .args(["/bin/sh", "-c", SCRIPT, "throwaway"])
            .arg(&self.kernel_root)
            .arg(&self.work)
            .args(program)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        command.spawn().map_err(|error| {
            Error::new(ErrorKind::Tool, "start", "setpriv", "it cannot be started")
                .with_source(error)
        })
    }

    /// Runs a program to its end, which must be success within `limit`.
    pub(crate) fn run(&self, program: &[&str], limit: Duration) -> Result<()> {
        let mut child = self.start(program)?;
        let deadline = Instant::now() + limit;
        let name = &program.join(" ");
        loop {
            let ended = child.try_wait().at("wait for", name)?;
            if let Some(status) = ended {
                return if status.success() && self.has_room() {
                    Ok(())
                } else {
                    Err(self.failure(name, &status.to_string()))
                };
            }
            if Instant::now() > deadline {
                stop(&mut child);
                return Err(self.failure(
                    name,
                    &format!("it did not end within {} s", limit.as_secs()),
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether there is room left. Wine goes on without, and leaves files that are cut off.
    fn has_room(&self) -> bool {
        let room = rustix::fs::statvfs(&self.work).map(|room| room.f_bavail * room.f_frsize);
        room.is_ok_and(|bytes| bytes >= ROOM)
    }

    /// The failure of a program, with the last it said.
    pub(crate) fn failure(&self, program: &str, what: &str) -> Error {
        if !self.has_room() {
            return Error::new(
                ErrorKind::NoSpace,
                "run",
                program,
                "the file system is full",
            );
        }
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        let last: Vec<_> = log.lines().rev().take(5).collect();
        let message = format!(
            "{what}; its last messages: {:?}",
            last.into_iter().rev().collect::<Vec<_>>()
        );
        Error::new(ErrorKind::Wine, "run", program, message)
    }
}

/// Ends a child and waits for it.
pub(crate) fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// The one file of a stage that is no module of Wine. It must not lie where Wine looks for its own
/// modules if that is not the prefix's system directory too, or it is not found in either.
pub(crate) const FOREIGN_MODULE: &str = "zlib1.dll";

/// Makes `target` a directory of hard links to Wine's modules and data in `source`.
pub(crate) fn link_files(source: &Path, target: &Path) -> Result<()> {
    fs::create_dir_all(target).at("create directory", target)?;
    for entry in fs::read_dir(source).at("list", source)? {
        let entry = entry.at("list", source)?;
        if entry.file_name() == FOREIGN_MODULE {
            continue;
        }
        let path = target.join(entry.file_name());
        fs::hard_link(entry.path(), &path).at("link", &path)?;
    }
    Ok(())
}
