//! `flood stdout|stderr MEGABYTES`: writes so much to a stream, in pieces of 64 KiB; kilobytes with `K`
//! after the number.
//! `flood memory MEGABYTES [SECONDS]`: takes so much memory, touches it, and holds it.

use std::io::{self, Write};
use std::time::Duration;

const MEGABYTE: usize = 1 << 20;

fn main() -> io::Result<()> {
    let argument = |place: usize| std::env::args().nth(place).unwrap_or_default();
    let amount = argument(2);
    let bytes = match amount.strip_suffix('K') {
        Some(kilobytes) => kilobytes.parse().unwrap_or(64) << 10,
        None => amount.parse().unwrap_or(1) * MEGABYTE,
    };
    match argument(1).as_str() {
        "stdout" => write(&mut io::stdout().lock(), bytes),
        "stderr" => write(&mut io::stderr().lock(), bytes),
        _ => {
            let memory = vec![0x5a_u8; bytes];
            println!("holding {} bytes", memory.len());
            std::thread::sleep(Duration::from_secs(argument(3).parse().unwrap_or(3600)));
            Ok(())
        }
    }
}

fn write(stream: &mut impl Write, bytes: usize) -> io::Result<()> {
    let piece = [b'x'; 64 << 10];
    for _ in 0..bytes / piece.len() {
        stream.write_all(&piece)?;
    }
    stream.flush()
}
