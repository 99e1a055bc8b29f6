//! A full file system: the error says so, and the store stays as it was.
//!
//! The test program starts itself in a mount namespace with a small file system; there
//! [`on_small_disk`] does the work.

use std::path::Path;
use std::process::Command;

use crate::support::{LIMIT, container, import, names};
use anyhow::{Result, ensure};
use porthole_store::{ErrorKind, Recovery, Store};

/// Says to [`on_small_disk`] where to work.
const ROOT: &str = "PORTHOLE_STORE_SMALL_DISK";

#[test]
fn on_small_disk() -> Result<()> {
    let Ok(root) = std::env::var(ROOT) else {
        return Ok(());
    };
    let root = Path::new(&root).join("data");
    let (store, _) = Store::open(&root)?;
    let image = import(&store, &["a"], "x")?;
    let before = names(&store.root().layers());

    let large = vec![7; usize::try_from(LIMIT)?];
    let mut blobs = Vec::new();
    let error = loop {
        match store
            .blob_writer(LIMIT)?
            .copy_from(&mut large.as_slice(), None)
        {
            Ok(blob) => blobs.push(blob),
            Err(error) => break error,
        }
    };
    ensure!(error.kind() == &ErrorKind::NoSpace, "{error}");
    // The rest of the disk, to the last byte.
    while std::fs::write(
        root.join(format!("filler{}", names(&root).len())),
        &large[..4096],
    )
    .is_ok()
    {}
    let error = import(&store, &["b"], "y").unwrap_err();
    let kind = error
        .downcast_ref::<porthole_store::Error>()
        .map(porthole_store::Error::kind);
    let full = error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::StorageFull)
    });
    ensure!(kind == Some(&ErrorKind::NoSpace) || full, "{error:?}");
    ensure!(store.create_container(&container("c", "c", image)).is_err());
    ensure!(
        names(&store.root().layers()) == before && names(&store.root().containers()).is_empty()
    );

    drop((blobs, store));
    let (store, recovery) = Store::open(&root)?;
    ensure!(
        Recovery {
            orphans: Vec::new(),
            ..recovery.clone()
        } == Recovery::default(),
        "{recovery:?}"
    );
    ensure!(store.images()?.len() == 1 && store.containers()?.is_empty());
    println!("the small disk was filled");
    Ok(())
}

#[test]
fn a_full_disk_leaves_the_store_as_it_was() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root to mount a small file system");
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let path = directory.path().display();
    let program = std::env::current_exe()?;
    let script = format!(
        "mount -t tmpfs -o size=4m none {path} && exec {} full_disk::on_small_disk --exact --nocapture",
        program.display()
    );
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .env(ROOT, directory.path())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && text.contains("the small disk was filled"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
