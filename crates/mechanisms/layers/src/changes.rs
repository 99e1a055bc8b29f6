//! What a container has changed, as `docker diff` lists it.

use std::collections::BTreeMap;
use std::path::Path;

use porthole_layer::{LayerPath, Tree};

use crate::beneath::open_top;
use crate::chain::Chain;
use crate::error::{Context, Outcome, Result};
use crate::walk::{Difference, Entry, Visit, Walk};

/// What happened to a file; the numbers are those of Docker's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It, or something in it, was changed.
    Modified = 0,
    /// It was made.
    Added = 1,
    /// It was deleted.
    Deleted = 2,
}

/// A file that a container has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where: `C:\…`.
    pub path: String,
    /// What happened.
    pub kind: ChangeKind,
}

/// What the sandbox's `upper` changes of the layers below (their directories, the nearest first),
/// by path. Directories that lead to a change are changed; what a directory was deleted with is not
/// listed. A stream that is changed is a change of its file. The container may run.
///
/// # Errors
/// A tree that is too deep for any layer; a failure of the file system.
pub fn changes(upper: &Path, lowers: &[&Path]) -> Result<Vec<Change>> {
    let mut found = Collected(BTreeMap::new());
    collect(upper, lowers, &mut found).map_err(|failure| failure.of("of the container", None))?;
    let all = found.0.into_iter();
    Ok(all
        .map(|(path, kind)| Change {
            path: format!("C:\\{}", path.replace(SEPARATOR, "\\")),
            kind,
        })
        .collect())
}

fn collect(upper: &Path, lowers: &[&Path], found: &mut Collected) -> Outcome<()> {
    let upper = open_top(upper).to("open the sandbox")?;
    let chain = Chain::open(lowers)?;
    let below = chain.view(Tree::Files.name())?;
    let mut walk = Walk {
        chain: &chain,
        visit: found,
        keeps_whiteouts: false,
    };
    walk.tree(&upper, &below, &LayerPath::root(Tree::Files))
}

/// What no name holds, and sorts before what names hold: what is in a directory follows it.
const SEPARATOR: char = '\u{1}';

/// Changes by their paths below C:.
struct Collected(BTreeMap<String, ChangeKind>);

impl Collected {
    fn add(&mut self, path: &LayerPath, kind: ChangeKind) {
        let mut above = String::new();
        let mut names = path.components().peekable();
        while let Some(name) = names.next() {
            above.push_str(name);
            if names.peek().is_none() {
                self.0.insert(above, kind);
                return;
            }
            if !self.0.contains_key(&above) {
                self.0.insert(above.clone(), ChangeKind::Modified);
            }
            above.push(SEPARATOR);
        }
    }
}

impl Visit for Collected {
    fn directory(
        &mut self,
        entry: &Entry<'_>,
        difference: Difference,
        _hides: bool,
    ) -> Outcome<()> {
        self.file(entry, difference)
    }

    fn file(&mut self, entry: &Entry<'_>, difference: Difference) -> Outcome<()> {
        match difference {
            Difference::Added => self.add(entry.path, ChangeKind::Added),
            Difference::Changed => self.add(entry.path, ChangeKind::Modified),
            Difference::Same => {}
        }
        Ok(())
    }

    fn removed(&mut self, path: &LayerPath) -> Outcome<()> {
        self.add(path, ChangeKind::Deleted);
        Ok(())
    }

    /// Names that no program of Windows can have made.
    fn set_aside(&mut self, path: String) {
        tracing::debug!(path, "a name that is none of Windows is no change");
    }
}
