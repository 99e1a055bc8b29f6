//! An archive on its way: hashed, counted and bounded.

use std::io::{self, Read, Write};

use porthole_store::Digest;
use sha2::{Digest as _, Sha256};

/// Hashes and counts what goes through, and refuses more than a limit.
pub(crate) struct Metered<T> {
    inner: T,
    hasher: Sha256,
    size: u64,
    limit: u64,
}

impl<T> Metered<T> {
    pub(crate) fn new(inner: T, limit: u64) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            size: 0,
            limit,
        }
    }

    /// The digest and the number of all bytes.
    pub(crate) fn finish(self) -> (Digest, u64) {
        (Digest::from_bytes(self.hasher.finalize().into()), self.size)
    }

    fn count(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        if self.size > self.limit {
            let message = format!("it has more than {} bytes", self.limit);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        Ok(())
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count(&buffer[..read])?;
        Ok(read)
    }
}

impl<W: Write> Write for Metered<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count(&bytes[..written])?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
