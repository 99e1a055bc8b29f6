//! `eat MEBIBYTES [--then PROGRAM]`: takes so much memory, writes to all of it, and says so. Runs
//! the program while it holds the memory.

use std::process::Command;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted = arguments
        .first()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_usize);
    // A page that is never written to is never charged.
    let eaten: Vec<Vec<u8>> = (0..wanted).map(|_| vec![1; 1 << 20]).collect();
    println!("ate {} MiB", eaten.len());
    if let [_, then, program] = &arguments[..]
        && then == "--then"
    {
        let ended = Command::new(program).status();
        assert!(ended.is_ok_and(|status| status.success()), "{program}");
        drop(eaten);
    }
}
