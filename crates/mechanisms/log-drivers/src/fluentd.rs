//! Fluentd's forward protocol, version 1: each record is a message `[tag, time, record]`, with an
//! option that asks for an acknowledgement where that is wanted.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use porthole_tls::TlsOptions;
use rmp::encode as pack;

use crate::address::{Address, Endpoint};
use crate::error::Result;
use crate::message::{Message, Source};
use crate::options::{Options, duration, given, number, refuse, switch};

/// Options of its own.
pub(crate) const OPTIONS: &[&str] = &[
    "fluentd-address",
    "fluentd-async",
    "fluentd-async-connect",
    "fluentd-async-reconnect-interval",
    "fluentd-buffer-limit",
    "fluentd-max-retries",
    "fluentd-request-ack",
    "fluentd-retry-wait",
    "fluentd-sub-second-precision",
    "fluentd-write-timeout",
];

const DEFAULT_PORT: u16 = 24224;

/// The extension type of times with nanoseconds.
const EVENT_TIME: i8 = 0;

/// Where Fluentd's records go and how they look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fluentd {
    pub(crate) address: Address,
    pub(crate) tls: Option<TlsOptions>,
    /// Whether a container starts though Fluentd does not answer.
    pub(crate) is_async: bool,
    pub(crate) retry_wait: Duration,
    pub(crate) max_retries: Option<u32>,
    pub(crate) wants_ack: bool,
    has_nanoseconds: bool,
}

impl Fluentd {
    /// Reads the options.
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let address = address(given(options, "fluentd-address"))?;
        let tls = matches!(address, Address::Tls(_)).then(TlsOptions::default);
        if let Some(limit) = given(options, "fluentd-buffer-limit") {
            let is_size = limit.starts_with(|c: char| c.is_ascii_digit());
            if !is_size {
                return refuse(format!("invalid size: '{limit}'"));
            }
        }
        let names = ["fluentd-async", "fluentd-async-connect"];
        if names.iter().all(|name| options.contains_key(*name)) {
            return refuse(
                "conflicting options: cannot specify both 'fluentd-async' and 'fluentd-async-connect'",
            );
        }
        if let Some(interval) = duration(options, "fluentd-async-reconnect-interval")?
            && (interval > Duration::from_secs(10) || interval < Duration::from_millis(100))
            && !interval.is_zero()
        {
            return refuse(format!(
                "invalid value for fluentd-async-reconnect-interval: value ({interval:?}) must be between 100ms and 10s"
            ));
        }
        duration(options, "fluentd-write-timeout")?;
        let retry_wait = duration(options, "fluentd-retry-wait")?;
        Ok(Self {
            address,
            tls,
            is_async: switch(options, names[0])? | switch(options, names[1])?,
            retry_wait: retry_wait.unwrap_or(Duration::from_secs(1)),
            max_retries: max_retries(options)?,
            wants_ack: switch(options, "fluentd-request-ack")?,
            has_nanoseconds: switch(options, "fluentd-sub-second-precision")?,
        })
    }

    /// A record as it is sent; `chunk` is what it is acknowledged by.
    pub(crate) fn encode(
        &self,
        source: &Source,
        message: &Message,
        chunk: Option<&str>,
    ) -> Vec<u8> {
        let mut out = Vec::new();
        // Writing to memory does not fail.
        let _ = self.write(&mut out, source, message, chunk);
        out
    }

    fn write(
        &self,
        out: &mut Vec<u8>,
        source: &Source,
        message: &Message,
        chunk: Option<&str>,
    ) -> std::result::Result<(), pack::ValueWriteError<std::io::Error>> {
        pack::write_array_len(out, if chunk.is_some() { 4 } else { 3 })?;
        pack::write_str(out, &source.tag)?;
        self.write_time(out, message)?;
        let fields = fields(source, message);
        pack::write_map_len(out, u32::try_from(fields.len()).unwrap_or(u32::MAX))?;
        for (name, value) in &fields {
            pack::write_str(out, name)?;
            pack::write_str(out, value)?;
        }
        if let Some(chunk) = chunk {
            pack::write_map_len(out, 1)?;
            pack::write_str(out, "chunk")?;
            pack::write_str(out, chunk)?;
        }
        Ok(())
    }

    fn write_time(
        &self,
        out: &mut Vec<u8>,
        message: &Message,
    ) -> std::result::Result<(), pack::ValueWriteError<std::io::Error>> {
        let at = message.at();
        if self.has_nanoseconds {
            pack::write_ext_meta(out, 8, EVENT_TIME)?;
            let seconds = u32::try_from(at.unix_timestamp()).unwrap_or(u32::MAX);
            out.extend(seconds.to_be_bytes());
            out.extend(at.nanosecond().to_be_bytes());
        } else {
            pack::write_sint(out, at.unix_timestamp())?;
        }
        Ok(())
    }
}

/// A name for a record that is to be acknowledged.
pub(crate) fn chunk() -> String {
    STANDARD.encode(rand::random::<[u8; 16]>())
}

/// Whether an answer acknowledges `chunk`; none while it is not complete. It is a map of one pair,
/// `{"ack": chunk}`.
pub(crate) fn acknowledges(answer: &[u8], chunk: &str) -> Option<bool> {
    let mut expected = Vec::new();
    // Writing to memory does not fail.
    let _ = pack::write_map_len(&mut expected, 1)
        .and_then(|_| pack::write_str(&mut expected, "ack"))
        .and_then(|()| pack::write_str(&mut expected, chunk));
    let known = expected.len().min(answer.len());
    if answer[..known] != expected[..known] {
        return Some(false);
    }
    (answer.len() >= expected.len()).then_some(answer.len() == expected.len())
}

fn fields(source: &Source, message: &Message) -> Vec<(String, String)> {
    let mut fields = vec![
        ("container_id", source.container_id.clone()),
        ("container_name", format!("/{}", source.container_name)),
        ("source", message.stream.name().to_owned()),
        ("log", message.line.clone()),
    ];
    if let Some(partial) = &message.partial {
        fields.extend([
            ("partial_message", "true".to_owned()),
            ("partial_id", partial.id.clone()),
            ("partial_ordinal", partial.ordinal.to_string()),
            ("partial_last", partial.is_last.to_string()),
        ]);
    }
    let owned = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    let attributes = source.attributes.clone().into_iter();
    owned.chain(attributes).collect()
}

fn max_retries(options: &Options) -> Result<Option<u32>> {
    let number = number(options, "fluentd-max-retries")?;
    match number.map(u32::try_from).transpose() {
        Ok(number) => Ok(number),
        Err(_) => refuse("fluentd-max-retries must be a positive integer"),
    }
}

fn address(text: Option<&str>) -> Result<Address> {
    let text = text.unwrap_or("127.0.0.1");
    let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
    let make = match scheme {
        "unix" if rest.starts_with('/') && rest.len() > 1 => {
            return Ok(Address::Unix(rest.into()));
        }
        "unix" => return refuse("path is empty"),
        "tcp" => Address::Tcp,
        "tls" => Address::Tls,
        other => return refuse(format!("unsupported scheme: '{other}'")),
    };
    match Endpoint::parse(rest, Some(DEFAULT_PORT)) {
        Some(endpoint) => Ok(make(endpoint)),
        None => refuse(format!(
            "invalid fluentd-address {text}: should not contain a path element"
        )),
    }
}

#[cfg(test)]
mod tests {
    use porthole_container_log::Stream;

    use super::*;
    use crate::message::examples;

    fn fluentd(pairs: &[(&str, &str)]) -> Result<Fluentd> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Fluentd::new(&pairs.collect())
    }

    #[test]
    fn a_record_is_a_message_of_the_forward_protocol() {
        let message = examples::message(Stream::Stdout, "hi");
        let bytes = fluentd(&[])
            .unwrap()
            .encode(&examples::source(), &message, None);
        // MessagePack by hand: an array of 3, the tag, a 32 bit time, a map of 5.
        let mut expected = b"\x93\xac0123456789ab\xce\x6b\x04\xf2\xf2\x85".to_vec();
        let seconds: u32 = 1_795_493_106;
        let at = expected.len() - 5;
        expected[at..at + 4].copy_from_slice(&seconds.to_be_bytes());
        expected.extend(b"\xaccontainer_id\xb00123456789abcdef\xaecontainer_name\xa4/web");
        expected.extend(b"\xa6source\xa6stdout\xa3log\xa2hi\xa5com.x\xa11");
        assert_eq!(bytes, expected);
        let precise = [("fluentd-sub-second-precision", "true")];
        let precise = fluentd(&precise).unwrap();
        let bytes = precise.encode(&examples::source(), &message, Some("c"));
        assert_eq!(bytes[0], 0x94);
        let time = [
            &[0xd7, 0][..],
            &seconds.to_be_bytes(),
            &123_456_789_u32.to_be_bytes(),
        ];
        assert_eq!(bytes[14..24], time.concat());
        assert!(bytes.ends_with(b"\x81\xa5chunk\xa1c"));
    }

    #[test]
    fn acknowledgements_are_told_from_others() {
        assert_eq!(acknowledges(b"\x81\xa3ack\xa1c", "c"), Some(true));
        assert_eq!(acknowledges(b"\x81\xa3a", "c"), None);
        assert_eq!(acknowledges(b"\x81\xa3ack\xa1d", "c"), Some(false));
    }

    #[test]
    fn addresses_and_values_are_checked() {
        for (text, shown) in [
            ("", "tcp://127.0.0.1:24224"),
            ("log.example", "tcp://log.example:24224"),
            ("tls://log.example:1", "tls://log.example:1"),
            ("unix:///run/fluentd.sock", "unix:///run/fluentd.sock"),
        ] {
            let fluentd = fluentd(&[("fluentd-address", text)]).unwrap();
            assert_eq!(fluentd.address.to_string(), shown);
        }
        for (name, value) in [
            ("fluentd-address", "ftp://x"),
            ("fluentd-address", "tcp://x/path"),
            ("fluentd-async", "perhaps"),
            ("fluentd-retry-wait", "soon"),
            ("fluentd-max-retries", "-1"),
            ("fluentd-buffer-limit", "much"),
            ("fluentd-async-reconnect-interval", "1h"),
        ] {
            assert!(fluentd(&[(name, value)]).is_err(), "{name} {value}");
        }
    }
}
