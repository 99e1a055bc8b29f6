//! Archives, directories and unions for the tests.

use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use porthole_layer::{Entry, EntryKind, FileTime, LayerPath, LayerReader, LayerWriter, Metadata};
use porthole_layers::{Limits, Unpacked, settle, unpack};
use porthole_oci::{ImageConfig, RootFs};
use porthole_store::Digest;

pub(crate) type Writer = LayerWriter<Vec<u8>>;

/// Some time with a part of 100 ns.
pub(crate) fn time(seconds: i64) -> FileTime {
    FileTime::from_unix(1_600_000_000 + seconds, 123_456_700)
}

pub(crate) fn path(text: &str) -> LayerPath {
    LayerPath::new(text).expect("a path of a layer")
}

/// An archive of what `fill` writes.
pub(crate) fn archive(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = LayerWriter::new(Vec::new());
    fill(&mut writer);
    writer.finish().expect("memory takes everything")
}

pub(crate) trait Fill {
    fn put(&mut self, path: &str, content: &str) -> &mut Self;
    fn put_with(&mut self, path: &str, metadata: &Metadata, content: &str) -> &mut Self;
    fn dir(&mut self, path: &str) -> &mut Self;
    fn gone(&mut self, path: &str) -> &mut Self;
    fn stream_of(&mut self, name: &str, content: &str) -> &mut Self;
    fn link(&mut self, path: &str, target: &str) -> &mut Self;
    fn hard(&mut self, path: &str, target: &str) -> &mut Self;
}

impl Fill for Writer {
    fn put(&mut self, path: &str, content: &str) -> &mut Self {
        self.put_with(path, &Metadata::file().at(time(0)), content)
    }

    fn put_with(&mut self, name: &str, metadata: &Metadata, content: &str) -> &mut Self {
        let size = content.len() as u64;
        self.file(&path(name), metadata, size, &mut content.as_bytes())
            .expect("memory takes everything");
        self
    }

    fn dir(&mut self, name: &str) -> &mut Self {
        self.directory(&path(name), &Metadata::directory().at(time(1)))
            .expect("memory takes everything");
        self
    }

    fn gone(&mut self, name: &str) -> &mut Self {
        self.whiteout(&path(name)).expect("memory takes everything");
        self
    }

    fn stream_of(&mut self, name: &str, content: &str) -> &mut Self {
        self.stream(name, content.len() as u64, &mut content.as_bytes())
            .expect("memory takes everything");
        self
    }

    fn link(&mut self, name: &str, target: &str) -> &mut Self {
        let mut metadata = Metadata::file().at(time(2));
        metadata.attributes = 0x400;
        self.symlink(&path(name), &metadata, target)
            .expect("memory takes everything");
        self
    }

    fn hard(&mut self, name: &str, target: &str) -> &mut Self {
        self.hard_link(&path(name), &path(target))
            .expect("memory takes everything");
        self
    }
}

/// An image's configuration with these layers.
pub(crate) fn config(diff_ids: &[Digest]) -> Vec<u8> {
    let config = ImageConfig {
        architecture: "amd64".to_owned(),
        os: "windows".to_owned(),
        rootfs: RootFs {
            diff_ids: diff_ids.to_vec(),
            ..RootFs::default()
        },
        ..ImageConfig::default()
    };
    serde_json::to_vec(&config).unwrap()
}

/// An entry of an archive that no writer would write: header and records as given.
pub(crate) fn raw(name: &str, kind: u8, link: &str, size: u64) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header.to_vec()
}

/// Layers on disk, the base first.
pub(crate) struct Layers {
    pub(crate) home: tempfile::TempDir,
    pub(crate) directories: Vec<PathBuf>,
}

impl Layers {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().expect("a directory"),
            directories: Vec::new(),
        }
    }

    /// Unpacks and settles one more layer.
    pub(crate) fn add(&mut self, archive: &[u8]) -> Result<Unpacked> {
        let directory = self.home.path().join(self.directories.len().to_string());
        std::fs::create_dir(&directory)?;
        let unpacked = unpack("test", archive, &directory, &Limits::default())?;
        settle("test", &directory, &unpacked.unsettled, &self.lowers())?;
        self.directories.push(directory);
        Ok(unpacked)
    }

    /// The layers, the nearest first.
    pub(crate) fn lowers(&self) -> Vec<&Path> {
        self.directories
            .iter()
            .rev()
            .map(PathBuf::as_path)
            .collect()
    }

    pub(crate) fn top(&self) -> &Path {
        self.directories.last().expect("a layer")
    }

    /// Mounts the union of `Files` of all layers under a new upper, as a silo does.
    pub(crate) fn mount(&self) -> Result<Union> {
        let sandbox = tempfile::tempdir()?;
        for name in ["upper", "work", "merged"] {
            std::fs::create_dir(sandbox.path().join(name))?;
        }
        let lowers: Vec<String> = self
            .lowers()
            .iter()
            .map(|layer| layer.join("Files").display().to_string())
            .collect();
        let at = |name: &str| sandbox.path().join(name).display().to_string();
        let options = format!(
            "redirect_dir=nofollow,metacopy=off,index=off,lowerdir={},upperdir={},workdir={}",
            lowers.join(":"),
            at("upper"),
            at("work")
        );
        let options = std::ffi::CString::new(options)?;
        let merged = sandbox.path().join("merged");
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount(
            "overlay",
            &merged,
            "overlay",
            flags,
            Some(options.as_c_str()),
        )
        .context("mount an overlay")?;
        Ok(Union { sandbox })
    }
}

/// A mounted union.
pub(crate) struct Union {
    sandbox: tempfile::TempDir,
}

impl Union {
    pub(crate) fn root(&self) -> PathBuf {
        self.sandbox.path().join("merged")
    }

    pub(crate) fn upper(&self) -> PathBuf {
        self.sandbox.path().join("upper")
    }

    /// All paths with what is there: `/` for a directory, content of a file, `-> text` of a link.
    pub(crate) fn listing(&self) -> Result<Vec<String>> {
        listing(&self.root())
    }
}

impl Drop for Union {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.root(), rustix::mount::UnmountFlags::DETACH);
    }
}

/// See [`Union::listing`]; whiteouts are `!`.
pub(crate) fn listing(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    list_into(root, "", &mut found)?;
    found.sort();
    Ok(found)
}

fn list_into(directory: &Path, prefix: &str, found: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let metadata = entry.path().symlink_metadata()?;
        if metadata.is_dir() {
            found.push(format!("{name}/"));
            list_into(&entry.path(), &format!("{name}/"), found)?;
        } else if metadata.is_symlink() {
            found.push(format!(
                "{name} -> {}",
                std::fs::read_link(entry.path())?.display()
            ));
        } else if metadata.file_type().is_char_device() && metadata.rdev() == 0 {
            found.push(format!("{name} !"));
        } else {
            found.push(format!(
                "{name} = {}",
                std::fs::read_to_string(entry.path())?
            ));
        }
    }
    Ok(())
}

/// All entries of an archive with their contents.
pub(crate) fn entries(archive: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>> {
    let mut reader = LayerReader::new(archive);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut content = Vec::new();
        if matches!(
            entry.kind,
            EntryKind::File { .. } | EntryKind::Stream { .. }
        ) {
            reader.read_to_end(&mut content)?;
        }
        entries.push((entry, content));
    }
    Ok(entries)
}

/// What an archive holds, in short.
pub(crate) fn summary(archive: &[u8]) -> Result<Vec<String>> {
    let all = entries(archive)?;
    Ok(all
        .iter()
        .map(|(entry, content)| {
            let content = String::from_utf8_lossy(content);
            match &entry.kind {
                EntryKind::Directory => format!("{}/", entry.path),
                EntryKind::File { .. } => format!("{} = {content}", entry.path),
                EntryKind::Stream { name, .. } => format!("{}:{name} = {content}", entry.path),
                EntryKind::Symlink { target } => format!("{} -> {target}", entry.path),
                EntryKind::Junction { target } => format!("{} => {target}", entry.path),
                EntryKind::HardLink { target } => format!("{} == {target}", entry.path),
                EntryKind::Whiteout => format!("{} !", entry.path),
                EntryKind::Opaque => format!("{} !!", entry.path),
                _ => format!("{} ?", entry.path),
            }
        })
        .collect())
}

/// Whether this process may do what the tests need; says so if not.
pub(crate) fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("skipped: needs root");
    }
    is_root
}

/// Fails unless a directory holds exactly this.
pub(crate) fn holds(root: &Path, expected: &[&str]) -> Result<()> {
    let found = listing(root)?;
    ensure!(found == expected, "{found:#?}");
    Ok(())
}
