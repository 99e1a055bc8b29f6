//! The journal's native protocol: one datagram of fields a message.

use time::format_description::well_known::Rfc3339;

use crate::address::Address;
use crate::message::{Host, Message, Source};

/// Where journal entries go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Journald {
    pub(crate) address: Address,
}

impl Journald {
    pub(crate) fn new(host: &Host) -> Self {
        Self {
            address: Address::UnixDatagram(host.journal.clone()),
        }
    }
}

/// An entry as it is sent.
pub(crate) fn encode(source: &Source, message: &Message) -> Vec<u8> {
    let mut entry = Vec::new();
    let severity = message.severity().to_string();
    let at = message.at().format(&Rfc3339).unwrap_or_default();
    for (name, value) in [
        ("MESSAGE", message.line.as_str()),
        ("PRIORITY", &severity),
        ("CONTAINER_ID", source.short_id()),
        ("CONTAINER_ID_FULL", &source.container_id),
        ("CONTAINER_NAME", &source.container_name),
        ("CONTAINER_TAG", &source.tag),
        ("IMAGE_NAME", &source.image_name),
        ("SYSLOG_IDENTIFIER", &source.tag),
        ("SYSLOG_TIMESTAMP", &at),
    ] {
        field(&mut entry, name, value);
    }
    if let Some(partial) = &message.partial {
        if !partial.is_last {
            field(&mut entry, "CONTAINER_PARTIAL_MESSAGE", "true");
        }
        field(&mut entry, "CONTAINER_PARTIAL_ID", &partial.id);
        let ordinal = partial.ordinal.to_string();
        field(&mut entry, "CONTAINER_PARTIAL_ORDINAL", &ordinal);
        let is_last = partial.is_last.to_string();
        field(&mut entry, "CONTAINER_PARTIAL_LAST", &is_last);
    }
    for (name, value) in &source.attributes {
        let name = field_name(name);
        if !name.is_empty() {
            field(&mut entry, &name, value);
        }
    }
    entry
}

/// `NAME=value`, or with a length where a line break would end the value.
fn field(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend((value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend(value.as_bytes());
    entry.push(b'\n');
}

/// The name of a label or a variable as the journal takes it, as dockerd makes it: capital letters,
/// digits and underscores, none of those first. The journal drops fields that begin with one.
fn field_name(name: &str) -> String {
    let plain = |c: char| match c.to_ascii_uppercase() {
        c if c.is_ascii_uppercase() || c.is_ascii_digit() => c,
        _ => '_',
    };
    let mapped: String = name.chars().map(plain).collect();
    mapped.trim_start_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use porthole_container_log::Stream;

    use super::*;
    use crate::message::{Partial, examples};

    #[test]
    fn an_entry_has_dockers_fields() {
        let mut message = examples::message(Stream::Stderr, "hi");
        message.partial = Some(Partial {
            id: "f00".to_owned(),
            ordinal: 2,
            is_last: false,
        });
        let text = String::from_utf8(encode(&examples::source(), &message)).unwrap();
        assert_eq!(
            text,
            "MESSAGE=hi\nPRIORITY=3\nCONTAINER_ID=0123456789ab\n\
             CONTAINER_ID_FULL=0123456789abcdef\nCONTAINER_NAME=web\n\
             CONTAINER_TAG=0123456789ab\nIMAGE_NAME=porthole/nanoserver\n\
             SYSLOG_IDENTIFIER=0123456789ab\nSYSLOG_TIMESTAMP=2026-11-24T04:05:06.123456789Z\n\
             CONTAINER_PARTIAL_MESSAGE=true\nCONTAINER_PARTIAL_ID=f00\n\
             CONTAINER_PARTIAL_ORDINAL=2\nCONTAINER_PARTIAL_LAST=false\nCOM_X=1\n"
        );
    }

    #[test]
    fn a_line_break_in_a_value_ends_no_field() {
        let mut entry = Vec::new();
        field(&mut entry, "A", "x\nPRIORITY=0");
        assert_eq!(entry, b"A\n\x0c\0\0\0\0\0\0\0x\nPRIORITY=0\n");
        assert_eq!(field_name("__com.exämple-1"), "COM_EX_MPLE_1");
        assert_eq!(field_name("._.foo"), "FOO");
        assert_eq!(field_name(".-"), "");
    }
}
