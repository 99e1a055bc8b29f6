//! The certificates that the host trusts, which its containers trust too: an administrator who adds
//! a company's own expects programs inside to follow.

use std::path::Path;

/// The variable by which OpenSSL, Go and curl are told of another file.
const VARIABLE: &str = "SSL_CERT_FILE";

/// Where distributions keep them: Debian, Fedora, openSUSE, Alpine.
const PLACES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The host's file; none where it has none, and the kernel package's serves.
pub(super) fn of_host() -> Option<String> {
    let told = std::env::var(VARIABLE).ok();
    told.into_iter()
        .chain(PLACES.map(str::to_owned))
        .find(|place| Path::new(place).is_absolute() && Path::new(place).is_file())
}
