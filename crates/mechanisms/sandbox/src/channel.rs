//! What init and supervisor tell each other: one packet, one message.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};

use rustix::process::Signal;

use crate::error::{Context, Result};

/// The longest message in bytes; longer texts are cut.
const LONGEST: usize = 4096;

/// What init reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The silo could not be built, for this reason. Init is gone.
    Failed(String),
    /// The silo is built and its services have been started.
    Built,
    /// A service has ended.
    ServiceEnded {
        /// Its place in the plan.
        service: u8,
        /// How, as text.
        how: String,
    },
}

impl Report {
    fn encode(&self) -> Vec<u8> {
        let (tag, service, text) = match self {
            Self::Failed(reason) => (b'F', 0, reason.as_str()),
            Self::Built => (b'B', 0, ""),
            Self::ServiceEnded { service, how } => (b'E', *service, how.as_str()),
        };
        let mut packet = vec![tag, service];
        packet.extend(text.bytes().take(LONGEST - 2));
        packet
    }

    fn decode(packet: &[u8]) -> Option<Self> {
        let (&[tag, service], text) = packet.split_first_chunk()?;
        let text = String::from_utf8_lossy(text).into_owned();
        match tag {
            b'F' => Some(Self::Failed(text)),
            b'B' => Some(Self::Built),
            b'E' => Some(Self::ServiceEnded { service, how: text }),
            _ => None,
        }
    }
}

/// The supervisor's end.
#[derive(Debug)]
pub struct InitChannel(OwnedFd);

/// Init's end.
#[derive(Debug)]
pub(crate) struct SupervisorChannel(OwnedFd);

/// Makes both ends.
pub(crate) fn pair() -> Result<(InitChannel, SupervisorChannel)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, inits) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .context("make", "the channel to init")?;
    Ok((InitChannel(ours), SupervisorChannel(inits)))
}

impl InitChannel {
    /// The next report; `WouldBlock` when there is none yet, `UnexpectedEof` when init is gone.
    ///
    /// # Errors
    /// As said, and `InvalidData` for a packet that is none of ours.
    pub fn receive(&self) -> io::Result<Report> {
        let mut packet = [0; LONGEST];
        let (length, _) = recv(&self.0, &mut packet[..], RecvFlags::empty())?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Report::decode(&packet[..length]).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Has init send `signal` to a service.
    ///
    /// # Errors
    /// When init is gone.
    pub fn signal_service(&self, service: u8, signal: Signal) -> io::Result<()> {
        let signal = u8::try_from(signal.as_raw()).unwrap_or_default();
        send(&self.0, &[service, signal], SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

impl AsFd for InitChannel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl SupervisorChannel {
    /// Reports; an absent supervisor shows at the next [`Self::receive`].
    pub(crate) fn report(&self, report: &Report) {
        let _ = send(&self.0, &report.encode(), SendFlags::NOSIGNAL);
    }

    /// The next order (service, signal); `UnexpectedEof` when the supervisor is gone.
    pub(crate) fn receive(&self) -> io::Result<(u8, u8)> {
        let mut packet = [0; 2];
        match recv(&self.0, &mut packet[..], RecvFlags::empty())? {
            (2, _) => Ok((packet[0], packet[1])),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl AsFd for SupervisorChannel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_arrive_whole_and_in_order() {
        let (supervisor, init) = pair().unwrap();
        let reports = [
            Report::Built,
            Report::ServiceEnded {
                service: 1,
                how: "exit 127".to_owned(),
            },
            Report::Failed("no".to_owned()),
        ];
        for report in &reports {
            init.report(report);
        }
        for report in reports {
            assert_eq!(supervisor.receive().unwrap(), report);
        }
        assert_eq!(
            supervisor.receive().unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        drop(init);
        assert_eq!(
            supervisor.receive().unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn a_text_without_end_is_cut() {
        let (supervisor, init) = pair().unwrap();
        init.report(&Report::Failed("x".repeat(1 << 20)));
        assert!(
            matches!(supervisor.receive().unwrap(), Report::Failed(text) if text.len() < LONGEST)
        );
    }
}
