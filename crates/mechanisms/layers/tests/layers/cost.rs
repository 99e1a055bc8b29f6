//! Diff and commit cost what has changed, not what the image holds.
//!
//! The test program starts itself under strace; there [`worker`] does the work.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use porthole_layers::{Limits, changes, commit};
use porthole_store::Store;

use crate::support::{Fill, Layers, archive, is_root};

/// Says to [`worker`] what to do: the sandbox's upper, the store, and the layers below.
const WORK: &str = "PORTHOLE_LAYERS_WORK";

/// Calls that depend on how threads and memory happen to fall.
const BY_CHANCE: [&str; 10] = [
    "futex",
    "sched_yield",
    "mmap",
    "munmap",
    "mprotect",
    "madvise",
    "brk",
    "clone3",
    "rseq",
    "set_robust_list",
];

#[test]
fn worker() -> Result<()> {
    let Ok(work) = std::env::var(WORK) else {
        return Ok(());
    };
    let paths: Vec<&Path> = work.split(':').map(Path::new).collect();
    let (what, upper, root, lowers) = (paths[0], paths[1], paths[2], &paths[3..]);
    if what == Path::new("diff") {
        ensure!(changes(upper, lowers)?.len() == 16);
    } else {
        let store = Store::open_beside_daemon(root)?;
        commit(&store, upper, lowers, &[], &Limits::default())?;
    }
    Ok(())
}

/// How often each call was made.
fn calls(work: &[PathBuf]) -> Result<BTreeMap<String, u64>> {
    let work: Vec<String> = work.iter().map(|path| path.display().to_string()).collect();
    let output = tempfile::NamedTempFile::new()?;
    let status = Command::new("strace")
        .args(["-f", "-qq", "-c", "-U", "calls,name", "-o"])
        .arg(output.path())
        .arg(std::env::current_exe()?)
        .args(["cost::worker", "--exact", "--test-threads=1"])
        .env(WORK, work.join(":"))
        .output()?;
    ensure!(
        status.status.success(),
        "{}",
        String::from_utf8_lossy(&status.stdout)
    );
    let text = std::fs::read_to_string(output.path())?;
    let mut calls = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(count), Some(name)) = (words.next(), words.next()) else {
            continue;
        };
        if let Ok(count) = count.parse()
            && !BY_CHANCE.contains(&name)
            && name != "total"
        {
            calls.insert(name.to_owned(), count);
        }
    }
    ensure!(calls.contains_key("openat2"), "{text}");
    Ok(calls)
}

/// A base with `factor` times as many files and directories, and a union with ten changes.
fn image(factor: usize) -> Result<(Layers, crate::support::Union)> {
    let mut layers = Layers::new();
    layers.add(&archive(|layer| {
        for directory in 0..5 * factor {
            for file in 0..10 {
                layer.put(&format!("Files/d{directory}/f{file}"), "content");
            }
        }
        // Also where the changes are.
        for file in 0..20 * factor {
            layer.put(&format!("Files/d0/more{file}"), "content");
        }
    }))?;
    let union = layers.mount()?;
    let at = |name: &str| union.root().join(name);
    for number in 0..4 {
        std::fs::write(at(&format!("d{number}/f1")), "changed")?;
        std::fs::write(at(&format!("d{number}/new")), "new")?;
    }
    std::fs::remove_file(at("d0/f2"))?;
    std::fs::remove_file(at("d0/f3"))?;
    std::fs::rename(at("d1/f4"), at("d1/moved"))?;
    Ok((layers, union))
}

#[test]
fn an_image_of_twenty_times_the_size_costs_the_same() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: strace is not installed");
        return Ok(());
    }
    let store = tempfile::tempdir()?;
    drop(Store::open(store.path())?);
    let measure = |what: &str, factor: usize| -> Result<BTreeMap<String, u64>> {
        let (layers, union) = image(factor)?;
        let mut work = vec![PathBuf::from(what), union.upper(), store.path().to_owned()];
        work.extend(layers.directories.iter().rev().cloned());
        calls(&work).with_context(|| format!("{what} of {factor}"))
    };
    for what in ["diff", "commit"] {
        let (small, large) = (measure(what, 1)?, measure(what, 20)?);
        println!("{what}: {} calls", small.values().sum::<u64>());
        // Pipes may be written in one piece or two.
        let differ = |name: &&String| {
            let (one, other) = (small.get(*name), large.get(*name));
            one.copied()
                .unwrap_or(0)
                .abs_diff(other.copied().unwrap_or(0))
                > 2
        };
        let grown: Vec<_> = large.keys().filter(differ).collect();
        assert!(grown.is_empty(), "{what}: {grown:?}\n{small:?}\n{large:?}");
    }
    Ok(())
}
