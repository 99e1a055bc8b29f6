//! Why a container or a process did not start, in the words and exit codes of Docker on Windows.

use porthole_compute_service as compute;

use crate::error::{Error, ErrorKind};

/// The program cannot be invoked.
pub(crate) const CANNOT_INVOKE: u32 = 126;
/// The program is not there.
pub(crate) const NOT_FOUND: u32 = 127;
/// Anything else.
pub(crate) const UNKNOWN: u32 = 128;

/// Win32 error codes that decide the exit code.
const ERROR_FILE_NOT_FOUND: u32 = 2;
const ERROR_PATH_NOT_FOUND: u32 = 3;
const ERROR_ACCESS_DENIED: u32 = 5;
const ERROR_BAD_EXE_FORMAT: u32 = 193;
const ERROR_EXE_MACHINE_TYPE_MISMATCH: u32 = 216;

/// A start that failed.
#[derive(Debug)]
pub(crate) struct StartError {
    pub(crate) error: Error,
    pub(crate) exit_code: u32,
}

/// The compute system was not created or did not start.
pub(crate) fn system(container: &str, error: compute::Error) -> StartError {
    use compute::ErrorKind as Kind;
    let (kind, text) = match error.kind() {
        Kind::ImageMismatch => (
            ErrorKind::InvalidParameter,
            hcs_text(&error, NTSTATUS_IMAGE_MISMATCH),
        ),
        Kind::IsolationNotAvailable => (ErrorKind::NotImplemented, error.to_string()),
        Kind::ServiceNotAvailable => (ErrorKind::Unavailable, error.to_string()),
        _ => (ErrorKind::System, error.to_string()),
    };
    let message = format!("container {container} encountered an error during {text}");
    StartError {
        error: Error::new(kind, message).with_source(error),
        exit_code: UNKNOWN,
    }
}

/// The process was not created.
pub(crate) fn process(container: &str, error: compute::Error) -> StartError {
    let compute::ErrorKind::Windows(code) = error.kind() else {
        return system(container, error);
    };
    let (exit_code, also) = match code {
        ERROR_FILE_NOT_FOUND => (NOT_FOUND, ""),
        // Docker's clients make their exit code of words in the message, and know these only.
        ERROR_PATH_NOT_FOUND => (NOT_FOUND, ": no such file or directory"),
        ERROR_ACCESS_DENIED | ERROR_BAD_EXE_FORMAT | ERROR_EXE_MACHINE_TYPE_MISMATCH => {
            (CANNOT_INVOKE, ": permission denied")
        }
        _ => (UNKNOWN, ""),
    };
    let message = format!(
        "container {container} encountered an error during {}{also}",
        hcs_text(&error, code)
    );
    let error = Error::new(ErrorKind::InvalidParameter, message).with_source(error);
    StartError { error, exit_code }
}

/// HCS's old NTSTATUS for an image that does not match, which is what people search for.
const NTSTATUS_IMAGE_MISMATCH: u32 = 0xc037_0101;

fn hcs_text(error: &compute::Error, code: u32) -> String {
    // The operation names the system again, which the text already has.
    let operation = error.operation().split(' ').next().unwrap_or_default();
    let message = error.message();
    format!("hcs::System::{operation}: failure in a Windows system call: {message} (0x{code:x})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: u32, text: &str) -> StartError {
        let kind = compute::ErrorKind::Windows(code);
        process("c1", compute::Error::new(kind, "CreateProcess c1", text))
    }

    #[test]
    fn a_missing_program_has_windows_text_and_127() {
        let start = failed(2, "The system cannot find the file specified.");
        assert_eq!(start.exit_code, NOT_FOUND);
        assert_eq!(
            start.error.to_string(),
            "container c1 encountered an error during hcs::System::CreateProcess: failure in a Windows system \
             call: The system cannot find the file specified. (0x2)"
        );
    }

    #[test]
    fn exit_codes_follow_docker() {
        assert_eq!(failed(3, "").exit_code, NOT_FOUND);
        assert_eq!(failed(5, "").exit_code, CANNOT_INVOKE);
        assert!(
            failed(193, "")
                .error
                .to_string()
                .contains("permission denied")
        );
        assert_eq!(failed(267, "").exit_code, UNKNOWN);
    }

    #[test]
    fn an_image_mismatch_shows_the_code_that_people_search_for() {
        let message = "The container operating system does not match the host operating system.";
        let error = compute::Error::new(
            compute::ErrorKind::ImageMismatch,
            "CreateComputeSystem c1",
            message,
        );
        let text = system("c1", error).error.to_string();
        assert!(
            text.contains(message) && text.contains("(0xc0370101)"),
            "{text}"
        );
    }
}
