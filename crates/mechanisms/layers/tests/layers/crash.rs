//! Killed while layers are taken in, the store holds whole ones or nothing.
//!
//! The test program starts itself as the process to kill: [`worker`] takes in, imports, commits and
//! removes for as long as it lives.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use porthole_layers::{Expected, Limits, take_in};
use porthole_store::{CheckDepth, ImageImport, Store};

use crate::support::{Fill, archive, config, is_root};

/// Says to [`worker`] where to work.
const ROOT: &str = "PORTHOLE_LAYERS_CRASH_ROOT";

const KILLS: u32 = 15;

const ANY: Expected = Expected {
    blob: None,
    diff_id: None,
    most_bytes: 1 << 30,
};

#[test]
fn worker() -> Result<()> {
    let Ok(root) = std::env::var(ROOT) else {
        return Ok(());
    };
    let (store, _) = Store::open(Path::new(&root))?;
    let base = archive(|layer| {
        for number in 0..50 {
            layer.put(&format!("Files/base/{number}"), &"content ".repeat(1000));
        }
    });
    for round in 0_u64.. {
        let top = archive(|layer| {
            layer.put("Files/Base/1", &format!("top {}", round % 3));
            layer
                .gone("Files/base/2")
                .hard("Files/link", "Files/base/3");
        });
        let limits = Limits::default();
        let below = take_in(&store, "base", base.as_slice(), &ANY, &limits)?;
        let above = take_in(&store, "top", top.as_slice(), &ANY, &limits)?;
        below.settle(&[])?;
        above.settle(&[&below.directory()])?;
        let config = config(&[below.diff_id(), above.diff_id()]);
        let ((below, _first), (above, _second)) = (below.into_import(), above.into_import());
        let image = store.import_image(&ImageImport::new(config, vec![below, above]))?;
        if round % 2 == 0 {
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

#[test]
fn survives_being_killed_at_any_moment() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let root = directory.path().join("data");
    let seed = u64::from(SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos()) | 1;
    println!("seed: {seed}");
    let mut state = seed;
    let mut images = 0;
    for kill in 0..KILLS {
        let mut child = start(&root)?;
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Later and later, for a busy disk may need seconds to sync one import.
        let most = 100_000 * u64::from(kill + 1);
        std::thread::sleep(Duration::from_micros(20_000 + state % most));
        child.kill()?;
        child.wait()?;
        let (store, recovery) = Store::open(&root)?;
        let context = || format!("seed {seed}, kill {kill}: {recovery:?}");
        ensure!(recovery.damaged.is_empty(), "{}", context());
        let problems = store.check(CheckDepth::Content).with_context(context)?;
        ensure!(problems.is_empty(), "{}: {problems:?}", context());
        images += store.images()?.len();
    }
    println!("{images} images were there after {KILLS} kills");
    Ok(())
}
