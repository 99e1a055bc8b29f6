//! Killed at any moment, the store is as before or as after.
//!
//! The test program starts itself as the process to kill: [`worker`] imports, makes and removes
//! for as long as it lives.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{container, import, names};
use anyhow::{Context, Result, ensure};
use porthole_store::{CheckDepth, Store};

/// Says to [`worker`] where to work.
const ROOT: &str = "PORTHOLE_STORE_CRASH_ROOT";

const KILLS: u32 = 25;

/// Numbers that look random, from a seed that is printed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn worker() -> Result<()> {
    let Ok(root) = std::env::var(ROOT) else {
        return Ok(());
    };
    let (store, _) = Store::open(Path::new(&root))?;
    for round in 0_u64.. {
        let top = format!("top {}", round % 3);
        let image = import(&store, &["base", &top], "x")?;
        let id = format!("c{round}-{}", std::process::id());
        let directory = store.create_container(&container(&id, &id, image))?;
        std::fs::write(directory.upper().join("file"), "x")?;
        if round % 2 == 0 {
            store.remove_container(&id)?;
        }
        if round % 3 == 0 {
            store.remove_image(image)?;
        }
    }
    Ok(())
}

fn start(root: &Path) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["crash::worker", "--exact"])
        .env(ROOT, root)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command.spawn()?)
}

/// Records and files agree in both directions.
fn check(store: &Store, root: &Path) -> Result<()> {
    let images = store.images()?;
    let containers = store.containers()?;
    let mut layers: Vec<_> = images
        .iter()
        .flat_map(|image| &image.layers)
        .map(|layer| layer.id.to_string())
        .collect();
    for record in &containers {
        layers.extend(
            store
                .container_layers(&record.id)?
                .iter()
                .map(ToString::to_string),
        );
        ensure!(
            store.container_directory(&record.id).upper().is_dir(),
            "{}",
            record.id
        );
    }
    layers.sort();
    layers.dedup();
    ensure!(names(&store.root().layers()) == layers, "layers");
    for layer in images.iter().flat_map(|image| &image.layers) {
        ensure!(
            layer.directory.join("Files/Windows/layer.txt").is_file(),
            "{layer:?}"
        );
        store.verify_blob(layer.blob.context("a blob")?)?;
    }
    let mut blobs: Vec<_> = images
        .iter()
        .flat_map(|image| &image.layers)
        .filter_map(|layer| layer.blob)
        .map(|blob| blob.hex())
        .collect();
    blobs.sort();
    blobs.dedup();
    ensure!(names(&root.join("blobs/sha256")) == blobs, "blobs");
    let mut ids: Vec<_> = containers.into_iter().map(|record| record.id).collect();
    ids.sort();
    ensure!(names(&root.join("containers")) == ids, "containers");
    ensure!(names(&root.join("tmp")).is_empty(), "unfinished work");
    let problems = store.check(CheckDepth::Content)?;
    ensure!(problems.is_empty(), "{problems:?}");
    Ok(())
}

#[test]
fn survives_being_killed_at_any_moment() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let root = directory.path().join("data");
    let seed = u64::from(SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos()) | 1;
    println!("seed: {seed}");
    let mut numbers = Numbers(seed);
    let mut cleaned = 0;
    for kill in 0..KILLS {
        let mut child = start(&root)?;
        std::thread::sleep(Duration::from_micros(20_000 + numbers.below(60_000)));
        child.kill()?;
        child.wait()?;
        let (store, recovery) = Store::open(&root)?;
        cleaned += recovery.abandoned + recovery.orphans.len() + recovery.restored.len();
        ensure!(
            recovery.damaged.is_empty() && recovery.lost_containers.is_empty(),
            "{recovery:?}"
        );
        check(&store, &root).with_context(|| format!("seed {seed}, kill {kill}: {recovery:?}"))?;
    }
    println!("{KILLS} kills left {cleaned} things to clean up");
    Ok(())
}
