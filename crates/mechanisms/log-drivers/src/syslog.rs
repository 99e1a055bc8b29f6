//! Syslog: RFC 3164 and RFC 5424 as srslog, dockerd's library, writes them.

use std::time::Duration;

use porthole_tls::{TlsOptions, Trust};
use time::OffsetDateTime;
use time::format_description::{BorrowedFormatItem, well_known::Rfc3339};
use time::macros::format_description;

use crate::address::{Address, Endpoint};
use crate::error::Result;
use crate::message::{Host, Message, Source};
use crate::options::{Options, given, refuse};

/// Options of its own.
pub(crate) const OPTIONS: &[&str] = &[
    "syslog-address",
    "syslog-facility",
    "syslog-format",
    "syslog-tls-ca-cert",
    "syslog-tls-cert",
    "syslog-tls-key",
    "syslog-tls-skip-verify",
];

const DEFAULT_PORT: u16 = 514;

/// In the order of their numbers; those between are not for programs.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "", "", "", "", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

const DAEMON: usize = 3;

/// Go's `time.Stamp`.
const STAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[month repr:short] [day padding:space] [hour]:[minute]:[second]");

/// RFC 5424's, with microseconds.
const MICRO: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Unix,
    Rfc3164,
    Rfc5424,
    Rfc5424Micro,
}

/// Where syslog messages go and how they look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Syslog {
    pub(crate) address: Address,
    pub(crate) tls: Option<TlsOptions>,
    facility: usize,
    format: Format,
    host: String,
}

impl Syslog {
    /// Reads the options.
    pub(crate) fn new(options: &Options, host: &Host) -> Result<Self> {
        let address = address(given(options, "syslog-address"), host)?;
        let identity = (
            given(options, "syslog-tls-cert"),
            given(options, "syslog-tls-key"),
        );
        let tls = matches!(address, Address::Tls(_)).then(|| TlsOptions {
            // Being there is enough, whatever it says: so in dockerd.
            trust: match given(options, "syslog-tls-ca-cert") {
                _ if options.contains_key("syslog-tls-skip-verify") => Trust::Anybody,
                Some(file) => Trust::Only(file.to_owned()),
                None => Trust::Host,
            },
            identity: match identity {
                (Some(certificate), Some(key)) => Some((certificate.to_owned(), key.to_owned())),
                _ => None,
            },
        });
        Ok(Self {
            address,
            tls,
            facility: facility(given(options, "syslog-facility"))?,
            format: match given(options, "syslog-format") {
                None => Format::Unix,
                Some("rfc3164") => Format::Rfc3164,
                Some("rfc5424") => Format::Rfc5424,
                Some("rfc5424micro") => Format::Rfc5424Micro,
                Some(_) => return refuse("Invalid syslog format"),
            },
            host: host.name.clone(),
        })
    }

    /// Refuses a local socket that is not there, in dockerd's words. Not part of reading the
    /// options: it may be away for a while when they are read for a container that runs.
    pub(crate) async fn check_destination(&self) -> Result<()> {
        let (Address::Unix(path) | Address::UnixDatagram(path)) = &self.address else {
            return Ok(());
        };
        match tokio::fs::metadata(path).await {
            Ok(_) => Ok(()),
            Err(error) => refuse(format!("stat {}: {error}", path.display())),
        }
    }

    /// A message as it is sent.
    pub(crate) fn encode(&self, source: &Source, message: &Message) -> Vec<u8> {
        let priority = self.facility * 8 + usize::from(message.severity());
        let (at, tag, host) = (message.at(), &source.tag, &self.host);
        // As srslog: the daemon's process sends for the program.
        let process = std::process::id();
        let line = &message.line;
        let mut text = match self.format {
            Format::Unix => format!("<{priority}>{} {tag}[{process}]: {line}", stamp(at)),
            Format::Rfc3164 => {
                format!("<{priority}>{} {host} {tag}[{process}]: {line}", stamp(at))
            }
            Format::Rfc5424 | Format::Rfc5424Micro => {
                let at = self.rfc5424_time(at);
                format!("<{priority}>1 {at} {host} {tag} {process} {tag} - {line}")
            }
        };
        text.push('\n');
        let counted = matches!(self.address, Address::Tls(_))
            && matches!(self.format, Format::Rfc5424 | Format::Rfc5424Micro);
        if counted {
            // RFC 5425, 4.3.
            text.insert_str(0, &format!("{} ", text.len()));
        }
        text.into_bytes()
    }

    fn rfc5424_time(&self, at: OffsetDateTime) -> String {
        match self.format {
            Format::Rfc5424Micro => at.format(MICRO),
            _ => at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339),
        }
        .unwrap_or_default()
    }
}

fn stamp(at: OffsetDateTime) -> String {
    at.format(STAMP).unwrap_or_default()
}

fn facility(text: Option<&str>) -> Result<usize> {
    let Some(text) = text else {
        return Ok(DAEMON);
    };
    let named = FACILITIES.iter().position(|name| *name == text);
    let numbered = || {
        text.parse()
            .ok()
            .filter(|&number| number < FACILITIES.len())
    };
    match named.or_else(numbered) {
        Some(facility) => Ok(facility),
        None => refuse("invalid syslog facility"),
    }
}

fn address(text: Option<&str>, host: &Host) -> Result<Address> {
    let Some(text) = text else {
        return Ok(Address::Local(host.syslog.clone()));
    };
    let malformed = || {
        refuse(format!(
            "syslog-address should be in form proto://address, got {text}"
        ))
    };
    let Some((scheme, rest)) = text.split_once("://") else {
        return malformed();
    };
    let endpoint = || Endpoint::parse(rest.trim_end_matches('/'), Some(DEFAULT_PORT));
    let made = match scheme {
        "unix" => Some(Address::Unix(rest.into())),
        "unixgram" => Some(Address::UnixDatagram(rest.into())),
        "udp" => endpoint().map(Address::Udp),
        "tcp" => endpoint().map(Address::Tcp),
        "tcp+tls" => endpoint().map(Address::Tls),
        _ => None,
    };
    made.map_or_else(malformed, Ok)
}

/// How long to wait before the first new attempt.
pub(crate) const RETRY: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use porthole_container_log::Stream;

    use super::*;
    use crate::message::examples;

    fn syslog(pairs: &[(&str, &str)]) -> Result<Syslog> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Syslog::new(&pairs.collect(), &Host::new("build"))
    }

    fn text(pairs: &[(&str, &str)], stream: Stream) -> String {
        let syslog = syslog(pairs).unwrap();
        let message = examples::message(stream, "hi there");
        let bytes = syslog.encode(&examples::source(), &message);
        let text = String::from_utf8(bytes).unwrap();
        text.replace(&std::process::id().to_string(), "PID")
    }

    #[test]
    fn messages_are_srslogs() {
        let tcp = ("syslog-address", "tcp://log.example:1514");
        assert_eq!(
            text(&[], Stream::Stdout),
            "<30>Nov 24 04:05:06 0123456789ab[PID]: hi there\n"
        );
        assert_eq!(
            text(&[("syslog-format", "rfc3164"), tcp], Stream::Stderr),
            "<27>Nov 24 04:05:06 build 0123456789ab[PID]: hi there\n"
        );
        let rfc5424 = [
            ("syslog-format", "rfc5424"),
            ("syslog-facility", "local7"),
            tcp,
        ];
        assert_eq!(
            text(&rfc5424, Stream::Stdout),
            "<190>1 2026-11-24T04:05:06Z build 0123456789ab PID 0123456789ab - hi there\n"
        );
        let tls = [
            ("syslog-format", "rfc5424micro"),
            ("syslog-facility", "1"),
            ("syslog-address", "tcp+tls://log.example"),
        ];
        let counted = text(&tls, Stream::Stdout);
        assert!(
            counted.ends_with(
                " <14>1 2026-11-24T04:05:06.123456Z build 0123456789ab PID 0123456789ab - hi there\n"
            ),
            "{counted}"
        );
        assert!(
            counted.starts_with(|c: char| c.is_ascii_digit()),
            "{counted}"
        );
    }

    #[test]
    fn what_cannot_be_is_refused_in_dockers_words() {
        for (name, value, sentence) in [
            ("syslog-facility", "local8", "invalid syslog facility"),
            ("syslog-facility", "24", "invalid syslog facility"),
            ("syslog-format", "json", "Invalid syslog format"),
            (
                "syslog-address",
                "log.example",
                "syslog-address should be in form proto://address, got log.example",
            ),
            (
                "syslog-address",
                "ftp://x:1",
                "syslog-address should be in form proto://address, got ftp://x:1",
            ),
        ] {
            let error = syslog(&[(name, value)]).unwrap_err();
            assert_eq!(error.to_string(), sentence);
        }
        let udp = syslog(&[("syslog-address", "udp://[::1]")]).unwrap();
        assert_eq!(udp.address.to_string(), "udp://[::1]:514");
    }
}
