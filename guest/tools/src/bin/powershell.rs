//! `powershell`: says that it is not there. Wine's returns success without running anything.

/// What `cmd` returns for a program that is not there.
const NOT_RECOGNIZED: i32 = 9009;

fn main() {
    eprintln!(
        "powershell: this image holds no PowerShell; install PowerShell 7 into the image and call pwsh, or use cmd."
    );
    std::process::exit(NOT_RECOGNIZED);
}
