//! A log driver with its options, and a connection to its destination.

use std::sync::Arc;
use std::time::Duration;

use porthole_tls::TlsOptions;
use rustls::ClientConfig;

use crate::error::{Error, Result};
use crate::fluentd::{self, Fluentd};
use crate::gelf::{self, Gelf};
use crate::journald::{self, Journald};
use crate::message::{Host, Message, Source};
use crate::options::{Options, refuse};
use crate::syslog::{self, Syslog};
use crate::transport::Transport;

/// The drivers that there are.
pub const DRIVERS: [&str; 4] = ["fluentd", "gelf", "journald", "syslog"];

/// Options that all of them have: what is added to a record, and its tag.
const COMMON: [&str; 5] = ["env", "env-regex", "labels", "labels-regex", "tag"];

/// Bytes of an acknowledgement at most.
const MAX_ANSWER: usize = 1024;

/// A driver with the options of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Fluentd(Fluentd),
    Gelf(Gelf),
    Journald(Journald),
    Syslog(Syslog),
}

impl Driver {
    /// Reads a driver's options; none for a name that is none of [`DRIVERS`].
    ///
    /// # Errors
    /// [`Error::Option`], with dockerd's text, for options and values that there are not.
    pub fn new(name: &str, options: &Options, host: &Host) -> Result<Option<Self>> {
        let own = match name {
            "fluentd" => fluentd::OPTIONS,
            "gelf" => gelf::OPTIONS,
            "journald" => &[],
            "syslog" => syslog::OPTIONS,
            _ => return Ok(None),
        };
        let is_known = |option: &str| COMMON.contains(&option) || own.contains(&option);
        if let Some(option) = options.keys().find(|option| !is_known(option)) {
            return refuse(format!("unknown log opt '{option}' for {name} log driver"));
        }
        let kind = match name {
            "fluentd" => Kind::Fluentd(Fluentd::new(options)?),
            "gelf" => Kind::Gelf(Gelf::new(options, host)?),
            "journald" => Kind::Journald(Journald::new(host)),
            _ => Kind::Syslog(Syslog::new(options, host)?),
        };
        Ok(Some(Self { kind }))
    }

    /// Looks whether the destination is there, where dockerd looks before a container is made.
    ///
    /// # Errors
    /// [`Error::Option`] with dockerd's text.
    pub async fn check_destination(&self) -> Result<()> {
        match &self.kind {
            Kind::Syslog(syslog) => syslog.check_destination().await,
            Kind::Fluentd(_) | Kind::Gelf(_) | Kind::Journald(_) => Ok(()),
        }
    }

    /// Whether a container does not start while the destination does not answer.
    pub(crate) fn must_connect(&self) -> bool {
        !matches!(&self.kind, Kind::Fluentd(fluentd) if fluentd.is_async)
    }

    /// The pause before the first new attempt.
    pub(crate) fn retry_wait(&self) -> Duration {
        match &self.kind {
            Kind::Fluentd(fluentd) => fluentd.retry_wait,
            Kind::Gelf(gelf) => gelf.reconnect_delay,
            Kind::Journald(_) | Kind::Syslog(_) => syslog::RETRY,
        }
    }

    /// After how many attempts a record is given up; none for never.
    pub(crate) fn max_retries(&self) -> Option<u32> {
        match &self.kind {
            Kind::Fluentd(fluentd) => fluentd.max_retries,
            Kind::Gelf(gelf) => gelf.max_reconnect,
            Kind::Journald(_) | Kind::Syslog(_) => None,
        }
    }

    /// Whom to trust on the way to the destination, and who to be; none without TLS.
    pub(crate) fn tls(&self) -> Option<&TlsOptions> {
        match &self.kind {
            Kind::Fluentd(fluentd) => fluentd.tls.as_ref(),
            Kind::Syslog(syslog) => syslog.tls.as_ref(),
            Kind::Gelf(_) | Kind::Journald(_) => None,
        }
    }

    /// Connects, with what [`TlsOptions::load`] made of [`Self::tls`].
    pub(crate) async fn connect(&self, tls: Option<Arc<ClientConfig>>) -> Result<Transport> {
        let address = match &self.kind {
            Kind::Fluentd(fluentd) => &fluentd.address,
            Kind::Gelf(gelf) => &gelf.address,
            Kind::Journald(journald) => &journald.address,
            Kind::Syslog(syslog) => &syslog.address,
        };
        let connected = Transport::connect(address, tls).await;
        match (&self.kind, connected) {
            (Kind::Journald(_), Err(Error::Connect { source, .. })) => {
                Err(Error::NoJournal(source))
            }
            (_, connected) => connected,
        }
    }

    /// Sends a record, and waits for its acknowledgement where that is asked for.
    pub(crate) async fn send(
        &self,
        transport: &mut Transport,
        source: &Source,
        message: &Message,
    ) -> Result<()> {
        match &self.kind {
            Kind::Syslog(syslog) => transport.send(&syslog.encode(source, message)).await,
            Kind::Journald(_) => transport.send(&journald::encode(source, message)).await,
            Kind::Gelf(gelf) => {
                // GELF has no message without text; dockerd leaves them out too.
                if message.line.is_empty() {
                    return Ok(());
                }
                for piece in gelf.encode(source, message)? {
                    transport.send(&piece).await?;
                }
                Ok(())
            }
            Kind::Fluentd(fluentd) => {
                let chunk = fluentd.wants_ack.then(fluentd::chunk);
                let record = fluentd.encode(source, message, chunk.as_deref());
                transport.send(&record).await?;
                match chunk {
                    Some(chunk) => acknowledged(transport, &chunk).await,
                    None => Ok(()),
                }
            }
        }
    }
}

async fn acknowledged(transport: &mut Transport, chunk: &str) -> Result<()> {
    let mut answer = Vec::new();
    let mut buffer = [0; 128];
    while answer.len() < MAX_ANSWER {
        let count = transport.receive(&mut buffer).await?;
        answer.extend(&buffer[..count]);
        match fluentd::acknowledges(&answer, chunk) {
            Some(true) => return Ok(()),
            Some(false) => break,
            None => {}
        }
    }
    Err(Error::Send {
        destination: transport.destination().to_owned(),
        source: std::io::Error::other("the answer does not acknowledge the record"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_options_are_refused_in_dockers_words() {
        let host = Host::new("build");
        for name in DRIVERS {
            let options = Options::from([("x".to_owned(), "1".to_owned())]);
            let refused = Driver::new(name, &options, &host).unwrap_err();
            let sentence = format!("unknown log opt 'x' for {name} log driver");
            assert_eq!(refused.to_string(), sentence);
        }
        let none = Driver::new("json-file", &Options::new(), &host).unwrap();
        assert_eq!(none, None);
        let common = COMMON.map(|name| (name.to_owned(), String::new()));
        let journald = Driver::new("journald", &Options::from(common), &host).unwrap();
        assert!(journald.unwrap().must_connect());
    }
}
