//! A silo's ingredients in a temporary directory.

use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use porthole_sandbox::cgroup::{Cgroup, Hierarchies, Limits};
use porthole_sandbox::{
    Connections, DrivePlan, Identity, Plan, Prepared, Report, Resolver, Service, ServiceStdio, Silo,
};

use rustix::event::{PollFd, PollFlags, poll};

const BUSYBOX: &str = "/usr/bin/busybox";

pub(crate) fn reason_to_skip() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        Some("needs root")
    } else if !Path::new(BUSYBOX).exists() {
        Some("needs busybox (Debian package busybox-static)")
    } else if Hierarchies::detect().is_err() {
        Some("no cgroup hierarchy is mounted")
    } else {
        None
    }
}

/// A temporary host: a kernel package, one layer, a sandbox and a registry.
pub(crate) struct Host {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) plan: Plan,
    pub(crate) limits: Limits,
    pub(crate) name: String,
}

/// A cgroup that is removed whatever becomes of the test.
pub(crate) struct TestCgroup(Cgroup);

impl std::ops::Deref for TestCgroup {
    type Target = Cgroup;

    fn deref(&self) -> &Cgroup {
        &self.0
    }
}

impl std::ops::DerefMut for TestCgroup {
    fn deref_mut(&mut self) -> &mut Cgroup {
        &mut self.0
    }
}

impl Drop for TestCgroup {
    fn drop(&mut self) {
        let removed = self.0.remove();
        assert!(removed.is_ok() || std::thread::panicking(), "{removed:?}");
    }
}

/// What a silo's program printed, and how the silo's init reported its end.
pub(crate) struct Outcome {
    pub(crate) output: String,
    pub(crate) report: Report,
    pub(crate) out_of_memory_kills: u64,
}

impl Host {
    pub(crate) fn new(name: &str, identity: Identity) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("silo-test")
            .tempdir()
            .unwrap();
        let at = |path: &str| directory.path().join(path);
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for path in [
            "root/bin",
            "root/etc",
            "root/c",
            "root/prefix",
            "root/dev",
            "root/proc",
            "root/sys",
            "root/tmp",
            "root/run",
            "layer/Users/ContainerUser/Desktop",
            "layer/Windows/Temp",
            "sandbox",
            "prefix",
            "staging",
        ] {
            fs::create_dir_all(at(path)).unwrap();
        }
        for file in [
            "root/etc/resolv.conf",
            "root/etc/hosts",
            "root/etc/hostname",
            "layer/file",
        ] {
            fs::write(at(file), "from the layer").unwrap();
        }
        fs::write(at("layer/Users/ContainerUser/small"), "small").unwrap();
        fs::copy(BUSYBOX, at("root/bin/busybox")).unwrap();
        std::os::unix::fs::symlink("busybox", at("root/bin/sh")).unwrap();
        let plan = Plan {
            host_name: "silo".to_owned(),
            root: at("root"),
            drive: DrivePlan {
                layers: vec![at("layer")],
                sandbox: at("sandbox"),
                mapped: Vec::new(),
                temporary: Vec::new(),
                identity,
            },
            prefix: at("prefix"),
            resource_limits: Vec::new(),
            root_certificates: None,
            directories: Vec::new(),
            network_namespace: None,
            resolver: Resolver {
                resolv_conf: "nameserver 10.0.0.1\n".to_owned(),
                hosts: String::new(),
            },
            staging: at("staging"),
            services: Vec::new(),
        };
        let name = format!("{name}-{}", std::process::id());
        Self {
            directory,
            plan,
            limits: Limits::default(),
            name,
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub(crate) fn cgroup(&self) -> TestCgroup {
        self.cgroup_in(&Hierarchies::detect().unwrap())
    }

    pub(crate) fn cgroup_in(&self, hierarchies: &Hierarchies) -> TestCgroup {
        TestCgroup(Cgroup::create(hierarchies, "silo-test", &self.name, &self.limits).unwrap())
    }

    /// Runs a shell script in a silo to its end.
    pub(crate) fn run(&mut self, script: &str) -> Outcome {
        self.plan.services = vec![shell(script)];
        let cgroup = self.cgroup();
        self.run_in(&cgroup)
    }

    fn run_in(&self, cgroup: &Cgroup) -> Outcome {
        let (mut ours, inner) = UnixStream::pair().unwrap();
        let mut silo = self.start(cgroup, &inner);
        drop(inner);
        ours.set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut output = String::new();
        let report = match next_report(&silo) {
            Report::Built => {
                ours.read_to_string(&mut output).unwrap();
                next_report(&silo)
            }
            failed => failed,
        };
        let out_of_memory_kills = cgroup.out_of_memory_kills();
        end(&mut silo);
        Outcome {
            output,
            report,
            out_of_memory_kills,
        }
    }

    pub(crate) fn start(&self, cgroup: &Cgroup, inner: &UnixStream) -> Silo {
        let prepared = Prepared::new(self.plan.drive.identity).unwrap();
        let connections = Connections {
            channel: inner.as_fd(),
            log: rustix::stdio::stderr(),
        };
        Silo::start(&self.plan, cgroup, &prepared, &connections).unwrap()
    }
}

/// Kills a silo and waits until it is gone.
pub(crate) fn end(silo: &mut Silo) {
    silo.kill().unwrap();
    let mut ended = [PollFd::from_borrowed_fd(silo.end(), PollFlags::IN)];
    poll(&mut ended, None).unwrap();
    assert!(silo.reap().unwrap());
    await_single_thread();
}

/// Waits until this process may be copied for another silo.
fn await_single_thread() {
    let deadline = Instant::now() + Duration::from_secs(20);
    while fs::read_dir("/proc/self/task").unwrap().count() > 1 {
        assert!(Instant::now() < deadline, "a thread outlives its silo");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn shell(script: &str) -> Service {
    Service {
        executable: "/bin/busybox".to_owned(),
        arguments: ["sh", "-c", script].map(str::to_owned).to_vec(),
        environment: vec![("PATH".to_owned(), "/bin".to_owned())],
        stdio: ServiceStdio::Channel,
        awaits_wineserver: false,
    }
}

pub(crate) fn next_report(silo: &Silo) -> Report {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match silo.channel().receive() {
            Ok(report) => return report,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                assert!(Instant::now() < deadline, "init reports nothing");
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("init is gone: {error}"),
        }
    }
}
