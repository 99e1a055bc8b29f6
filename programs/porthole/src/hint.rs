//! What to do about an error.

use std::io::ErrorKind;

use bollard::errors::Error;

/// A way out, where one is known.
pub(crate) fn of(error: &anyhow::Error) -> Option<String> {
    if let Some(remedy) = error
        .downcast_ref::<porthole_base::Error>()
        .and_then(porthole_base::Error::remedy)
    {
        return Some(remedy.to_owned());
    }
    match error.downcast_ref::<Error>() {
        Some(Error::SocketNotFoundError(path)) => {
            return Some(format!(
                "nothing listens on {path}: start the daemon with 'portholed' as root (or name its socket with -H)"
            ));
        }
        Some(Error::DockerResponseServerError {
            status_code: 404,
            message,
        }) if message.contains("No such image") => {
            return Some("'porthole images' lists what is there; 'porthole base build nanoserver' makes the small base image".to_owned());
        }
        _ => {}
    }
    let io = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<std::io::Error>())?;
    match io.kind() {
        ErrorKind::ConnectionRefused => {
            Some("the daemon does not run: start it with 'portholed' as root".to_owned())
        }
        ErrorKind::PermissionDenied => Some(
            "only root and the members of the group 'porthole' may use the daemon's socket"
                .to_owned(),
        ),
        _ => None,
    }
}
