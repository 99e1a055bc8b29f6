//! Builds a base: packages, kernel package, files and registry, image.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use porthole_registry::FileTime;
use porthole_store::{ImageId, Store};
use porthole_wine::KernelPackage;

use crate::cache::{self, Cache};
use crate::digest;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::image::{self, Description};
use crate::image_list::{self, ImageList};
use crate::kernel;
use crate::layout::{self, Layout};
use crate::manifest::Manifest;
use crate::options::{BaseKind, BuildOptions};
use crate::prefix::Prefix;
use crate::progress::Progress;
use crate::sources::{Origin, Sources};
use crate::stage::Stage;
use crate::template;

/// Raised when the same packages and lists make another image.
const FORMAT: &str = "base 5";

/// The program without which a container cannot start.
const GUEST_AGENT: &str = "cexecsvc.exe";

/// What was built, or was there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildReport {
    /// Which base.
    pub kind: BaseKind,
    /// Its image.
    pub image: ImageId,
    /// Whether it was built now.
    pub is_new: bool,
    /// The kernel package that is current now.
    pub kernel: String,
    /// The Wine build of both.
    pub wine_build: String,
    /// Bytes of the image's files, each counted once.
    pub unpacked: u64,
    /// Bytes of its compressed archive; 0 when it was there already and has none.
    pub compressed: u64,
}

/// Builds a base in the store, or finds that it is there: then no file is written and no network
/// used.
///
/// A build that fails or is stopped leaves no image behind; run again, it goes on after the last
/// step that was complete.
///
/// # Errors
/// [`ErrorKind::Mirror`] and [`ErrorKind::Untrusted`] for downloads, [`ErrorKind::NoSpace`],
/// [`ErrorKind::Busy`] when another build is under way, [`ErrorKind::Denied`] without root; each
/// has a remedy.
pub fn build(
    store: &Store,
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<BuildReport> {
    if !rustix::process::geteuid().is_root() {
        let message = "it makes namespaces and files that only root may make";
        return Err(Error::new(
            ErrorKind::Denied,
            "build",
            options.kind.repository(),
            message,
        ));
    }
    let cache = Cache::open(&store.root().base_cache())?;
    let origin = Origin {
        mirror: options.mirror.clone(),
        refresh: options.refresh,
    };
    let with_32_bit = options.kind == BaseKind::Servercore;
    let sources = Sources::resolve(&cache, &origin, with_32_bit, progress)?;
    let programs = guest_programs(options)?;
    let inputs = inputs(options, &sources, &programs)?;
    let kernels = store.root().kernels();
    if let (Ok(kernel), Some(report)) = (
        KernelPackage::open(&kernels, &kernel::id(&sources)),
        find(store, options.kind, &inputs)?,
    ) {
        kernel::make_current(&kernels, &kernel.description().id)?;
        return Ok(BuildReport {
            kernel: kernel.description().id.clone(),
            wine_build: kernel.build().to_string(),
            ..report
        });
    }
    sources.fetch(progress)?;
    let stage = Stage::prepare(&cache, &sources, progress)?;
    let kernel = kernel::install(&kernels, &cache, &sources, &stage.system_64(), progress)?;
    let prefix = Prefix::prepare(
        &cache,
        &kernel.root(),
        &kernel.description().id,
        &stage,
        progress,
    )?;
    Builder {
        store,
        options,
        sources: &sources,
        stage: &stage,
        kernel: &kernel,
        prefix: &prefix,
        progress,
    }
    .run(&programs, &inputs)
}

/// The image of that base that was made from `inputs`, if the store has it.
fn find(store: &Store, kind: BaseKind, inputs: &str) -> Result<Option<BuildReport>> {
    let image = match store.find_image(&image::reference(kind).to_string()) {
        Err(error) if error.is_not_found() => return Ok(None),
        image => image.map_err(|error| image::from_store("look up", kind, error))?,
    };
    let is_same = image
        .config
        .config
        .labels
        .get(image::INPUTS_LABEL)
        .is_some_and(|label| label == inputs);
    let blob = image.layers.first().and_then(|layer| layer.blob);
    let compressed = blob
        .and_then(|blob| fs::metadata(store.root().blob(blob)).ok())
        .map_or(0, |blob| blob.len());
    Ok(is_same.then(|| BuildReport {
        kind,
        image: image.id,
        is_new: false,
        kernel: String::new(),
        wine_build: String::new(),
        unpacked: image.size(),
        compressed,
    }))
}

/// The PE files to add, by name.
fn guest_programs(options: &BuildOptions) -> Result<Vec<PathBuf>> {
    let directory = &options.guest_programs;
    let mut programs = Vec::new();
    for entry in fs::read_dir(directory).at("list guest programs in", directory)? {
        let path = entry.at("list guest programs in", directory)?.path();
        let is_program = path.extension().is_some_and(|extension| {
            ["exe", "dll", "com"]
                .iter()
                .any(|known| extension.eq_ignore_ascii_case(known))
        });
        if is_program && path.is_file() {
            programs.push(path);
        }
    }
    programs.sort();
    if programs
        .iter()
        .any(|path| path.file_name().is_some_and(|name| name == GUEST_AGENT))
    {
        return Ok(programs);
    }
    let message = format!("there is no {GUEST_AGENT}, without which no container starts");
    Err(Error::new(
        ErrorKind::Io,
        "find guest programs in",
        directory.display().to_string(),
        message,
    ))
}

/// Identifies all that an image depends on.
fn inputs(options: &BuildOptions, sources: &Sources, programs: &[PathBuf]) -> Result<String> {
    let version = options.os_version.to_string();
    let mut parts = vec![
        FORMAT.to_owned(),
        options.kind.name().to_owned(),
        version,
        image_list::TEXT.to_owned(),
    ];
    parts.push(Stage::key_of(sources));
    parts.push(kernel::id(sources));
    for path in programs {
        parts.push(
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        );
        parts.push(digest::of_file(path).at("read", path)?);
    }
    Ok(cache::key(parts.iter().map(String::as_str)))
}

struct Builder<'a> {
    store: &'a Store,
    options: &'a BuildOptions,
    sources: &'a Sources,
    stage: &'a Stage,
    kernel: &'a KernelPackage,
    prefix: &'a Prefix,
    progress: &'a dyn Progress,
}

impl Builder<'_> {
    fn run(&self, programs: &[PathBuf], inputs: &str) -> Result<BuildReport> {
        let kind = self.options.kind;
        let staging = self
            .store
            .staging_directory()
            .map_err(|error| image::from_store("build", kind, error))?;
        let layer = staging.path().join("layer");
        let time = layout::base_time(self.stage)?;
        self.progress.begin("laying out drive C:", 0);
        let hives = template::hives(self.prefix, kind, &self.options.os_version, file_time(time))?;
        let list = ImageList::load();
        let layout = Layout {
            kind,
            stage: self.stage,
            prefix: self.prefix,
            list: &list,
            layer: &layer,
            time,
        };
        layout.build(&hives, programs, &self.licence())?;
        let manifest = Manifest::of(&layer, &["Files"], &mut |_| {})?;
        manifest.write(&layer)?;
        let description = Description {
            kind,
            os_version: &self.options.os_version,
            wine_build: self.kernel.build().to_string(),
            debian_version: self.sources.debian_version(),
            inputs,
            time,
        };
        let imported = image::import(
            self.store,
            &layer,
            manifest.size(),
            &description,
            self.progress,
        )?;
        self.note_sizes(imported.unpacked, imported.compressed);
        Ok(BuildReport {
            kind,
            image: imported.id,
            is_new: true,
            kernel: self.kernel.description().id.clone(),
            wine_build: description.wine_build,
            unpacked: imported.unpacked,
            compressed: imported.compressed,
        })
    }

    fn note_sizes(&self, unpacked: u64, compressed: u64) {
        let (most_unpacked, most_compressed) = self.options.kind.size_limits();
        if unpacked > most_unpacked || compressed > most_compressed {
            self.progress.note(&format!(
                "{} has {unpacked} bytes, {compressed} compressed: more than the promised {most_unpacked} and {most_compressed}",
                self.options.kind
            ));
        }
    }

    /// Wine's licence asks for a notice and for the source.
    fn licence(&self) -> String {
        format!(
            "The files in C:\\Windows are those of Wine {}, free software under the GNU Lesser General Public\r\n\
             License, version 2.1 or later, as packaged by Debian (version {}), without debug data; zlib1.dll is\r\n\
             zlib, under the zlib License. Their source is Debian's source package \"wine\" of that version\r\n\
             (and \"libz-mingw-w64\"). They come without any warranty. cexecsvc.exe and the tools beside it are part of\r\n\
             Porthole, under the Apache License, version 2.0.\r\n",
            self.sources.wine_version(),
            self.sources.debian_version()
        )
    }
}

fn file_time(time: SystemTime) -> FileTime {
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    FileTime::from_unix_seconds(seconds)
}
