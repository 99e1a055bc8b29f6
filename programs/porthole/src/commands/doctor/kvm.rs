//! KVM, by running one instruction in a virtual machine. That the device opens tells little: some
//! hosts have one that starts no guest.
#![allow(
    unsafe_code,
    reason = "a guest's memory is handed to the kernel by its address"
)]

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{Kvm, VcpuExit};

use super::finding::Finding;

/// How long the instruction may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of the guest's memory: one page.
const PAGE: usize = 4096;

/// `hlt`.
const HALT: u8 = 0xf4;

/// A page of memory on a page's border.
#[repr(align(4096))]
struct Page([u8; PAGE]);

/// Tries it.
pub(super) fn examine() -> Finding {
    const NAME: &str = "KVM";
    const EMULATED: &str =
        "nothing to do for process isolation; virtual machines will run emulated, and slower";
    if !Path::new("/dev/kvm").exists() {
        return Finding::note(NAME, "/dev/kvm is not there", EMULATED);
    }
    let access = OpenOptions::new().read(true).write(true).open("/dev/kvm");
    if matches!(access, Err(error) if error.kind() == ErrorKind::PermissionDenied) {
        return Finding::not_looked_at(NAME);
    }
    let (tell, answer) = mpsc::channel();
    // In a thread of its own, which a guest that never stops cannot take along.
    std::thread::spawn(move || tell.send(run_halt()));
    match answer.recv_timeout(PATIENCE) {
        Ok(Ok(())) => Finding::good(
            NAME,
            "a guest ran an instruction (whether a whole kernel starts is not tried)",
        ),
        Ok(Err(error)) => Finding::note(
            NAME,
            format!("/dev/kvm does not start a guest: {error:#}"),
            EMULATED,
        ),
        Err(_) => Finding::note(NAME, "/dev/kvm does not start a guest: it hangs", EMULATED),
    }
}

fn run_halt() -> Result<()> {
    let kvm = Kvm::new().context("cannot open /dev/kvm")?;
    let machine = kvm.create_vm().context("cannot create a virtual machine")?;
    let mut memory = Box::new(Page([HALT; PAGE]));
    let region = kvm_userspace_memory_region {
        slot: 0,
        flags: 0,
        guest_phys_addr: 0,
        memory_size: PAGE as u64,
        userspace_addr: memory.0.as_mut_ptr() as u64,
    };
    // SAFETY: the page is aligned, is as large as the region says, and lives until the end of this
    // function, after the processor and the machine that use it have been dropped.
    unsafe { machine.set_user_memory_region(region) }.context("cannot give it memory")?;
    let mut processor = machine
        .create_vcpu(0)
        .context("cannot create a processor")?;
    let mut special = processor.get_sregs().context("cannot read registers")?;
    special.cs.base = 0;
    special.cs.selector = 0;
    processor
        .set_sregs(&special)
        .context("cannot set registers")?;
    let mut registers = processor.get_regs().context("cannot read registers")?;
    registers.rip = 0;
    registers.rflags = 2;
    processor
        .set_regs(&registers)
        .context("cannot set registers")?;
    let result = match processor.run().context("cannot run the processor")? {
        VcpuExit::Hlt => Ok(()),
        other => bail!("it stopped with {other:?}"),
    };
    drop(processor);
    drop(machine);
    drop(memory);
    result
}
