//! The certificates that the host trusts, and those that Wine trusts of its own accord: it writes
//! them into the registry of every container whose programs ask whom to trust.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use porthole_registry::{Key, Name, Value};
use sha1::{Digest, Sha1};

/// The most that is read of a file of certificates, in bytes.
const MAX_SIZE: u64 = 16 << 20;

/// The number under which a store's entry keeps the certificate itself.
const CERTIFICATE: u32 = 32;

/// Wine's own, by the SHA-1 that they are called by: Microsoft's roots.
const WINE_ROOTS: [&str; 5] = [
    "3B1EFD3A66EA28B16697394703A72CA340A05BD5",
    "7F88CD7223F3C813818C994614A89C99FA3B5247",
    "8F43288AD272F3103B6FB1428485EA3014C0BCFE",
    "A43489159A520F0D93D032CCAF37E7FE20A8B419",
    "CDD4EEAE6000AC7F40C3802C171E30148030C072",
];

/// Files of certificates, read when they are first needed.
#[derive(Debug)]
pub struct HostRoots {
    files: Vec<PathBuf>,
    known: OnceCell<HashSet<Vec<u8>>>,
}

impl HostRoots {
    /// The certificates in these files, in PEM. One that cannot be read holds none: it may have been
    /// there when a container was started.
    #[must_use]
    pub fn of(files: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            files: files.into_iter().collect(),
            known: OnceCell::new(),
        }
    }

    /// Whether a key of a certificate store holds one of them, and nothing else.
    pub(super) fn hold(&self, name: &Name, entry: &Key) -> bool {
        let blob = entry.value("Blob").filter(|_| entry.values().len() == 1);
        let is_alone = entry.subkeys().len() == 0 && entry.layering.is_plain();
        let known = || {
            self.known
                .get_or_init(|| self.files.iter().flat_map(|file| read(file)).collect())
        };
        let is_wines = |certificate: &[u8]| {
            let mut roots = WINE_ROOTS.iter();
            roots.any(|root| *name == Name::from(*root) && is_called(certificate, root))
        };
        is_alone
            && blob
                .and_then(certificate)
                .is_some_and(|certificate| is_wines(certificate) || known().contains(certificate))
    }
}

/// Whether this is the SHA-1 of a certificate: programs may put any under its name.
fn is_called(certificate: &[u8], name: &str) -> bool {
    let digest = Sha1::digest(certificate);
    let digits: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    digits == name
}

/// The certificate of a store's entry: a list of numbers, each with the size of what follows it.
fn certificate(blob: &Value) -> Option<&[u8]> {
    let mut rest = blob.data.as_slice();
    loop {
        let (header, tail) = rest.split_first_chunk::<12>()?;
        let number =
            |at| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (property, tail) = tail.split_at_checked(number(8) as usize)?;
        if number(0) == CERTIFICATE {
            return Some(property);
        }
        rest = tail;
    }
}

fn read(file: &Path) -> Vec<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let mut text = Vec::new();
    let opened = File::open(file).map(|file| file.take(MAX_SIZE));
    if opened
        .and_then(|mut file| file.read_to_end(&mut text))
        .is_err()
    {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&text);
    let decoded = text.split(BEGIN).skip(1).filter_map(|rest| {
        let (body, _) = rest.split_once(END)?;
        let body: String = body.split_whitespace().collect();
        STANDARD.decode(body).ok()
    });
    decoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(certificate: &[u8]) -> Key {
        let mut blob = vec![3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 7, 7];
        blob.extend([32, 0, 0, 0, 1, 0, 0, 0]);
        blob.extend(u32::try_from(certificate.len()).unwrap().to_le_bytes());
        blob.extend(certificate);
        let mut key = Key::default();
        key.set_value("Blob", Value::binary(blob));
        key
    }

    #[test]
    fn only_a_certificate_of_the_host_is_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let pem = |bytes: &[u8]| {
            let body = STANDARD.encode(bytes);
            let (one, two) = body.split_at(body.len() / 2);
            format!(
                "# name\n-----BEGIN CERTIFICATE-----\n{one}\n{two}\n-----END CERTIFICATE-----\n"
            )
        };
        let text = format!(
            "{}{}-----BEGIN CERTIFICATE-----\nrubbish",
            pem(b"one"),
            pem(b"two!")
        );
        std::fs::write(file.path(), text).unwrap();
        let roots = HostRoots::of(["/nowhere/at/all".into(), file.path().to_owned()]);
        let name = Name::from("0123");
        assert!(roots.hold(&name, &entry(b"one")) && roots.hold(&name, &entry(b"two!")));
        assert!(!roots.hold(&name, &entry(b"three")));
        assert!(!roots.hold(&WINE_ROOTS[0].into(), &entry(b"three")));
        assert!(is_called(
            b"abc",
            "A9993E364706816ABA3E25717850C26C9CD0D89D"
        ));
        let mut more = entry(b"one");
        more.set_value("Other", Value::dword(1));
        assert!(!roots.hold(&name, &more));
        for size in 0..20 {
            let mut torn = entry(b"one");
            let data = torn.value("Blob").unwrap().data[..size].to_vec();
            torn.set_value("Blob", Value::binary(data));
            assert!(!roots.hold(&name, &torn));
        }
    }
}
