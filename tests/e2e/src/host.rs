//! The state of the host that a container engine touches: compared before and after.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

/// What `ps`, `mount`, `ip link`, `nft` and the cgroup tree say, as sets of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostState {
    parts: Vec<(&'static str, BTreeSet<String>)>,
}

impl HostState {
    /// Takes the state of now. Processes count only when they are ours or Wine's: others come and
    /// go.
    ///
    /// # Errors
    /// When a tool cannot be run.
    pub fn take() -> Result<Self> {
        Ok(Self {
            parts: vec![
                ("processes", processes()),
                (
                    "mounts",
                    lines(&std::fs::read_to_string("/proc/self/mounts")?),
                ),
                (
                    "links",
                    command("ip", &["-o", "link"], |line| {
                        line.split(':').nth(1).map(str::to_owned)
                    })?,
                ),
                (
                    "firewall",
                    command("nft", &["list", "ruleset"], without_counters)?,
                ),
                ("cgroups", cgroups()),
            ],
        })
    }

    /// What is there now and was not before, one line each.
    #[must_use]
    pub fn added_since(&self, before: &Self) -> Vec<String> {
        let pairs = self.parts.iter().zip(&before.parts);
        pairs
            .flat_map(|((name, now), (_, then))| {
                now.difference(then)
                    .map(move |line| format!("{name}: {line}"))
            })
            .collect()
    }
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}

fn command(
    program: &str,
    arguments: &[&str],
    pick: impl Fn(&str) -> Option<String>,
) -> Result<BTreeSet<String>> {
    let output = Command::new(program).args(arguments).output()?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(pick)
        .collect())
}

/// Packet counters of other people's rules move on their own.
fn without_counters(line: &str) -> Option<String> {
    let words: Vec<_> = line.split_whitespace().collect();
    let mut kept = Vec::new();
    let mut index = 0;
    while index < words.len() {
        if words[index] == "packets" || words[index] == "bytes" {
            index += 2;
        } else {
            kept.push(words[index]);
            index += 1;
        }
    }
    (!kept.is_empty()).then(|| kept.join(" "))
}

fn processes() -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return BTreeSet::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            let name = name.trim();
            let ours = ["porthole", "wine", "cexecsvc"]
                .iter()
                .any(|part| name.contains(part));
            (ours || name.ends_with(".exe")).then(|| format!("{pid} {name}"))
        })
        .collect()
}

fn cgroups() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect_directories(Path::new("/sys/fs/cgroup"), 0, &mut found);
    found
}

fn collect_directories(directory: &Path, depth: usize, found: &mut BTreeSet<String>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        if depth < 6 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.insert(entry.path().display().to_string());
            collect_directories(&entry.path(), depth + 1, found);
        }
    }
}
