//! Asks a wineserver for the version of its protocol.
//!
//! The number is nowhere in Wine's packages in readable form. The server sends it to every client
//! as the first thing: a descriptor, with the version where its handle would be.

use std::fs;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cache::Cache;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::throwaway::{self, Throwaway};

const PATIENCE: Duration = Duration::from_secs(20);

/// The protocol version of the wineserver in `kernel_root`.
pub(super) fn ask(kernel_root: &Path, cache: &Cache, system_directory: &Path) -> Result<u32> {
    let work = cache.temporary("protocol")?;
    let throwaway = Throwaway::new(kernel_root, &work, system_directory)?;
    let mut server = throwaway.start(&["/usr/lib/wine/wineserver64", "-f", "-p"])?;
    let answer = greet(&throwaway.path("tmp"));
    throwaway::stop(&mut server);
    fs::remove_dir_all(&work).at("delete working directory", &work)?;
    answer
}

fn greet(temporary: &Path) -> Result<u32> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(mut stream) = find_socket(temporary).and_then(|path| connect(&path)) {
            let mut version = [0; 4];
            let _ = stream.set_read_timeout(Some(PATIENCE));
            stream
                .read_exact(&mut version)
                .at("ask for protocol version", temporary)?;
            return Ok(u32::from_le_bytes(version));
        }
        if Instant::now() > deadline {
            let message = "wineserver did not open its socket";
            return Err(Error::new(
                ErrorKind::Wine,
                "ask for protocol version",
                "wineserver",
                message,
            ));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `<directory of the server's own naming>/server-<device>-<inode>/socket`.
fn find_socket(temporary: &Path) -> Option<PathBuf> {
    let children = |path: &Path| {
        fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    let mut servers =
        children(temporary).flat_map(|directory| children(&directory).collect::<Vec<_>>());
    servers.find_map(|server| Some(server.join("socket")).filter(|socket| socket.exists()))
}

/// Connects by way of the directory's descriptor, since a socket's path may only be short.
fn connect(socket: &Path) -> Option<UnixStream> {
    let directory = fs::File::open(socket.parent()?).ok()?;
    UnixStream::connect(format!("/proc/self/fd/{}/socket", directory.as_raw_fd())).ok()
}
