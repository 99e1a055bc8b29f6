//! What programs in containers have in common: environment and exit code.

use std::process::ExitCode;

/// The environment as the API wants it; a name alone takes this process's value, or is left out.
pub(super) fn environment(variables: &[String]) -> Vec<String> {
    variables
        .iter()
        .filter_map(|variable| {
            if variable.contains('=') {
                return Some(variable.clone());
            }
            std::env::var(variable)
                .ok()
                .map(|value| format!("{variable}={value}"))
        })
        .collect()
}

/// An exit code for this process: the container's, as far as Unix keeps it (its low eight bits).
pub(super) fn exit_code(code: i64) -> ExitCode {
    ExitCode::from(code.to_le_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_takes_this_shells_value() {
        let variables = ["A=1", "PATH", "PORTHOLE_NO_SUCH_VARIABLE"].map(str::to_owned);
        let path = format!("PATH={}", std::env::var("PATH").unwrap_or_default());
        assert_eq!(environment(&variables), ["A=1", path.as_str()]);
    }

    #[test]
    fn exit_codes_keep_their_low_eight_bits() {
        assert_eq!(exit_code(3), ExitCode::from(3));
        assert_eq!(exit_code(0xC000_013A), ExitCode::from(0x3a));
    }
}
