//! `certutil -hashfile|-encode|-decode|-addstore|-delstore|-store`. Wine's returns success without
//! doing anything, and an image built with it would trust nobody whom its author added.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest;

const VERBS: &str = "-hashfile, -encode, -decode, -addstore, -delstore and -store";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut words = arguments
        .iter()
        .map(String::as_str)
        .filter(|word| !is_option(word, "f") && !is_option(word, "user"));
    let verb = words
        .next()
        .map(|verb| verb.replace('/', "-").to_lowercase())
        .unwrap_or_default();
    let words: Vec<&str> = words.collect();
    let outcome = match (verb.as_str(), words.as_slice()) {
        ("-hashfile", [file]) => hash_file(file, "SHA1"),
        ("-hashfile", [file, algorithm]) => hash_file(file, algorithm),
        ("-encode", [from, to]) => encode(from, to),
        ("-decode", [from, to]) => decode(from, to),
        ("-addstore", [store, file]) => stores::add(store, file),
        ("-delstore", [store, thumbprint]) => stores::delete(store, thumbprint),
        ("-store", [store]) => stores::list(store),
        (known, _) if VERBS.split([',', ' ']).any(|verb| verb == known) => {
            Err("Expected other arguments".to_owned())
        }
        (other, _) => Err(format!("{other} is not supported; {VERBS} are")),
    };
    match outcome {
        Ok(()) => {
            println!("CertUtil: {verb} command completed successfully.");
            ExitCode::SUCCESS
        }
        Err(message) => {
            println!("CertUtil: {verb} command FAILED: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Whether a word of the command line is this option.
fn is_option(word: &str, name: &str) -> bool {
    word.strip_prefix(['-', '/'])
        .is_some_and(|option| option.eq_ignore_ascii_case(name))
}

fn has_option(name: &str) -> bool {
    std::env::args().any(|word| is_option(&word, name))
}

/// The verbs that work on certificate stores, of the machine or with `-user` of the user.
#[cfg(windows)]
mod stores {
    use porthole_tools::certificate_store::{Owner, Store};
    use porthole_tools::certificates;

    fn open(name: &str) -> Result<Store, String> {
        let owner = if super::has_option("user") {
            Owner::User
        } else {
            Owner::Machine
        };
        println!("{name}");
        Store::open(name, owner).map_err(|error| format!("{name}: {error}"))
    }

    pub(super) fn add(store: &str, file: &str) -> Result<(), String> {
        let content = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
        let found = certificates::read(&content).map_err(|error| format!("{file}: {error}"))?;
        let store = open(store)?;
        for certificate in found {
            let subject = store
                .add(&certificate)
                .map_err(|error| format!("{file}: {error}"))?;
            println!("Certificate \"{subject}\" added to store.");
        }
        Ok(())
    }

    pub(super) fn delete(store: &str, thumbprint: &str) -> Result<(), String> {
        let deleted = open(store)?
            .delete(thumbprint)
            .map_err(|error| error.to_string())?;
        if !deleted {
            return Err(format!("no certificate {thumbprint} in the store"));
        }
        println!("Deleting Certificate {thumbprint}");
        Ok(())
    }

    pub(super) fn list(store: &str) -> Result<(), String> {
        for (number, entry) in open(store)?.entries().into_iter().enumerate() {
            println!("================ Certificate {number} ================");
            println!("Subject: {}", entry.subject);
            println!("Cert Hash(sha1): {}", entry.thumbprint);
        }
        Ok(())
    }
}

/// Elsewhere there are none; the program is built there for its tests alone.
#[cfg(not(windows))]
mod stores {
    pub(super) fn add(_: &str, _: &str) -> Result<(), String> {
        Err("there are no stores".to_owned())
    }
    pub(super) use add as delete;
    pub(super) fn list(_: &str) -> Result<(), String> {
        Err("there are no stores".to_owned())
    }
}

fn hash_file(file: &str, algorithm: &str) -> Result<(), String> {
    let name = algorithm.to_uppercase();
    let digest = match name.as_str() {
        "MD5" => digest::<md5::Md5>(file),
        "SHA1" => digest::<sha1::Sha1>(file),
        "SHA256" => digest::<sha2::Sha256>(file),
        "SHA384" => digest::<sha2::Sha384>(file),
        "SHA512" => digest::<sha2::Sha512>(file),
        _ => {
            return Err(format!(
                "{algorithm} is no hash algorithm (MD5 SHA1 SHA256 SHA384 SHA512)"
            ));
        }
    }?;
    println!("{name} hash of {file}:\n{digest}");
    Ok(())
}

fn digest<D: Digest>(file: &str) -> Result<String, String> {
    let mut source = File::open(file).map_err(|error| format!("{file}: {error}"))?;
    let mut hasher = D::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match source
            .read(&mut buffer)
            .map_err(|error| format!("{file}: {error}"))?
        {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn encode(from: &str, to: &str) -> Result<(), String> {
    let bytes = std::fs::read(from).map_err(|error| format!("{from}: {error}"))?;
    let text = STANDARD.encode(&bytes);
    let mut lines = String::from("-----BEGIN CERTIFICATE-----\r\n");
    for chunk in text.as_bytes().chunks(64) {
        lines.push_str(&String::from_utf8_lossy(chunk));
        lines.push_str("\r\n");
    }
    lines.push_str("-----END CERTIFICATE-----\r\n");
    write(to, lines.as_bytes())?;
    println!(
        "Input Length = {}\nOutput Length = {}",
        bytes.len(),
        lines.len()
    );
    Ok(())
}

fn decode(from: &str, to: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(from).map_err(|error| format!("{from}: {error}"))?;
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .map(str::trim)
        .collect();
    let bytes = STANDARD
        .decode(body)
        .map_err(|error| format!("{from}: {error}"))?;
    write(to, &bytes)?;
    println!(
        "Input Length = {}\nOutput Length = {}",
        text.len(),
        bytes.len()
    );
    Ok(())
}

/// As Windows' certutil, overwrites only with `-f`.
fn write(to: &str, bytes: &[u8]) -> Result<(), String> {
    if Path::new(to).exists() && !has_option("f") {
        return Err(format!("{to} exists; use -f to overwrite it"));
    }
    std::fs::write(to, bytes).map_err(|error| format!("{to}: {error}"))
}
