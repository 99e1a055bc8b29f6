//! Paths in a layer.

use std::fmt;

/// The top directories of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tree {
    /// What is on C:.
    Files,
    /// The registry's changes.
    Hives,
    /// What a utility VM boots.
    UtilityVm,
}

impl Tree {
    const ALL: [Self; 3] = [Self::Files, Self::Hives, Self::UtilityVm];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Files => "Files",
            Self::Hives => "Hives",
            Self::UtilityVm => "UtilityVM",
        }
    }
}

/// The longest path: what Windows allows, in UTF-16 units.
const MAX_PATH: usize = 32_767;
/// The longest component, in UTF-16 units.
const MAX_COMPONENT: usize = 255;

/// A checked path in a layer: one of the trees, and below it names that a Windows disk can hold.
/// Components are separated by `/`; there is no `..`, no drive, no device, no stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerPath(String);

impl LayerPath {
    /// A path such as `Files/Windows/System32`. A `/` at the end and `./` at the start are taken
    /// off, and the tree's name gets its usual case.
    ///
    /// # Errors
    /// Anything else that would not stay inside the layer or could not be a Windows file.
    pub fn new(path: &str) -> Result<Self, PathError> {
        let path = path.strip_prefix("./").unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let tree = Tree::ALL
            .into_iter()
            .find(|tree| tree.name().eq_ignore_ascii_case(first));
        let tree = tree.ok_or(PathError::Tree)?;
        if rest.is_empty() && path.contains('/') {
            return Err(PathError::Component);
        }
        if path.encode_utf16().count() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        let components: Vec<&str> = if rest.is_empty() {
            Vec::new()
        } else {
            rest.split('/').collect()
        };
        components
            .iter()
            .try_for_each(|component| check_component(component))?;
        if tree == Tree::UtilityVm
            && components
                .first()
                .is_some_and(|first| !first.eq_ignore_ascii_case("Files"))
        {
            return Err(PathError::UtilityVm);
        }
        let mut checked = tree.name().to_owned();
        for component in components {
            checked.push('/');
            checked.push_str(component);
        }
        Ok(Self(checked))
    }

    /// The root of a tree.
    #[must_use]
    pub fn root(tree: Tree) -> Self {
        Self(tree.name().to_owned())
    }

    /// The path of a direct child.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn join(&self, name: &str) -> Result<Self, PathError> {
        if name.is_empty() || name.contains('/') {
            return Err(PathError::Component);
        }
        Self::new(&format!("{}/{name}", self.0))
    }

    /// The tree it is in.
    #[must_use]
    pub fn tree(&self) -> Tree {
        let first = self.0.split('/').next();
        Tree::ALL
            .into_iter()
            .find(|tree| Some(tree.name()) == first)
            .unwrap_or(Tree::Files)
    }

    /// The whole path with its tree.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components below the tree; none for its root.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').skip(1)
    }

    /// The directory it is in; none for a tree's root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0
            .rsplit_once('/')
            .map(|(parent, _)| Self(parent.to_owned()))
    }

    /// The last component.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// Whether whiteouts may stand in this directory or be it.
    pub(crate) fn takes_whiteouts(&self) -> bool {
        match self.tree() {
            Tree::Files => true,
            Tree::Hives => false,
            Tree::UtilityVm => self.components().next().is_some(),
        }
    }
}

impl fmt::Display for LayerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a path is not one of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Its first component is none of the trees; so are absolute paths and drive letters.
    #[error("path is not below Files, Hives or UtilityVM")]
    Tree,
    /// Something other than `Files` in `UtilityVM`.
    #[error("UtilityVM holds only Files")]
    UtilityVm,
    /// An empty component, `.` or `..`.
    #[error("path has an empty or relative component")]
    Component,
    /// A character that no Windows name has.
    #[error("path has the character {0:?}")]
    Character(char),
    /// A component that ends in a dot or blank.
    #[error("path has a name that ends in a dot or blank")]
    TrailingDotOrBlank,
    /// A device's name, such as `CON` or `nul.txt`.
    #[error("path has the name of a device")]
    Device,
    /// More than Windows allows.
    #[error("path too long")]
    TooLong,
    /// Bytes that are not UTF-8.
    #[error("path is not UTF-8")]
    Encoding,
}

fn check_component(name: &str) -> Result<(), PathError> {
    if matches!(name, "" | "." | "..") {
        return Err(PathError::Component);
    }
    if let Some(character) = name.chars().find(|&character| is_illegal(character)) {
        return Err(PathError::Character(character));
    }
    if name.ends_with(['.', ' ']) {
        return Err(PathError::TrailingDotOrBlank);
    }
    if is_device(name) {
        return Err(PathError::Device);
    }
    if name.encode_utf16().count() > MAX_COMPONENT {
        return Err(PathError::TooLong);
    }
    Ok(())
}

fn is_illegal(character: char) -> bool {
    character < ' ' || matches!(character, '<' | '>' | ':' | '"' | '|' | '?' | '*' | '\\')
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ');
    let is_named = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    if is_named
        .iter()
        .any(|device| stem.eq_ignore_ascii_case(device))
    {
        return true;
    }
    let (Some(kind), Some(number)) = (stem.get(..3), stem.get(3..)) else {
        return false;
    };
    let is_numbered = kind.eq_ignore_ascii_case("COM") || kind.eq_ignore_ascii_case("LPT");
    let is_number = matches!(
        number,
        "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
    );
    is_numbered && is_number
}

#[cfg(test)]
mod tests {
    use super::{LayerPath, PathError, Tree};

    #[test]
    fn paths_are_taken_apart() {
        let path = LayerPath::new("./files/Windows/System32/").expect("allowed");
        assert_eq!(path.as_str(), "Files/Windows/System32");
        assert_eq!((path.tree(), path.name()), (Tree::Files, "System32"));
        assert_eq!(
            path.components().collect::<Vec<_>>(),
            ["Windows", "System32"]
        );
        assert_eq!(
            path.parent().and_then(|path| path.parent()),
            Some(LayerPath::root(Tree::Files))
        );
        assert_eq!(LayerPath::root(Tree::Hives).parent(), None);
    }

    #[test]
    fn paths_that_leave_the_layer_or_are_no_windows_names_are_refused() {
        for (path, error) in [
            ("", PathError::Tree),
            ("/Files/a", PathError::Tree),
            ("C:/Files", PathError::Tree),
            ("../Files/a", PathError::Tree),
            ("Files/../../etc/passwd", PathError::Component),
            ("Files//a", PathError::Component),
            ("Files/./a", PathError::Component),
            ("Files//", PathError::Component),
            ("Files/a\\b", PathError::Character('\\')),
            ("Files/a:b", PathError::Character(':')),
            ("Files/a\0", PathError::Character('\0')),
            ("Files/a.", PathError::TrailingDotOrBlank),
            ("Files/a /b", PathError::TrailingDotOrBlank),
            ("Files/CON", PathError::Device),
            ("Files/x/nul.txt", PathError::Device),
            ("Files/com1", PathError::Device),
            ("Files/LPT².x", PathError::Device),
            ("UtilityVM/Boot", PathError::UtilityVm),
        ] {
            assert_eq!(LayerPath::new(path), Err(error), "{path}");
        }
        assert_eq!(
            LayerPath::new(&format!("Files/{}", "x".repeat(256))),
            Err(PathError::TooLong)
        );
        for path in [
            "Files/com0",
            "Files/console",
            "Files/com10",
            "Files/.wh",
            "UtilityVM/Files/a",
        ] {
            assert!(LayerPath::new(path).is_ok(), "{path}");
        }
    }
}
