//! GELF 1.1: one JSON object a message, compressed and chunked over UDP, ended by a zero over TCP.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;

use crate::address::{Address, Endpoint};
use crate::error::{Error, Result};
use crate::message::{Host, Message, Source};
use crate::options::{Options, given, refuse};

/// Options of its own.
pub(crate) const OPTIONS: &[&str] = &[
    "gelf-address",
    "gelf-compression-level",
    "gelf-compression-type",
    "gelf-tcp-max-reconnect",
    "gelf-tcp-reconnect-delay",
];

/// Bytes of a datagram, with a chunk's head: fits an Ethernet frame.
const CHUNK: usize = 1420;
const CHUNK_HEAD: usize = 12;
/// Chunks of a message at most.
const MAX_CHUNKS: usize = 128;
const CHUNK_MAGIC: [u8; 2] = [0x1e, 0x0f];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compress {
    Gzip,
    Zlib,
    Nothing,
}

/// Where GELF messages go and how they look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gelf {
    pub(crate) address: Address,
    compress: Compress,
    level: Compression,
    host: String,
    pub(crate) max_reconnect: Option<u32>,
    pub(crate) reconnect_delay: Duration,
}

impl Gelf {
    /// Reads the options.
    pub(crate) fn new(options: &Options, host: &Host) -> Result<Self> {
        let address = address(given(options, "gelf-address"))?;
        let is_udp = matches!(address, Address::Udp(_));
        for name in ["gelf-compression-level", "gelf-compression-type"] {
            if !is_udp && options.contains_key(name) {
                return refuse("compression is only supported on UDP");
            }
        }
        for name in ["gelf-tcp-max-reconnect", "gelf-tcp-reconnect-delay"] {
            if is_udp && options.contains_key(name) {
                return refuse(format!("{name:?} is only valid for TCP"));
            }
        }
        Ok(Self {
            compress: compress(options, is_udp)?,
            level: level(options)?,
            host: host.name.clone(),
            max_reconnect: positive(options, "gelf-tcp-max-reconnect")?,
            reconnect_delay: Duration::from_secs(
                positive(options, "gelf-tcp-reconnect-delay")?
                    .unwrap_or(1)
                    .into(),
            ),
            address,
        })
    }

    /// A message as datagrams, or as one piece of a stream.
    pub(crate) fn encode(&self, source: &Source, message: &Message) -> Result<Vec<Vec<u8>>> {
        let text = self.document(source, message).to_string();
        if !matches!(self.address, Address::Udp(_)) {
            let mut bytes = text.into_bytes();
            bytes.push(0);
            return Ok(vec![bytes]);
        }
        let packed = self.pack(text.as_bytes()).map_err(Error::Log)?;
        let length = packed.len();
        chunks(packed, rand::random()).ok_or_else(|| Error::TooLong {
            destination: self.address.to_string(),
            length,
        })
    }

    fn document(&self, source: &Source, message: &Message) -> Value {
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds of this age are exact"
        )]
        let seconds = (message.time.0 / 1_000_000) as f64 / 1000.0;
        let created = source
            .created
            .and_then(|created| created.format(&Rfc3339).ok());
        let mut document = Map::new();
        for (name, value) in [
            ("version", json!("1.1")),
            ("host", json!(self.host)),
            ("short_message", json!(message.line)),
            ("timestamp", json!(seconds)),
            ("level", json!(message.severity())),
            ("_command", json!(source.command)),
            ("_container_id", json!(source.container_id)),
            ("_container_name", json!(source.container_name)),
            ("_created", json!(created.unwrap_or_default())),
            ("_image_id", json!(source.image_id)),
            ("_image_name", json!(source.image_name)),
            ("_tag", json!(source.tag)),
        ] {
            document.insert(name.to_owned(), value);
        }
        let attributes = source.attributes.iter();
        document.extend(attributes.map(|(name, value)| (format!("_{name}"), json!(value))));
        Value::Object(document)
    }

    fn pack(&self, text: &[u8]) -> std::io::Result<Vec<u8>> {
        match self.compress {
            Compress::Nothing => Ok(text.to_vec()),
            Compress::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), self.level);
                encoder.write_all(text)?;
                encoder.finish()
            }
            Compress::Zlib => {
                let mut encoder = ZlibEncoder::new(Vec::new(), self.level);
                encoder.write_all(text)?;
                encoder.finish()
            }
        }
    }
}

/// A packed message in datagrams; none when there would be too many.
fn chunks(packed: Vec<u8>, id: [u8; 8]) -> Option<Vec<Vec<u8>>> {
    if packed.len() <= CHUNK {
        return Some(vec![packed]);
    }
    let parts = packed.chunks(CHUNK - CHUNK_HEAD);
    let count = u8::try_from(parts.len()).ok()?;
    if usize::from(count) > MAX_CHUNKS {
        return None;
    }
    let chunk = |(number, part): (u8, &[u8])| {
        let mut chunk = CHUNK_MAGIC.to_vec();
        chunk.extend(id);
        chunk.extend([number, count]);
        chunk.extend(part);
        chunk
    };
    Some((0..count).zip(parts).map(chunk).collect())
}

fn compress(options: &Options, is_udp: bool) -> Result<Compress> {
    Ok(match given(options, "gelf-compression-type") {
        None if is_udp => Compress::Gzip,
        Some("gzip") => Compress::Gzip,
        Some("zlib") => Compress::Zlib,
        None | Some("none") => Compress::Nothing,
        Some(other) => return unknown("gelf-compression-type", other),
    })
}

fn level(options: &Options) -> Result<Compression> {
    let name = "gelf-compression-level";
    match given(options, name) {
        None => Ok(Compression::fast()),
        Some(text) => match text.parse::<i8>() {
            Ok(-1) => Ok(Compression::default()),
            Ok(level @ 0..=9) => Ok(Compression::new(level.unsigned_abs().into())),
            _ => unknown(name, text),
        },
    }
}

fn unknown<T>(name: &str, value: &str) -> Result<T> {
    refuse(format!(
        "unknown value {value:?} for log opt {name:?} for gelf log driver"
    ))
}

fn positive(options: &Options, name: &str) -> Result<Option<u32>> {
    match given(options, name).map(str::parse) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => refuse(format!("{name:?} must be a positive integer")),
    }
}

fn address(text: Option<&str>) -> Result<Address> {
    let Some(text) = text else {
        return refuse("gelf-address is a required parameter");
    };
    let Some((scheme, rest)) = text.split_once("://") else {
        return refuse(format!(
            "gelf-address should be in form proto://address, got {text}"
        ));
    };
    let make = match scheme {
        "udp" => Address::Udp,
        "tcp" => Address::Tcp,
        _ => return refuse("gelf: endpoint needs to be TCP or UDP"),
    };
    match Endpoint::parse(rest, None) {
        Some(endpoint) => Ok(make(endpoint)),
        None => refuse("gelf: please provide gelf-address as proto://host:port"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use porthole_container_log::Stream;

    use super::*;
    use crate::message::examples;

    fn gelf(pairs: &[(&str, &str)]) -> Result<Gelf> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Gelf::new(&pairs.collect(), &Host::new("build"))
    }

    const UDP: (&str, &str) = ("gelf-address", "udp://log.example:12201");
    const TCP: (&str, &str) = ("gelf-address", "tcp://log.example:12201");

    #[test]
    fn a_message_has_gelfs_fields_and_dockers() {
        let message = examples::message(Stream::Stderr, "hi");
        let mut parts = gelf(&[TCP])
            .unwrap()
            .encode(&examples::source(), &message)
            .unwrap();
        let bytes = parts.pop().unwrap();
        assert_eq!(bytes.last(), Some(&0));
        let document: Value = serde_json::from_slice(&bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(
            document,
            json!({
                "version": "1.1", "host": "build", "short_message": "hi", "level": 3,
                "timestamp": 1_795_493_106.123, "_command": "cmd /c ver",
                "_container_id": "0123456789abcdef", "_container_name": "web",
                "_created": "1970-01-01T00:00:00Z", "_image_id": "sha256:feed",
                "_image_name": "porthole/nanoserver", "_tag": "0123456789ab", "_com.x": "1",
            })
        );
    }

    #[test]
    fn datagrams_are_compressed_and_cut() {
        let long = "x".repeat(5000);
        let message = examples::message(Stream::Stdout, &long);
        let source = examples::source();
        let packed = gelf(&[UDP]).unwrap().encode(&source, &message).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed[0].as_slice())
            .read_to_string(&mut text)
            .unwrap();
        assert!(packed.len() == 1 && text.contains(&long), "{text}");
        let plain = gelf(&[UDP, ("gelf-compression-type", "none")]).unwrap();
        let cut = plain.encode(&source, &message).unwrap();
        let count = u8::try_from(cut.len()).unwrap();
        assert!(count > 3 && cut.iter().all(|chunk| chunk.len() <= CHUNK));
        for (number, chunk) in (0..).zip(&cut) {
            assert_eq!(
                (&chunk[..2], &chunk[2..10]),
                (&CHUNK_MAGIC[..], &cut[0][2..10])
            );
            assert_eq!(chunk[10..12], [number, count]);
        }
        let whole: Vec<u8> = cut.iter().flat_map(|chunk| &chunk[12..]).copied().collect();
        assert!(serde_json::from_slice::<Value>(&whole).is_ok());
        let endless = examples::message(Stream::Stdout, &"x".repeat(CHUNK * MAX_CHUNKS));
        assert!(plain.encode(&source, &endless).unwrap_err().is_final());
    }

    #[test]
    fn what_cannot_be_is_refused_in_dockers_words() {
        for (options, sentence) in [
            (&[][..], "gelf-address is a required parameter"),
            (
                &[("gelf-address", "x:1")],
                "gelf-address should be in form proto://address, got x:1",
            ),
            (
                &[("gelf-address", "ftp://x:1")],
                "gelf: endpoint needs to be TCP or UDP",
            ),
            (
                &[("gelf-address", "udp://x")],
                "gelf: please provide gelf-address as proto://host:port",
            ),
            (
                &[TCP, ("gelf-compression-level", "1")],
                "compression is only supported on UDP",
            ),
            (
                &[UDP, ("gelf-tcp-max-reconnect", "1")],
                "\"gelf-tcp-max-reconnect\" is only valid for TCP",
            ),
            (
                &[TCP, ("gelf-tcp-max-reconnect", "-1")],
                "\"gelf-tcp-max-reconnect\" must be a positive integer",
            ),
            (
                &[UDP, ("gelf-compression-level", "10")],
                "unknown value \"10\" for log opt \"gelf-compression-level\" for gelf log driver",
            ),
            (
                &[UDP, ("gelf-compression-type", "lz4")],
                "unknown value \"lz4\" for log opt \"gelf-compression-type\" for gelf log driver",
            ),
        ] {
            assert_eq!(gelf(options).unwrap_err().to_string(), sentence);
        }
    }
}
