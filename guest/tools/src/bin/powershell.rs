//! `powershell`: says that it is not there. Wine's returns success without running anything.

use std::process::ExitCode;

fn main() -> ExitCode {
    eprintln!(
        "powershell: this image holds no PowerShell; install PowerShell 7 into the image and call pwsh, or use cmd."
    );
    ExitCode::FAILURE
}
