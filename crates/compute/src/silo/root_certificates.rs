//! The certificates that the host trusts, which its containers trust too: an administrator who adds
//! a company's own expects programs inside to follow.

use std::path::{Path, PathBuf};

use porthole_sandbox::layout::ROOT_CERTIFICATES;
use porthole_wine::KernelPackage;
use porthole_wine::registry::HostRoots;

/// The variable by which OpenSSL, Go and curl are told of another file.
const VARIABLE: &str = "SSL_CERT_FILE";

/// Where distributions keep them: Debian, Fedora, openSUSE, Alpine.
const PLACES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// All that a container's programs may have been told to trust: what is in the host's file, and in
/// the one of the kernel package that serves where the host has none.
pub(super) fn all(data_root: &Path) -> HostRoots {
    let kernel = KernelPackage::current(&data_root.join("kernels")).ok();
    let of_kernel = kernel.map(|kernel| {
        kernel
            .root()
            .join(ROOT_CERTIFICATES.trim_start_matches('/'))
    });
    HostRoots::of(of_host().map(PathBuf::from).into_iter().chain(of_kernel))
}

/// The host's file; none where it has none, and the kernel package's serves.
pub(super) fn of_host() -> Option<String> {
    let told = std::env::var(VARIABLE).ok();
    told.into_iter()
        .chain(PLACES.map(str::to_owned))
        .find(|place| Path::new(place).is_absolute() && Path::new(place).is_file())
}
