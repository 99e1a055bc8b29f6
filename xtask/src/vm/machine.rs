//! A running virtual machine, and the serial port over which it is told what to do.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::image::{Disks, directory};

/// How long the system may take to come up, emulated and beside other work.
const BOOT: Duration = Duration::from_secs(300);

/// How long a kernel that runs under KVM may take to its first message.
const KVM: Duration = Duration::from_secs(15);

/// How long a command may take; the agent ends it a little earlier.
const COMMAND: Duration = Duration::from_secs(300);

/// How the processor is provided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accelerator {
    Kvm,
    Emulation,
}

/// What a command said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: i32,
    pub(super) output: String,
}

/// A virtual machine. Dropped, it is switched off; its disks are as they were.
#[derive(Debug)]
pub(super) struct Machine {
    process: Child,
    port: BufReader<UnixStream>,
    boot: String,
}

impl Machine {
    /// Starts one and waits until it listens.
    pub(super) fn start(disks: &Disks) -> Result<Self> {
        if Path::new("/dev/kvm").exists() {
            match Self::start_with(disks, Accelerator::Kvm) {
                Ok(machine) => return Ok(machine),
                Err(error) => println!("KVM does not start a guest ({error:#}): emulating"),
            }
        }
        Self::start_with(disks, Accelerator::Emulation)
    }

    fn start_with(disks: &Disks, accelerator: Accelerator) -> Result<Self> {
        let [socket, console] = ["port.sock", "console.log"].map(|name| directory().join(name));
        for stale in [&socket, &console] {
            let _ = fs::remove_file(stale);
        }
        let process = command(disks, accelerator, &socket, &console)
            .spawn()
            .context("cannot run qemu-system-x86_64")?;
        let mut starting = Starting(Some(process));
        if accelerator == Accelerator::Kvm {
            starting.await_true(KVM, || {
                fs::metadata(&console).is_ok_and(|file| file.len() > 0)
            })?;
        }
        starting.await_true(BOOT, || socket.exists())?;
        let port = UnixStream::connect(&socket).context("cannot reach the machine's port")?;
        port.set_read_timeout(Some(BOOT))?;
        let mut port = BufReader::new(port);
        let boot = await_ready(&mut port, "")
            .with_context(|| format!("the machine does not come up; see {}", console.display()))?;
        let process = starting.0.take().context("no process")?;
        Ok(Self {
            process,
            port,
            boot,
        })
    }

    /// Runs a shell script as root.
    pub(super) fn run(&mut self, script: &str) -> Result<Answer> {
        let context = || format!("in the machine: {script}");
        self.port
            .get_ref()
            .set_read_timeout(Some(COMMAND))
            .with_context(context)?;
        let line = STANDARD.encode(script) + "\n";
        self.port.get_mut().write_all(line.as_bytes())?;
        loop {
            let line = read_line(&mut self.port).with_context(context)?;
            let mut words = line.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some("done"), Some(status), output) => {
                    let output = STANDARD.decode(output.unwrap_or_default())?;
                    return Ok(Answer {
                        status: status.parse()?,
                        output: String::from_utf8_lossy(&output).trim_end().to_owned(),
                    });
                }
                (Some("ready"), ..) => bail!("the machine started anew: {script}"),
                _ => {}
            }
        }
    }

    /// Runs a script that must succeed; returns what it said.
    pub(super) fn ok(&mut self, script: &str) -> Result<String> {
        let answer = self.run(script)?;
        ensure!(
            answer.status == 0,
            "in the machine: {script}\nexited with {}:\n{}",
            answer.status,
            answer.output
        );
        Ok(answer.output)
    }

    /// Runs a script until it succeeds.
    pub(super) fn eventually(&mut self, script: &str) -> Result<String> {
        let deadline = Instant::now() + COMMAND;
        loop {
            let answer = self.run(script)?;
            if answer.status == 0 {
                return Ok(answer.output);
            }
            ensure!(
                Instant::now() < deadline,
                "in the machine: {script}\nnever succeeded:\n{}",
                answer.output
            );
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Restarts the whole system, as its administrator would.
    pub(super) fn reboot(&mut self) -> Result<()> {
        let script = STANDARD.encode("systemd-run --no-block systemctl reboot") + "\n";
        self.port.get_mut().write_all(script.as_bytes())?;
        self.port.get_ref().set_read_timeout(Some(BOOT))?;
        let before = self.boot.clone();
        self.boot = await_ready(&mut self.port, &before).context("it does not come up again")?;
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// A machine that has not been heard of yet.
struct Starting(Option<Child>);

impl Starting {
    fn await_true(&mut self, patience: Duration, is_true: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + patience;
        while !is_true() {
            if let Some(process) = &mut self.0
                && let Some(status) = process.try_wait()?
            {
                bail!("qemu ended: {status}");
            }
            ensure!(
                Instant::now() < deadline,
                "nothing is heard of it in {} s",
                patience.as_secs()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(process) = &mut self.0 {
            end(process);
        }
    }
}

fn end(process: &mut Child) {
    // It may be gone already; the disks are copies.
    let _ = process.kill();
    let _ = process.wait();
}

fn command(disks: &Disks, accelerator: Accelerator, socket: &Path, console: &Path) -> Command {
    let mut command = Command::new("qemu-system-x86_64");
    match accelerator {
        Accelerator::Kvm => command.args(["-accel", "kvm", "-cpu", "host"]),
        // The emulator's supervisor mode access prevention stops the guest's kernel where Wine
        // starts.
        Accelerator::Emulation => command.args(["-accel", "tcg,thread=multi", "-cpu", "max,-smap"]),
    };
    command.args([
        "-machine",
        "q35",
        "-smp",
        "2",
        "-m",
        "2G",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-device",
        "virtio-rng-pci",
        "-nic",
        "user,model=virtio-net-pci",
        "-device",
        "virtio-serial-pci",
        "-device",
        "virtserialport,chardev=port,name=porthole.vm",
    ]);
    command.arg("-kernel").arg(&disks.system.kernel);
    command.arg("-initrd").arg(&disks.system.initial);
    command.args(["-append", "root=/dev/vda rw console=ttyS0"]);
    for disk in [&disks.system.disk, &disks.data, &disks.programs] {
        // What the machine writes goes into a file that qemu throws away.
        command
            .arg("-drive")
            .arg(with_path("format=raw,if=virtio,snapshot=on,file=", disk));
    }
    command
        .arg("-chardev")
        .arg(with_path("socket,id=port,server=on,wait=off,path=", socket));
    command.arg("-serial").arg(with_path("file:", console));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn with_path(option: &str, path: &Path) -> String {
    format!("{option}{}", path.display())
}

/// Waits for the agent's greeting of another boot than `before`, which it returns.
fn await_ready(port: &mut BufReader<UnixStream>, before: &str) -> Result<String> {
    loop {
        let line = read_line(port)?;
        if let Some(boot) = line.trim().strip_prefix("ready ")
            && boot != before
        {
            return Ok(boot.to_owned());
        }
    }
}

fn read_line(port: &mut BufReader<UnixStream>) -> Result<String> {
    let mut line = String::new();
    let length = port.read_line(&mut line).context("it does not answer")?;
    ensure!(length > 0, "it is switched off");
    Ok(line)
}
