//! Wine's PE side as System32 and SysWOW64 hold it: stripped, with the data that it reads.

use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::cache::{self, Cache};
use crate::deb::{self, Content};
use crate::error::{IoContext, Result};
use crate::progress::Progress;
use crate::sources::{self, Sources};
use crate::{nls, patch, pe};

/// Raised when this module makes other files from the same packages.
const FORMAT: &str = "stage 5";

/// The locale of a silo, whose code pages become UTF-8: en-US.
const LOCALE: u32 = 0x0409;

const PROGRAMS_64: &str = "usr/lib/x86_64-linux-gnu/wine/x86_64-windows/";
const PROGRAMS_32: &str = "usr/lib/i386-linux-gnu/wine/i386-windows/";
const ZLIB_64: &str = "usr/x86_64-w64-mingw32/lib/zlib1.dll";
const ZLIB_32: &str = "usr/i686-w64-mingw32/lib/zlib1.dll";
const NLS: &str = "usr/share/wine/nls/";
const SETUP: &str = "usr/share/wine/wine.inf";
const FONTS: &str = "usr/share/wine/fonts/";

/// The staged files.
pub(crate) struct Stage {
    directory_64: PathBuf,
    directory_32: Option<PathBuf>,
    key: String,
}

impl Stage {
    /// Unpacks the packages of `sources` that have not been yet.
    pub(crate) fn prepare(
        cache: &Cache,
        sources: &Sources,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let [key_64, key_32] = keys(sources);
        let make_64 = || cache.result("wine64", &key_64, |path| stage_64(path, sources, progress));
        let make_32 = || cache.result("wine32", &key_32, |path| stage_32(path, sources, progress));
        let (directory_64, directory_32) = if sources.with_32_bit() {
            std::thread::scope(|scope| {
                let other = scope.spawn(make_32);
                let directory_64 = make_64();
                let directory_32 = other.join().expect("unpacking does not panic");
                Ok((directory_64?, Some(directory_32?)))
            })?
        } else {
            (make_64()?, None)
        };
        let key = if sources.with_32_bit() {
            format!("{key_64}{key_32}")
        } else {
            key_64
        };
        Ok(Self {
            directory_64,
            directory_32,
            key,
        })
    }

    /// Identifies what would be staged from `sources`.
    pub(crate) fn key_of(sources: &Sources) -> String {
        let [key_64, key_32] = keys(sources);
        if sources.with_32_bit() {
            format!("{key_64}{key_32}")
        } else {
            key_64
        }
    }

    /// Identifies what is staged.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// What System32 holds.
    pub(crate) fn system_64(&self) -> PathBuf {
        self.directory_64.join("system")
    }

    /// What SysWOW64 holds, where there is a 32-bit side.
    pub(crate) fn system_32(&self) -> Option<PathBuf> {
        self.directory_32
            .as_ref()
            .map(|directory| directory.join("system"))
    }

    /// The fonts.
    pub(crate) fn fonts(&self) -> PathBuf {
        self.directory_64.join("fonts")
    }

    /// What Wine's boot program sets a prefix up by.
    pub(crate) fn setup(&self) -> PathBuf {
        self.directory_64.join("wine.inf")
    }
}

/// The keys of the 64-bit and of the 32-bit side.
fn keys(sources: &Sources) -> [String; 2] {
    let digest = |name, architecture| sources.package(name, architecture).sha256.as_str();
    let common = [
        FORMAT,
        digest(sources::ZLIB, sources::AMD64),
        digest(sources::FONTS, sources::AMD64),
    ];
    [sources::AMD64, sources::I386].map(|architecture| {
        cache::key(
            common
                .into_iter()
                .chain([architecture, digest(sources::LIBWINE, architecture)]),
        )
    })
}

fn stage_64(directory: &Path, sources: &Sources, progress: &dyn Progress) -> Result<()> {
    let package = sources.package(sources::LIBWINE, sources::AMD64);
    progress.begin("unpacking Wine's 64-bit side", package.size);
    let system = make_directory(directory, "system")?;
    let fonts = make_directory(directory, "fonts")?;
    let place = |path: &str| -> Option<PathBuf> {
        if path == SETUP {
            return Some(directory.join("wine.inf"));
        }
        let name = path
            .strip_prefix(PROGRAMS_64)
            .or_else(|| path.strip_prefix(NLS))
            .or_else(|| zlib(path, ZLIB_64));
        let name = name.map(|name| system.join(name));
        name.or_else(|| path.strip_prefix(FONTS).map(|name| fonts.join(name)))
    };
    for name in [sources::LIBWINE, sources::ZLIB, sources::FONTS] {
        unpack(&sources.deb(name), &place)?;
    }
    progress.advance(package.size);
    Ok(())
}

fn stage_32(directory: &Path, sources: &Sources, progress: &dyn Progress) -> Result<()> {
    let package = sources.package(sources::LIBWINE, sources::I386);
    progress.begin("unpacking Wine's 32-bit side", package.size);
    let system = make_directory(directory, "system")?;
    let place = |path: &str| -> Option<PathBuf> {
        let name = path
            .strip_prefix(PROGRAMS_32)
            .or_else(|| zlib(path, ZLIB_32));
        name.map(|name| system.join(name))
    };
    unpack(&sources.deb_32_bit(sources::LIBWINE), &place)?;
    unpack(&sources.deb(sources::ZLIB), &place)?;
    progress.advance(package.size);
    Ok(())
}

fn zlib<'a>(path: &'a str, wanted: &str) -> Option<&'a str> {
    (path == wanted).then_some("zlib1.dll")
}

fn make_directory(parent: &Path, name: &str) -> Result<PathBuf> {
    let path = parent.join(name);
    fs::create_dir(&path).at("create directory", &path)?;
    Ok(path)
}

/// Writes the files that have a place to it, with the times that the package gives them.
fn unpack(deb: &Path, place: &dyn Fn(&str) -> Option<PathBuf>) -> Result<()> {
    let wanted = |path: &str| !path.ends_with('/') && place(path).is_some();
    deb::read(deb, wanted, |path, content, time| {
        if let (Content::File(bytes), Some(target)) = (content, place(path)) {
            let bytes = changed(path, bytes)?;
            write(&target, &pe::strip(path, &bytes)?, time)?;
        }
        Ok(ControlFlow::Continue(()))
    })
}

fn write(target: &Path, bytes: &[u8], time: u64) -> Result<()> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
    let mut file = File::create(target).at("write", target)?;
    file.write_all(bytes).at("write", target)?;
    file.set_times(FileTimes::new().set_modified(time).set_accessed(time))
        .at("set time of", target)
}

/// What is changed in Wine's files beside debug data.
fn changed(path: &str, bytes: Vec<u8>) -> Result<Vec<u8>> {
    if path == format!("{NLS}locale.nls") {
        return nls::set_utf8(bytes, LOCALE);
    }
    if path == format!("{PROGRAMS_64}ntdll.dll") {
        return patch::clear_less_stack(bytes);
    }
    for (directory, is_64_bit) in [(PROGRAMS_64, true), (PROGRAMS_32, false)] {
        if path == format!("{directory}kernelbase.dll") {
            return patch::exit_by_control_event(bytes, is_64_bit);
        }
        if path == format!("{directory}crypt32.dll") {
            return patch::keep_other_roots(bytes, is_64_bit);
        }
    }
    Ok(bytes)
}
