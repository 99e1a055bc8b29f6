//! Runs Wine's boot program once, for the registry and the files that it makes.
//!
//! It runs in a prefix that is thrown away. What is kept: the registry as text, the files that are
//! no copies of staged ones, and for the copies (WinSxS, stubs in Program Files) of which.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cache::{self, Cache};
use crate::error::{Error, IoContext, Result};
use crate::progress::Progress;
use crate::stage::Stage;
use crate::throwaway::{self, FOREIGN_MODULE, Throwaway};

/// Raised when this module keeps something else.
const FORMAT: &str = "prefix 1";

const LOADER: &str = "/usr/lib/wine/wine64";
/// What the boot program finds as the user's registry, so that it looks for no display.
const NO_DISPLAY: &str = "WINE REGISTRY Version 2\n;; All keys relative to REGISTRY\\\\User\\\\S-1-5-21-0-0-0-1000\n\n\
                          #arch=win64\n\n[Software\\\\Wine\\\\Drivers]\n\"Graphics\"=\"null\"\n";

const PATIENCE: Duration = Duration::from_secs(240);
const REGISTRY: [&str; 3] = ["system.reg", "user.reg", "userdef.reg"];
const COPIES: &str = "copies.json";

/// What the boot program made.
pub(crate) struct Prefix {
    directory: PathBuf,
    copies: Vec<FileCopy>,
}

/// A file that is a copy of a staged one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileCopy {
    /// Relative to C:, spelled as the boot program does.
    pub(crate) path: String,
    /// The staged file's name.
    pub(crate) name: String,
    /// Whether that is in the 32-bit stage.
    pub(crate) is_32_bit: bool,
}

impl Prefix {
    /// Boots a prefix of `stage`, unless that has been done.
    pub(crate) fn prepare(
        cache: &Cache,
        kernel_root: &Path,
        kernel_id: &str,
        stage: &Stage,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let key = cache::key([FORMAT, kernel_id, stage.key()]);
        let directory = cache.result("prefix", &key, |directory| {
            progress.begin("making the registry", 0);
            let work = cache.temporary("boot")?;
            boot(&work, kernel_root, stage)?;
            keep(&work.join("prefix"), directory, stage)?;
            fs::remove_dir_all(&work).at("delete working directory", &work)
        })?;
        let path = directory.join(COPIES);
        let text = fs::read(&path).at("read", &path)?;
        let copies = serde_json::from_slice(&text).map_err(|error| {
            Error::malformed("read", path.display().to_string(), "not a list of copies")
                .with_source(error)
        })?;
        Ok(Self { directory, copies })
    }

    /// The registry text `name`.
    pub(crate) fn registry(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.directory.join(name);
        fs::read(&path).at("read registry", &path)
    }

    /// The files that are no copies, relative to C:.
    pub(crate) fn files(&self) -> PathBuf {
        self.directory.join("files")
    }

    /// The files that are.
    pub(crate) fn copies(&self) -> &[FileCopy] {
        &self.copies
    }
}

fn boot(work: &Path, kernel_root: &Path, stage: &Stage) -> Result<()> {
    let throwaway = Throwaway::new(kernel_root, work, &stage.system_64())?;
    let setup = throwaway.path("share/wine.inf");
    fs::hard_link(stage.setup(), &setup).at("link", &setup)?;
    give_foreign_module(&throwaway, &stage.system_64(), "system32")?;
    if let Some(system) = stage.system_32() {
        throwaway::link_files(&system, &throwaway.path("c/Windows/SysWOW64"))?;
        give_foreign_module(&throwaway, &system, "syswow64")?;
    }
    let user = throwaway.path("prefix/user.reg");
    fs::write(&user, NO_DISPLAY).at("write", &user)?;
    throwaway.run(&[LOADER, "wineboot.exe", "--init"], PATIENCE)?;
    let missing = REGISTRY
        .iter()
        .find(|name| !throwaway.path("prefix").join(name).exists());
    missing.map_or(Ok(()), |name| {
        Err(throwaway.failure("wineboot.exe", &format!("it left no {name}")))
    })
}

/// Wine's modules link it, so it must be in the prefix before they are loaded.
fn give_foreign_module(throwaway: &Throwaway, system: &Path, directory: &str) -> Result<()> {
    let directory = throwaway.path("prefix/drive_c/windows").join(directory);
    fs::create_dir_all(&directory).at("create directory", &directory)?;
    let target = directory.join(FOREIGN_MODULE);
    fs::copy(system.join(FOREIGN_MODULE), &target)
        .at("copy", &target)
        .map(drop)
}

fn keep(prefix: &Path, directory: &Path, stage: &Stage) -> Result<()> {
    for name in REGISTRY {
        fs::copy(prefix.join(name), directory.join(name)).at("keep registry", prefix.join(name))?;
    }
    let mut keeper = Keeper {
        root: prefix.join("drive_c"),
        files: directory.join("files"),
        stage,
        copies: Vec::new(),
    };
    keeper.walk("")?;
    keeper
        .copies
        .sort_by(|one, other| one.path.cmp(&other.path));
    let path = directory.join(COPIES);
    let text = serde_json::to_vec(&keeper.copies).expect("a list of copies is plain data");
    fs::write(&path, text).at("write", &path)
}

struct Keeper<'a> {
    root: PathBuf,
    files: PathBuf,
    stage: &'a Stage,
    copies: Vec<FileCopy>,
}

impl Keeper<'_> {
    fn walk(&mut self, path: &str) -> Result<()> {
        let full = self.root.join(path);
        let kept = self.files.join(path);
        fs::create_dir_all(&kept).at("create directory", &kept)?;
        for entry in fs::read_dir(&full).at("list", &full)? {
            let entry = entry.at("list", &full)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let child = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}/{name}")
            };
            let kind = entry.file_type().at("look at", entry.path())?;
            if kind.is_dir() {
                self.walk(&child)?;
            } else if kind.is_file() {
                self.keep_file(&child, &name)?;
            }
        }
        Ok(())
    }

    fn keep_file(&mut self, path: &str, name: &str) -> Result<()> {
        let full = self.root.join(path);
        let content = fs::read(&full).at("read", &full)?;
        for (system, is_32_bit) in [
            (Some(self.stage.system_64()), false),
            (self.stage.system_32(), true),
        ] {
            let staged = system.and_then(|system| fs::read(system.join(name)).ok());
            if staged.is_some_and(|staged| staged == content) {
                self.copies.push(FileCopy {
                    path: path.to_owned(),
                    name: name.to_owned(),
                    is_32_bit,
                });
                return Ok(());
            }
        }
        let kept = self.files.join(path);
        fs::write(&kept, content).at("write", &kept)
    }
}
