//! What a failure of the network means, in the words that Docker's users know.

use std::error::Error as _;
use std::io;

use reqwest::{Method, Url};
use rustls::{AlertDescription, CertificateError, InvalidMessage};

use crate::error::{Error, ErrorKind};

/// A request that got no answer, or whose answer broke off.
pub(crate) fn of_network(method: &Method, url: &Url, error: reqwest::Error) -> Error {
    // The address is part of the sentence already.
    let error = error.without_url();
    let is_connect = error.is_connect();
    let (kind, message) = describe(url, &error);
    let sentence = format!("{} {:?}: {message}", verb(method), shown(url));
    Error::new(kind, sentence)
        .transient(kind == ErrorKind::Unreachable && !is_connect)
        .with_source(error)
}

/// A request that nothing was heard of for too long.
pub(crate) fn of_silence(method: &Method, url: &Url) -> Error {
    Error::new(
        ErrorKind::Hang,
        format!(
            "{} {:?}: net/http: request canceled (the registry was silent for too long)",
            verb(method),
            shown(url)
        ),
    )
    .transient(false)
}

/// The method as Docker's messages have it, which are those of Go.
pub(crate) fn verb(method: &Method) -> String {
    let mut verb = method.as_str().to_ascii_lowercase();
    if let Some(first) = verb.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    verb
}

/// An address without what must not be shown: passwords, and the signatures in queries.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Fails only for addresses that have no host, and nothing is hidden in those.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.set_query(None);
    url.into()
}

fn describe(url: &Url, error: &reqwest::Error) -> (ErrorKind, String) {
    let mut innermost = error.to_string();
    let mut is_lookup = false;
    let mut cause = error.source();
    while let Some(error) = cause {
        innermost = error.to_string();
        is_lookup |= innermost == "dns error";
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return of_tls(url, error);
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            if let Some(error) = tls_inside(error) {
                return of_tls(url, error);
            }
            if let (false, Some(message)) = (is_lookup, of_io(url, error)) {
                return (ErrorKind::Unreachable, message);
            }
        }
        cause = error.source();
    }
    let host = url.host_str().unwrap_or_default();
    let message = if is_lookup {
        format!("dial tcp: lookup {host}: no such host")
    } else if error.is_timeout() {
        format!("dial tcp {}: i/o timeout", address(url))
    } else {
        innermost
    };
    (ErrorKind::Unreachable, message)
}

/// The failure of TLS that an error of input and output holds, perhaps in another of its kind: what
/// such an error holds is not among its sources.
fn tls_inside(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner
        .downcast_ref()
        .or_else(|| inner.downcast_ref().and_then(tls_inside))
}

fn of_io(url: &Url, error: &io::Error) -> Option<String> {
    use io::ErrorKind as Kind;
    let dial = |what: &str| Some(format!("dial tcp {}: {what}", address(url)));
    match error.kind() {
        Kind::ConnectionRefused => dial("connect: connection refused"),
        Kind::HostUnreachable => dial("connect: no route to host"),
        Kind::NetworkUnreachable => dial("connect: network is unreachable"),
        Kind::TimedOut => dial("i/o timeout"),
        Kind::ConnectionReset => Some("read: connection reset by peer".to_owned()),
        Kind::BrokenPipe => Some("write: broken pipe".to_owned()),
        Kind::UnexpectedEof => Some("unexpected EOF".to_owned()),
        _ => None,
    }
}

fn of_tls(url: &Url, error: &rustls::Error) -> (ErrorKind, String) {
    let host = url.host_str().unwrap_or_default();
    let told = match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            let message = "http: server gave HTTP response to HTTPS client".to_owned();
            return (ErrorKind::Tls, message);
        }
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer => {
                "x509: certificate signed by unknown authority".to_owned()
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => {
                "x509: certificate has expired or is not yet valid".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("x509: certificate is not valid for {host}")
            }
            other => format!("x509: {other}"),
        },
        rustls::Error::AlertReceived(alert) => {
            let what = match alert {
                AlertDescription::CertificateRequired => "certificate required".to_owned(),
                AlertDescription::BadCertificate => "bad certificate".to_owned(),
                AlertDescription::UnknownCA => "unknown certificate authority".to_owned(),
                other => format!("{other:?}"),
            };
            return with_hint(
                url,
                &format!("remote error: tls: {what}"),
                "client certificate and key at {}/client.cert and client.key",
            );
        }
        other => return (ErrorKind::Tls, format!("tls: {other}")),
    };
    with_hint(
        url,
        &format!("tls: failed to verify certificate: {told}"),
        "CA certificate at {}/ca.crt",
    )
}

/// What can be done about it: `place` says what belongs into the registry's directory.
fn with_hint(url: &Url, message: &str, place: &str) -> (ErrorKind, String) {
    let directory = format!("/etc/porthole/certs.d/{}", authority(url));
    let place = place.replace("{}", &directory);
    let hint = format!("{message} (place the registry's {place})");
    (ErrorKind::Tls, hint)
}

/// Host and port, the port only where it is not the usual one: a registry's directory below `certs.d`.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn address(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{host}:{}", url.port_or_known_default().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_tls_is_found_however_deep_it_is() {
        let cause = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let once = io::Error::other(cause());
        assert_eq!(tls_inside(&once), Some(&cause()));
        let twice = io::Error::other(once);
        assert_eq!(tls_inside(&twice), Some(&cause()));
        assert_eq!(tls_inside(&io::Error::other("of another kind")), None);
    }
}
