//! A running process, seen from the supervisor's side of its streams.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use porthole_protocol::agent::ProcessKey;

use crate::PATIENCE;

/// A running process with the supervisor's ends of its streams.
#[derive(Debug)]
pub struct Process {
    /// Its key.
    pub key: ProcessKey,
    /// Its Windows process ID.
    pub pid: u32,
    /// Towards it; closed by `None`.
    pub stdin: Option<File>,
    pub(crate) stdout: Output,
    pub(crate) stderr: Option<Output>,
}

/// What arrives on a stream, while it arrives.
#[derive(Debug)]
pub(crate) struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    begin: Sender<()>,
    reader: JoinHandle<()>,
}

impl Output {
    /// What arrives on `file`, to be read once [`Output::read`] says so.
    pub(crate) fn of(mut file: File) -> Self {
        let (begin, begun) = channel();
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            // Its other end is dropped together with whatever waits for the bytes.
            let _ = begun.recv();
            let mut piece = [0; 64 << 10];
            while let Ok(count @ 1..) = file.read(&mut piece) {
                if let Ok(mut bytes) = shared.lock() {
                    bytes.extend_from_slice(&piece[..count]);
                }
            }
        });
        Self {
            bytes,
            begin,
            reader,
        }
    }

    /// Reads from now on, until all writers are gone.
    pub(crate) fn read(&self) {
        // A reader that has ended needs no word.
        let _ = self.begin.send(());
    }

    fn now(&self) -> String {
        let bytes = self
            .bytes
            .lock()
            .map(|bytes| bytes.clone())
            .unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn all(self) -> Result<String> {
        let Self {
            bytes,
            begin,
            reader,
        } = self;
        drop(begin);
        ensure!(reader.join().is_ok(), "a reader panicked");
        let bytes = bytes.lock().map(|bytes| bytes.clone()).unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Process {
    /// Waits until the program has written `text` to its output.
    ///
    /// # Errors
    /// When it has not within some seconds.
    pub fn wait_for_output(&mut self, text: &str) -> Result<()> {
        let started = Instant::now();
        while !self.stdout.now().contains(text) {
            ensure!(
                started.elapsed() < PATIENCE,
                "no {text:?} in {:?}",
                self.stdout.now()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Reads output that was left alone.
    pub fn read(&self) {
        self.stdout.read();
    }

    /// What the program has written to its output so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.stdout.now()
    }

    /// Writes input.
    ///
    /// # Errors
    /// When the program has closed its input.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let stdin = self.stdin.as_mut().context("input is closed")?;
        stdin.write_all(bytes)?;
        Ok(())
    }
}
