//! `flood stdout|stderr MEGABYTES`: writes so much to a stream, in pieces of 64 KiB.
//! `flood memory MEGABYTES [SECONDS]`: takes so much memory, touches it, and holds it.

use std::io::{self, Write};
use std::time::Duration;

const MEGABYTE: usize = 1 << 20;

fn main() -> io::Result<()> {
    let argument = |place: usize| std::env::args().nth(place).unwrap_or_default();
    let megabytes: usize = argument(2).parse().unwrap_or(1);
    match argument(1).as_str() {
        "stdout" => write(&mut io::stdout().lock(), megabytes),
        "stderr" => write(&mut io::stderr().lock(), megabytes),
        _ => {
            let memory = vec![0x5a_u8; megabytes * MEGABYTE];
            println!("holding {} bytes", memory.len());
            std::thread::sleep(Duration::from_secs(argument(3).parse().unwrap_or(3600)));
            Ok(())
        }
    }
}

fn write(stream: &mut impl Write, megabytes: usize) -> io::Result<()> {
    let piece = [b'x'; 64 << 10];
    for _ in 0..megabytes * MEGABYTE / piece.len() {
        stream.write_all(&piece)?;
    }
    stream.flush()
}
