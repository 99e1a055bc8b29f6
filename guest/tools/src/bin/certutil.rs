//! `certutil -hashfile|-encode|-decode`. Wine's returns success without doing anything.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|word| !word.eq_ignore_ascii_case("-f"))
        .collect();
    let verb = words
        .first()
        .map(|verb| verb.replace('/', "-").to_lowercase())
        .unwrap_or_default();
    let outcome = match (verb.as_str(), &words[words.len().min(1)..]) {
        ("-hashfile", [file]) => hash_file(file, "SHA1"),
        ("-hashfile", [file, algorithm]) => hash_file(file, algorithm),
        ("-encode", [from, to]) => encode(from, to),
        ("-decode", [from, to]) => decode(from, to),
        ("-hashfile" | "-encode" | "-decode", _) => Err("Expected other arguments".to_owned()),
        (other, _) => Err(format!(
            "{other} is not supported; -hashfile, -encode and -decode are"
        )),
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
    if Path::new(to).exists() && !std::env::args().any(|word| word.eq_ignore_ascii_case("-f")) {
        return Err(format!("{to} exists; use -f to overwrite it"));
    }
    std::fs::write(to, bytes).map_err(|error| format!("{to}: {error}"))
}
