//! What is in files that their container may be writing.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use crate::error::{Context, Outcome};

/// How long a file is.
pub(super) fn size_of(file: &OwnedFd) -> Outcome<u64> {
    let stat = rustix::fs::fstat(file).to("look at a file")?;
    Ok(u64::try_from(stat.st_size).unwrap_or(0))
}

/// Exactly so many bytes of a file that its container may change: of one that grows, those that it
/// had.
pub(super) struct Exactly {
    left: u64,
    content: File,
}

impl Exactly {
    pub(super) fn new(file: &OwnedFd, size: u64) -> Outcome<Self> {
        Ok(Self {
            left: size,
            content: File::from(file.try_clone().to("read a file")?),
        })
    }
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        let read = (&self.content).take(self.left).read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}
