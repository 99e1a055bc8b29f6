//! `exit N`: ends with `ExitProcess(N)`; N is decimal or 0x-hexadecimal, 32 bits.

fn main() {
    let text = std::env::args().nth(1).unwrap_or_default();
    let code = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    std::process::exit(code.unwrap_or(1).cast_signed());
}
