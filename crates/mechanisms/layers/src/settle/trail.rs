//! Directories along a path, kept open for the next path that begins alike.

use std::ffi::CString;

use porthole_winpath::name::folded;

use crate::error::Outcome;
use crate::view::View;

/// A way from a root down. Paths that are walked in the order of [`order`] enter, and list, each
/// directory once: to do so for each path would take time that grows with the square of their number.
#[derive(Debug)]
pub(super) struct Trail {
    root: View,
    steps: Vec<(CString, View)>,
}

impl Trail {
    pub(super) const fn new(root: View) -> Self {
        Self {
            root,
            steps: Vec::new(),
        }
    }

    /// The directory so many steps from the root, of those that were entered.
    pub(super) fn at(&self, depth: usize) -> &View {
        match depth.checked_sub(1).and_then(|last| self.steps.get(last)) {
            Some((_, view)) => view,
            None => &self.root,
        }
    }

    /// Enters the directory `name`, spelt as it is, of the one at `depth`; empty where there is none.
    pub(super) fn enter(&mut self, depth: usize, name: CString) -> Outcome<&View> {
        let is_known = self
            .steps
            .get(depth)
            .is_some_and(|(known, _)| *known == name);
        if !is_known {
            self.steps.truncate(depth);
            let child = self.at(depth).child(&name)?;
            self.steps.push((name, child));
        }
        Ok(self.at(depth + 1))
    }
}

/// What brings paths that lead through the same directories together.
pub(super) fn order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(folded).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn found(trail: &mut Trail, path: &[&str]) -> Option<String> {
        let (last, parents) = path.split_last().unwrap();
        for (depth, name) in parents.iter().enumerate() {
            let spelt = trail.at(depth).find(name).unwrap()?;
            trail.enter(depth, spelt).unwrap();
        }
        let found = trail.at(parents.len()).find(last).unwrap()?;
        Some(found.into_string().unwrap())
    }

    #[test]
    fn a_directory_is_listed_once_for_all_paths_through_it() {
        let layer = tempfile::tempdir().unwrap();
        let directory = layer.path().join("Files/Dir");
        fs::create_dir_all(&directory).unwrap();
        fs::create_dir(layer.path().join("Files/Other")).unwrap();
        fs::write(directory.join("First"), "").unwrap();
        let root = View::open(&[layer.path()], "Files").unwrap();
        let mut trail = Trail::new(root);
        assert_eq!(found(&mut trail, &["dir", "first"]).unwrap(), "First");
        fs::write(directory.join("Late"), "").unwrap();
        assert_eq!(found(&mut trail, &["DIR", "late"]), None, "not listed anew");
        assert_eq!(found(&mut trail, &["other", "first"]), None);
        assert_eq!(found(&mut trail, &["dir", "late"]).unwrap(), "Late");
    }

    #[test]
    fn paths_through_one_directory_stand_together() {
        let mut paths = ["b/x", "A/y", "B/y", "a/x"];
        paths.sort_by_cached_key(|path| order(path.split('/')));
        assert_eq!(paths, ["a/x", "A/y", "b/x", "B/y"]);
    }
}
