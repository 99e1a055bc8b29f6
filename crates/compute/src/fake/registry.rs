//! A fake system's registry: trees in memory over a base of a few keys.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use porthole_protocol::supervisor::SiloUser;
use porthole_registry::hive::{HiveKind, MountedHive};
use porthole_registry::text::{self, Document};
use porthole_registry::{Key, Value, regf};
use porthole_wine::registry::{HostRoots, RegistryTexts};
use porthole_wine::{CachedRegistry, RegistryCache};

use crate::registry::{RegistryChanges, with_chain};

/// A registry; goes away with the script.
#[derive(Debug)]
pub(super) struct FakeRegistry {
    directory: PathBuf,
    base: CachedRegistry,
    now: Mutex<Roots>,
}

/// What the registry holds now.
#[derive(Debug, Default)]
struct Roots {
    machine: Key,
    user: Key,
    default_user: Key,
}

/// The base's hives: files of its layer, with a key of each.
const BASE: [(&str, &str); 6] = [
    (
        "Windows/System32/config/SYSTEM",
        r"ControlSet001\Services\Example",
    ),
    ("Windows/System32/config/SOFTWARE", r"Microsoft\Example"),
    ("Windows/System32/config/SAM", "SAM"),
    ("Windows/System32/config/SECURITY", "Policy"),
    ("Windows/System32/config/DEFAULT", "Environment"),
    ("Users/Default/NTUSER.DAT", "Environment"),
];

impl FakeRegistry {
    /// The registry of a container that was just made.
    pub(super) fn make() -> io::Result<Self> {
        static REGISTRIES: AtomicU32 = AtomicU32::new(0);
        let number = REGISTRIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("porthole-fake-registry-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let layer = directory.join("base");
        for (path, key) in BASE {
            let path = layer.join("Files").join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            let mut root = Key::default();
            root.create(key).set_value("Known", Value::string("old"));
            let hive = regf::Hive::new(key, root);
            std::fs::write(path, regf::write(&hive).map_err(io::Error::other)?)?;
        }
        let user = SiloUser::ContainerAdministrator;
        let base = with_chain(&[layer], None, user, |chain| {
            RegistryCache::new(&directory).prepare(chain)
        });
        let base = base.map_err(io::Error::other)?;
        let texts = RegistryTexts::read(base.directory()).map_err(io::Error::other)?;
        let texts = texts.ok_or(io::ErrorKind::NotFound)?;
        let tree = |text: &[u8]| text::read(text).map(|document| document.tree);
        let roots = || -> Result<Roots, text::TextError> {
            Ok(Roots {
                machine: tree(&texts.machine)?,
                user: tree(&texts.user)?,
                default_user: tree(&texts.default_user)?,
            })
        };
        Ok(Self {
            directory,
            base,
            now: Mutex::new(roots().map_err(io::Error::other)?),
        })
    }

    /// Changes a hive.
    pub(super) fn edit(&self, hive: MountedHive, edit: impl FnOnce(&mut Key)) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        edit(match hive {
            MountedHive::User => &mut now.user,
            MountedHive::Image(HiveKind::Default) => &mut now.default_user,
            MountedHive::Image(kind) => now.machine.create(kind.machine_key().unwrap_or_default()),
        });
    }

    /// What it has become.
    pub(super) fn changes(&self) -> porthole_wine::Result<RegistryChanges> {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let write = |root, tree: &Key| text::write(&Document::new(root, tree.clone()));
        let now = RegistryTexts {
            machine: write(text::MACHINE, &now.machine),
            user: write(text::USER, &now.user),
            default_user: write(text::DEFAULT_USER, &now.default_user),
        };
        self.base.changes(&now, &HostRoots::of([]))
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
