//! The certificates that an administrator placed for a registry, as Docker has them:
//! `<directory>/<host[:port]>/` with CAs in `*.crt` and a client's certificate and key in `*.cert`
//! and `*.key`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use porthole_tls::{TlsOptions, Trust};

use crate::error::{Error, ErrorKind, Result};

/// The most files that a registry's directory may have.
const MAX_FILES: usize = 256;

/// What was placed for `registry` in the first of `directories` that has something for it.
pub(crate) async fn placed(directories: Vec<PathBuf>, registry: String) -> Result<TlsOptions> {
    let read = tokio::task::spawn_blocking(move || read(&directories, &registry));
    read.await.unwrap_or_else(|error| {
        let sentence = "reading certificates was cut short";
        Err(Error::new(ErrorKind::Configuration, sentence).with_source(error))
    })
}

fn read(directories: &[PathBuf], registry: &str) -> Result<TlsOptions> {
    if !is_name(registry) {
        return Ok(TlsOptions::default());
    }
    for directory in directories {
        let directory = directory.join(registry);
        match names(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let sentence = format!("cannot read {}", directory.display());
                return Err(Error::new(ErrorKind::Configuration, sentence).with_source(error));
            }
            Ok(names) => return options(&directory, &names),
        }
    }
    Ok(TlsOptions::default())
}

/// Whether a host's name is the name of one directory too.
fn is_name(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    host.bytes().all(allowed) && host.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

fn names(directory: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory)?.take(MAX_FILES) {
        if let Ok(name) = entry?.file_name().into_string() {
            names.insert(name);
        }
    }
    Ok(names)
}

fn options(directory: &Path, names: &BTreeSet<String>) -> Result<TlsOptions> {
    let wrong = |sentence: String| {
        let sentence = format!("{}: {sentence}", directory.display());
        Err(Error::new(ErrorKind::Configuration, sentence))
    };
    let path = |name: &str| directory.join(name).to_string_lossy().into_owned();
    let mut authorities = Vec::new();
    let mut identity = None;
    for name in names {
        if name.ends_with(".crt") {
            authorities.push(path(name));
        } else if let Some(stem) = name.strip_suffix(".cert") {
            let key = format!("{stem}.key");
            if !names.contains(&key) {
                return wrong(format!(
                    "missing key {key} for client certificate {name}. CA certificates must use the \
                     extension .crt"
                ));
            }
            if identity.is_some() {
                return wrong("more than one client certificate".to_owned());
            }
            identity = Some((path(name), path(&key)));
        } else if let Some(stem) = name.strip_suffix(".key") {
            let certificate = format!("{stem}.cert");
            if !names.contains(&certificate) {
                return wrong(format!(
                    "missing client certificate {certificate} for key {name}"
                ));
            }
        }
    }
    let trust = match authorities.is_empty() {
        true => Trust::Host,
        false => Trust::HostAnd(authorities),
    };
    Ok(TlsOptions { trust, identity })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(files: &[&str]) -> Result<TlsOptions> {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("registry.example:5000");
        std::fs::create_dir(&directory).unwrap();
        for file in files {
            std::fs::write(directory.join(file), "").unwrap();
        }
        let directories = [root.path().join("missing"), root.path().to_owned()];
        read(&directories, "registry.example:5000")
    }

    #[test]
    fn cas_and_a_pair_are_found() {
        let options = placed(&["b.crt", "ca.crt", "client.cert", "client.key", "README"]).unwrap();
        let Trust::HostAnd(files) = options.trust else {
            panic!("{:?}", options.trust);
        };
        let ends = |file: &str, end| file.ends_with(end);
        assert!(ends(&files[0], "/registry.example:5000/b.crt"));
        assert!(ends(&files[1], "/registry.example:5000/ca.crt"));
        let (certificate, key) = options.identity.unwrap();
        assert!(ends(&certificate, "client.cert") && ends(&key, "client.key"));
        assert_eq!(placed(&[]).unwrap(), TlsOptions::default());
    }

    #[test]
    fn half_a_pair_is_refused_by_name() {
        let told = |files: &[&str]| placed(files).unwrap_err().to_string();
        assert!(told(&["client.cert"]).contains("missing key client.key"));
        assert!(told(&["client.key"]).contains("missing client certificate client.cert"));
        let two = ["a.cert", "a.key", "b.cert", "b.key"];
        assert!(told(&two).contains("more than one client certificate"));
    }

    #[test]
    fn names_of_hosts_do_not_leave_the_directory() {
        for name in ["..", ".", "", "a/b", "../x", "a\\b"] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_name("[::1]:5000"));
    }
}
