//! Reading a file of a layer, whose content and links are not trusted.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, IoContext, Result};

/// The largest hive that is read, in bytes.
const MAX_SIZE: u64 = 256 << 20;

/// Reads `path`, relative to the layer's directory; nothing when there is no such file. No
/// symbolic link is followed.
pub(super) fn read(layer: &Path, path: &str) -> Result<Option<Vec<u8>>> {
    let full = layer.join(path);
    let directory: OwnedFd = openat(
        CWD,
        layer,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .at("open layer", layer)?;
    let opened = openat2(
        &directory,
        path,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    );
    let file = match opened {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        opened => File::from(opened.at("open hive", &full)?),
    };
    let metadata = file.metadata().at("look at hive", &full)?;
    if !metadata.is_file() || metadata.len() > MAX_SIZE {
        let message = format!("not a file of at most {MAX_SIZE} bytes");
        return Err(Error::new(
            ErrorKind::Malformed,
            "open hive",
            &full,
            message,
        ));
    }
    let mut bytes = Vec::new();
    file.take(MAX_SIZE)
        .read_to_end(&mut bytes)
        .at("read hive", &full)?;
    Ok(Some(bytes))
}
