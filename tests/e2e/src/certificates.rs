//! Certificates, made as Docker's documentation has it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Makes a CA in `directory`, and with it `server-*.pem` for a server of these names
/// (`DNS:localhost,IP:127.0.0.1`), and `cert.pem` and `key.pem` for a client. The CA is called as the
/// directory is.
///
/// # Errors
/// When openssl cannot be run, or fails.
pub fn make(directory: &Path, names: &str) -> Result<()> {
    fs::create_dir_all(directory)?;
    let script = r"
        openssl req -new -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$1 -keyout ca-key.pem -out ca.pem
        sign() {
            openssl req -new -newkey rsa:2048 -nodes -subj /CN=$1 -keyout $2 -out request.pem
            printf %s $4 > extensions.cnf
            openssl x509 -req -days 2 -CA ca.pem -CAkey ca-key.pem -CAcreateserial \
                -in request.pem -extfile extensions.cnf -out $3
        }
        sign localhost server-key.pem server-cert.pem subjectAltName=$2
        sign client key.pem cert.pem extendedKeyUsage=clientAuth";
    let authority = directory.file_name().context("no name")?;
    let output = Command::new("sh")
        .args(["-euc", script, "sh"])
        .arg(authority)
        .arg(names)
        .current_dir(directory)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "openssl: {said}");
    Ok(())
}
