//! Where an archive goes that the daemon sends.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;

use crate::terminal::signals;
use crate::whole_file::WholeFile;

/// Where an archive goes.
pub(super) enum ArchiveOutput<'a> {
    /// Standard output.
    Standard,
    /// A file, which gets its name only once it is whole: images may hold secrets.
    File(&'a Path, WholeFile),
    /// What is written into and not replaced: a pipe, `/dev/null`.
    Device(&'a Path),
}

impl<'a> ArchiveOutput<'a> {
    /// Looks at where it is to go before the daemon is asked.
    pub(super) fn open(path: Option<&'a Path>) -> Result<Self> {
        let Some(path) = path else {
            if io::stdout().is_terminal() {
                bail!("an archive is nothing for a terminal: redirect it, or name a file with -o");
            }
            return Ok(Self::Standard);
        };
        let failed = || format!("cannot write {}", path.display());
        let kind = match fs::metadata(path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self::File(
                    path,
                    WholeFile::begin(path).with_context(failed)?,
                ));
            }
            Err(error) => return Err(error).with_context(failed),
        };
        if kind.is_file() {
            Ok(Self::File(
                path,
                WholeFile::begin(path).with_context(failed)?,
            ))
        } else if kind.is_char_device() || kind.is_fifo() {
            Ok(Self::Device(path))
        } else if kind.is_dir() {
            bail!("cannot write {}: it is a directory", path.display())
        } else {
            bail!("cannot write {}: it is no regular file", path.display())
        }
    }

    /// Writes what the daemon answers.
    pub(super) async fn take(self, answer: Response<Incoming>) -> Result<ExitCode> {
        match self {
            Self::Standard => copy(answer, &mut io::stdout().lock()).await?,
            Self::File(path, mut file) => {
                // Gigabytes under another name are not left behind.
                let end = signals::end()?;
                tokio::select! {
                    copied = copy(answer, file.file()) => copied?,
                    end = end => return Err(end),
                }
                let failed = || format!("cannot write {}", path.display());
                file.finish().with_context(failed)?;
            }
            Self::Device(path) => {
                let file = File::options().write(true).open(path);
                let mut file = file.with_context(|| format!("cannot open {}", path.display()))?;
                copy(answer, &mut file).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn copy(answer: Response<Incoming>, output: &mut impl Write) -> Result<()> {
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the daemon's answer broke off")?;
        if let Ok(data) = frame.into_data() {
            output.write_all(&data)?;
        }
    }
    Ok(output.flush()?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_regular_files_are_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let of = |name: &str| directory.path().join(name);
        let (new, file, socket) = (of("new"), of("file"), of("socket"));
        fs::write(&file, "before").expect("a file");
        let _listener = UnixListener::bind(&socket).expect("a socket");
        for path in [&new, &file] {
            let output = ArchiveOutput::open(Some(path)).expect("may be written");
            assert!(matches!(output, ArchiveOutput::File(..)));
        }
        assert!(!new.exists() && fs::read(&file).expect("there") == b"before");
        let null = ArchiveOutput::open(Some(Path::new("/dev/null"))).expect("may be written");
        assert!(matches!(null, ArchiveOutput::Device(_)));
        for path in [directory.path(), &socket] {
            assert!(ArchiveOutput::open(Some(path)).is_err());
        }
    }
}
