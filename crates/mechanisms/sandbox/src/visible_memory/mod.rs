//! Memory as limited: what programs of a silo with a limit see as the machine's memory.
//!
//! Wine asks `sysinfo` how much there is in all, and then `/proc/meminfo` how much of it is
//! available. Neither knows of cgroups. So `sysinfo` is answered by a thread of the supervisor,
//! which at the same time writes the figures of this moment to a file that lies over the silo's
//! `/proc/meminfo`. Nothing happens as long as no program asks.
//!
//! A thread, and not the supervisor's loop: to answer is to write to a program's memory, which may
//! be a mapping of a file on a disk that hangs. That must not hold up the silo's end.

mod figures;
mod pace;

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use crate::cgroup::MemoryAccount;
use crate::error::{Context, Result};
use crate::syscall_filter::{Answer, Call, Listener};
use figures::Figures;
use pace::Pace;

/// The file's name in the directory that supervisor and silo share.
pub(crate) const FILE: &str = "meminfo";

/// The thread needs little, and every container with a limit has one.
const STACK: usize = 64 * 1024;

/// What the supervisor needs to answer.
#[derive(Debug)]
pub(crate) struct VisibleMemory {
    account: MemoryAccount,
    file: File,
    handover: OwnedFd,
}

impl VisibleMemory {
    /// Makes the file in `run`. Returns the end of a channel too through which the silo's init is
    /// to [`hand_over`] where its programs ask.
    pub(crate) fn prepare(account: MemoryAccount, run: BorrowedFd<'_>) -> Result<(Self, OwnedFd)> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(run, FILE, flags, Mode::from_raw_mode(0o444))
            .context("create", "the silo's /proc/meminfo")?;
        let (handover, inits) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .context("make", "the channel of system calls")?;
        let memory = Self {
            account,
            file: file.into(),
            handover,
        };
        memory
            .write()
            .context("write", "the silo's /proc/meminfo")?;
        Ok((memory, inits))
    }

    /// Answers, in a thread of its own, until the silo's last process has ended.
    pub(crate) fn answer_in_background(self) -> Result<()> {
        thread::Builder::new()
            .name("visible-memory".to_owned())
            .stack_size(STACK)
            .spawn(move || self.answer_all())
            .context("start", "the thread that tells of memory")?;
        Ok(())
    }

    fn answer_all(self) {
        // Init that fails to build the silo hands nothing over, and says so itself.
        let Ok(Some(listener)) = receive(self.handover.as_fd()) else {
            return;
        };
        let listener = Listener::new(listener);
        let mut pace = Pace::new(Instant::now());
        while let Ok(Some(call)) = listener.next() {
            let told = self.tell(&listener, &call);
            listener.answer(&call, told.map_or(Answer::Native, |()| Answer::Success));
            thread::sleep(pace.answered(Instant::now()));
        }
    }

    /// Where this fails, the kernel is to answer: with `EFAULT` where nothing can be written, and
    /// otherwise with the host's figures, for a program whose question fails believes that there
    /// is no memory at all.
    fn tell(&self, listener: &Listener, call: &Call) -> io::Result<()> {
        let figures = self.write()?;
        listener.write_to_caller(call, &figures.sysinfo(&rustix::system::sysinfo()))
    }

    /// Writes the figures of this moment.
    fn write(&self) -> io::Result<Figures> {
        let figures = Figures::of_host()?.of_silo(self.account.read());
        self.file.write_all_at(figures.meminfo().as_bytes(), 0)?;
        Ok(figures)
    }
}

/// Hands the supervisor the descriptor at which a silo's programs ask.
pub(crate) fn hand_over(listener: &OwnedFd, channel: BorrowedFd<'_>) -> Result<()> {
    let descriptors = [listener.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(
        channel,
        &[IoSlice::new(b"L")],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )
    .context("hand over", "the channel of system calls")?;
    Ok(())
}

/// The descriptor that init hands over; nothing when it is gone.
fn receive(channel: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut content = [0];
    rustix::io::retry_on_intr(|| {
        recvmsg(
            channel,
            &mut [IoSliceMut::new(&mut content)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    Ok(ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_handed_over_or_missed() {
        let flags = SocketFlags::CLOEXEC;
        let (ours, inits) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        hand_over(&writer, inits.as_fd()).unwrap();
        drop((writer, inits));
        let received = receive(ours.as_fd()).unwrap().unwrap();
        rustix::io::write(&received, b"x").unwrap();
        let mut byte = [0];
        assert_eq!(rustix::io::read(&reader, &mut byte).unwrap(), 1);
        assert!(receive(ours.as_fd()).unwrap().is_none());
    }
}
