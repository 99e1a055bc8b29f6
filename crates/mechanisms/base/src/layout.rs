//! Lays a base's C: drive out: Windows' directories and spelling, each file stored once.

use std::fs::{self, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::{IoContext, Result};
use crate::image_list::ImageList;
use crate::options::BaseKind;
use crate::prefix::{FileCopy, Prefix};
use crate::stage::Stage;
use crate::template::HiveFile;

/// Directories that every installation of Windows has.
const DIRECTORIES: [&str; 22] = [
    "Program Files/Common Files",
    "ProgramData/Microsoft/Windows",
    "Users/Default/AppData/Local/Temp",
    "Users/Default/AppData/LocalLow",
    "Users/Default/AppData/Roaming/Microsoft",
    "Users/Public/Desktop",
    "Users/Public/Documents",
    "Users/Public/Downloads",
    "Windows/Fonts",
    "Windows/Globalization/Sorting",
    "Windows/INF",
    "Windows/Logs",
    "Windows/System32/config",
    "Windows/System32/drivers/etc",
    "Windows/System32/LogFiles",
    "Windows/System32/spool/drivers/color",
    "Windows/System32/spool/printers",
    "Windows/System32/Tasks",
    "Windows/System32/wbem",
    "Windows/Temp",
    "Windows/WinSxS/Manifests",
    "inetpub",
];

/// What each account's profile has.
const PROFILE: [&str; 6] = [
    "AppData/Local/Temp",
    "AppData/LocalLow",
    "AppData/Roaming/Microsoft",
    "Desktop",
    "Documents",
    "Downloads",
];

const ACCOUNTS: [&str; 2] = ["ContainerAdministrator", "ContainerUser"];

/// How Windows spells names that Wine's boot program writes in lower case.
const SPELLINGS: [(&str, &str); 15] = [
    ("windows", "Windows"),
    ("system32", "System32"),
    ("syswow64", "SysWOW64"),
    ("users", "Users"),
    ("winsxs", "WinSxS"),
    ("manifests", "Manifests"),
    ("inf", "INF"),
    ("logs", "Logs"),
    ("help", "Help"),
    ("resources", "Resources"),
    ("globalization", "Globalization"),
    ("sorting", "Sorting"),
    ("driverstore", "DriverStore"),
    ("filerepository", "FileRepository"),
    ("tasks", "Tasks"),
];

/// Every first process of a silo asks for Wine's boot program.
const BOOT_PROGRAM: &str = "Windows/System32/wineboot.exe";

/// A file that is refused as a program before a process is made for it, which spares each container
/// some 9 ms. The guest agent does what the boot program would.
fn boot_program() -> Vec<u8> {
    let mut bytes = b"MZ".to_vec();
    bytes.resize(64, 0);
    bytes
}

/// Lays a base out.
pub(crate) struct Layout<'a> {
    pub(crate) kind: BaseKind,
    pub(crate) stage: &'a Stage,
    pub(crate) prefix: &'a Prefix,
    pub(crate) list: &'a ImageList,
    /// The layer's directory.
    pub(crate) layer: &'a Path,
    /// The time of all that is made here.
    pub(crate) time: SystemTime,
}

impl Layout<'_> {
    /// Makes the layer's `Files`, with the given hives, programs and licence notice.
    pub(crate) fn build(
        &self,
        hives: &[HiveFile],
        programs: &[PathBuf],
        licence: &str,
    ) -> Result<()> {
        let system = match self.kind {
            BaseKind::Nanoserver => self.nanoserver()?,
            BaseKind::Servercore => self.servercore()?,
        };
        for path in DIRECTORIES {
            self.directory(path)?;
        }
        for (account, directory) in ACCOUNTS
            .iter()
            .flat_map(|account| PROFILE.map(|path| (account, path)))
        {
            self.directory(&format!("Users/{account}/{directory}"))?;
        }
        for program in programs {
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            // One of Wine's with that name is another file, which its stage keeps.
            let target = system.join(name.as_ref());
            let _ = fs::remove_file(&target);
            fs::copy(program, &target).at("copy program", program)?;
            self.set_time(&target)?;
        }
        self.write(BOOT_PROGRAM, &boot_program())?;
        self.write("License.txt", licence.as_bytes())?;
        for (path, bytes) in hives {
            self.write(path.strip_prefix("Files/").unwrap_or(path), bytes)?;
        }
        self.set_directory_times(&self.layer.join("Files"))
    }

    /// The listed programs, with drivers where Windows has them.
    fn nanoserver(&self) -> Result<PathBuf> {
        let source = self.stage.system_64();
        let system = self.directory("Windows/System32")?;
        let listed = self.list.nanoserver(&source)?;
        let data = names_in(&source)?
            .into_iter()
            .filter(|name| name.ends_with(".nls"));
        for name in listed.iter().cloned().chain(data) {
            link(&source.join(&name), &system.join(&name))?;
        }
        let drivers = self.directory("Windows/System32/drivers")?;
        for name in listed.iter().filter(|name| name.ends_with(".sys")) {
            link(&source.join(name), &drivers.join(name))?;
        }
        // Programs name assemblies in their manifests that they do not start without.
        self.copy_files("windows/winsxs/manifests", &|name| {
            name.starts_with("amd64_")
        })?;
        self.copy_files("windows/system32/drivers/etc", &|_| true)?;
        Ok(system)
    }

    /// All that is not left out.
    fn servercore(&self) -> Result<PathBuf> {
        let system = self.directory("Windows/System32")?;
        self.link_system(&self.stage.system_64(), &system)?;
        if let Some(source) = self.stage.system_32() {
            let system_32 = self.directory("Windows/SysWOW64")?;
            self.link_system(&source, &system_32)?;
        }
        let fonts = self.directory("Windows/Fonts")?;
        for name in names_in(&self.stage.fonts())? {
            link(&self.stage.fonts().join(&name), &fonts.join(&name))?;
        }
        for copy in self.prefix.copies() {
            self.link_copy(copy)?;
        }
        self.copy_files("", &|name| !self.list.is_absent(name))?;
        Ok(system)
    }

    fn link_system(&self, source: &Path, target: &Path) -> Result<()> {
        for name in names_in(source)?
            .iter()
            .filter(|name| !self.list.is_absent(name))
        {
            link(&source.join(name), &target.join(name))?;
        }
        Ok(())
    }

    /// A file that Wine's boot program copied: in this layer another name of the staged one.
    fn link_copy(&self, copy: &FileCopy) -> Result<()> {
        let system = if copy.is_32_bit {
            self.stage.system_32()
        } else {
            Some(self.stage.system_64())
        };
        let (Some(system), false) = (system, self.list.is_absent(&copy.name)) else {
            return Ok(());
        };
        let target = self.layer.join("Files").join(spell(&copy.path));
        if target.exists() {
            return Ok(());
        }
        fs::create_dir_all(target.parent().unwrap_or(self.layer))
            .at("create directory", &target)?;
        link(&system.join(&copy.name), &target)
    }

    /// Copies the files below `directory` of those that the boot program wrote itself, but for
    /// profiles, which are laid out here.
    fn copy_files(&self, directory: &str, wanted: &dyn Fn(&str) -> bool) -> Result<()> {
        let source = self.prefix.files().join(directory);
        if directory == "users" || !source.exists() {
            return Ok(());
        }
        for name in names_in(&source)? {
            let path = if directory.is_empty() {
                name.clone()
            } else {
                format!("{directory}/{name}")
            };
            let full = source.join(&name);
            if full.is_dir() {
                self.copy_files(&path, wanted)?;
            } else if wanted(&name) {
                let bytes = fs::read(&full).at("read", &full)?;
                self.write(&spell(&path), &bytes)?;
            }
        }
        Ok(())
    }

    fn directory(&self, path: &str) -> Result<PathBuf> {
        let path = self.layer.join("Files").join(path);
        fs::create_dir_all(&path).at("create directory", &path)?;
        Ok(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = self.layer.join("Files").join(path);
        fs::create_dir_all(path.parent().unwrap_or(self.layer)).at("create directory", &path)?;
        fs::write(&path, bytes).at("write", &path)?;
        self.set_time(&path)
    }

    fn set_time(&self, path: &Path) -> Result<()> {
        let times = FileTimes::new()
            .set_modified(self.time)
            .set_accessed(self.time);
        fs::File::open(path)
            .and_then(|file| file.set_times(times))
            .at("set time of", path)
    }

    fn set_directory_times(&self, directory: &Path) -> Result<()> {
        for entry in fs::read_dir(directory).at("list", directory)? {
            let entry = entry.at("list", directory)?;
            if entry.file_type().at("look at", entry.path())?.is_dir() {
                self.set_directory_times(&entry.path())?;
            }
        }
        self.set_time(directory)
    }
}

/// The time that Debian's package gives a file; the whole base takes that of `ntdll.dll`.
pub(crate) fn base_time(stage: &Stage) -> Result<SystemTime> {
    let path = stage.system_64().join("ntdll.dll");
    let modified = fs::metadata(&path)
        .and_then(|metadata| metadata.modified())
        .at("look at", &path)?;
    let seconds = modified
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The path as Windows spells it.
fn spell(path: &str) -> String {
    let spell_part = |part: &str| {
        let known = SPELLINGS.iter().find(|(lower, _)| *lower == part);
        known.map_or_else(|| part.to_owned(), |(_, spelled)| (*spelled).to_owned())
    };
    path.split('/')
        .map(spell_part)
        .collect::<Vec<_>>()
        .join("/")
}

fn names_in(directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory).at("list", directory)?;
    let names: Result<Vec<_>> = entries
        .map(|entry| {
            Ok(entry
                .at("list", directory)?
                .file_name()
                .to_string_lossy()
                .into_owned())
        })
        .collect();
    let mut names = names?;
    names.sort();
    Ok(names)
}

fn link(source: &Path, target: &Path) -> Result<()> {
    fs::hard_link(source, target).at("link", target)
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_spelled_as_in_windows() {
        assert_eq!(
            super::spell("windows/system32/drivers/etc/hosts"),
            "Windows/System32/drivers/etc/hosts"
        );
        assert_eq!(super::spell("Program Files/x"), "Program Files/x");
    }
}
