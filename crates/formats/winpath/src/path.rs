//! Absolute paths on C: in a container.

use std::fmt;

use crate::name::{self, NameError};

/// An absolute path on C:, normalised: backslashes, an upper-case drive, no relative or empty
/// components, only names that files can have. The case of names is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerPath(Vec<String>);

/// A path that is none on C:.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// `C:name`, which Windows would look up in the drive's current directory.
    #[error(
        "{0:?} is relative to the current directory of its drive, which is hardly what was meant: \
         the shell ate the backslashes; put the path in single quotes or write it with / instead of \\"
    )]
    DriveRelative(String),
    /// No drive and no root.
    #[error("{0:?} is not absolute: it must begin with C:\\")]
    Relative(String),
    /// Another drive than C:, which is the only one.
    #[error("{0:?} is not on C:, the only drive of a container")]
    Drive(String),
    /// A share, a device or a path for the object manager.
    #[error("{0:?} is a share or a device, not a path on C:")]
    Namespace(String),
    /// A component that is no file's name.
    #[error("{path:?} has {error}")]
    Name {
        /// The path.
        path: String,
        /// What is wrong with the component.
        error: NameError,
    },
    /// More `..` than there are directories.
    #[error("{0:?} leads out of C:\\")]
    Escapes(String),
}

impl ContainerPath {
    /// The root of C:.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Parses a path with a drive, such as `C:\app` or `c:/app/`.
    ///
    /// # Errors
    /// Anything that is not absolute on C:.
    pub fn parse(path: &str) -> Result<Self, PathError> {
        match split_drive(path) {
            Some(_) => Self::root().resolve(path),
            None if is_namespace(path) => Err(PathError::Namespace(path.to_owned())),
            None => Err(PathError::Relative(path.to_owned())),
        }
    }

    /// The path that `path` is when this is the current directory, as `WORKDIR` has it: `a` is
    /// below this one, `\a` and `/a` below the root, `C:\a` and `C:/a` are themselves.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn resolve(&self, path: &str) -> Result<Self, PathError> {
        if is_namespace(path) {
            return Err(PathError::Namespace(path.to_owned()));
        }
        let (drive, rest) =
            split_drive(path).map_or((None, path), |(drive, rest)| (Some(drive), rest));
        if drive.is_some_and(|drive| !drive.eq_ignore_ascii_case(&'C')) {
            return Err(PathError::Drive(path.to_owned()));
        }
        let is_rooted = rest.starts_with(SEPARATORS);
        if drive.is_some() && !is_rooted && !rest.is_empty() {
            return Err(PathError::DriveRelative(path.to_owned()));
        }
        let mut components = if drive.is_some() || is_rooted {
            Vec::new()
        } else {
            self.0.clone()
        };
        for component in rest.split(SEPARATORS) {
            match component {
                "" | "." => {}
                ".." => drop(
                    components
                        .pop()
                        .ok_or_else(|| PathError::Escapes(path.to_owned()))?,
                ),
                component => {
                    let checked = name::check(component);
                    checked.map_err(|error| PathError::Name {
                        path: path.to_owned(),
                        error,
                    })?;
                    components.push(component.to_owned());
                }
            }
        }
        Ok(Self(components))
    }

    /// Whether this is `C:\` itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Names from the root on.
    #[must_use]
    pub fn components(&self) -> &[String] {
        &self.0
    }

    /// The path below the root of C:, with `/`, to be looked up beneath the directory that C: is
    /// on the host; `.` for the root. Its case may differ from that on disk.
    #[must_use]
    pub fn relative_to_root(&self) -> String {
        if self.0.is_empty() {
            ".".to_owned()
        } else {
            self.0.join("/")
        }
    }

    /// Whether both name the same place: names differ not by case.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(&other.0)
                .all(|(left, right)| left.to_uppercase() == right.to_uppercase())
    }

    /// Whether `other` is this path or below it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.0.len() <= other.0.len() && self.is_same(&Self(other.0[..self.0.len()].to_vec()))
    }
}

impl fmt::Display for ContainerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "C:\\{}", self.0.join("\\"))
    }
}

const SEPARATORS: [char; 2] = ['\\', '/'];

/// Takes a drive letter off.
fn split_drive(path: &str) -> Option<(char, &str)> {
    let mut characters = path.chars();
    let drive = characters.next().filter(char::is_ascii_alphabetic)?;
    let rest = characters.as_str().strip_prefix(':')?;
    Some((drive, rest))
}

/// Whether it begins with two separators: `\\server`, `\\?\`, `\\.\`, or is `\??\`.
fn is_namespace(path: &str) -> bool {
    let mut characters = path.chars();
    let mut separator = || {
        characters
            .next()
            .is_some_and(|character| SEPARATORS.contains(&character))
    };
    (separator() && separator()) || path.starts_with(r"\??\")
}

/// Whether Windows would look this up in a drive's current directory, such as `C:appnode.exe`:
/// what is left of `C:\app\node.exe` when a Unix shell has read it without quotes.
#[must_use]
pub fn is_drive_relative(path: &str) -> bool {
    split_drive(path).is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with(SEPARATORS))
}

#[cfg(test)]
mod tests {
    use super::{ContainerPath, PathError, is_drive_relative};
    use proptest::prelude::*;

    fn shown(path: &str) -> String {
        ContainerPath::parse(path).map_or_else(|error| error.to_string(), |path| path.to_string())
    }

    #[test]
    fn paths_are_normalised() {
        for (path, expected) in [
            (r"C:\app", r"C:\app"),
            ("c:/App//x/", r"C:\App\x"),
            (r"C:\a\.\b\..\c", r"C:\a\c"),
            ("C:", r"C:\"),
            (r"C:\", r"C:\"),
        ] {
            assert_eq!(shown(path), expected);
        }
    }

    #[test]
    fn the_eaten_backslashes_are_named() {
        let error = shown("C:appnode.exe");
        assert!(error.contains("the shell ate the backslashes"), "{error}");
        assert!(is_drive_relative("C:appnode.exe") && is_drive_relative("c:app"));
        for path in ["C:", r"C:\a", "C:/a", "node.exe", "http://x", r"\a"] {
            assert!(!is_drive_relative(path), "{path}");
        }
    }

    #[test]
    fn other_places_are_refused() {
        for (path, kind) in [
            ("app", "not absolute"),
            (r"\app", "not absolute"),
            (r"D:\app", "not on C:"),
            (r"\\server\share", "share or a device"),
            (r"\\?\C:\a", "share or a device"),
            ("//./pipe/x", "share or a device"),
            (r"\??\C:\a", "share or a device"),
            (r"C:\..\x", "leads out"),
            (r"C:\a\con\b", "name of a device"),
            (r"C:\a:b", "the character ':'"),
            (r"C:\a.\b", "ends in a dot"),
        ] {
            assert!(shown(path).contains(kind), "{path}: {}", shown(path));
        }
    }

    /// The table of moby's WORKDIR tests.
    #[test]
    fn working_directories_resolve_as_in_docker() {
        for (current, path, expected) in [
            ("", "a", r"C:\a"),
            ("", "c:/foo", r"C:\foo"),
            ("", r"c:\foo", r"C:\foo"),
            ("", "/foo", r"C:\foo"),
            ("", r"\foo", r"C:\foo"),
            ("", "C:/foo", r"C:\foo"),
            ("foo", "bar", r"C:\foo\bar"),
            ("foo", "/bar", r"C:\bar"),
            ("C:/foo", r"\bar", r"C:\bar"),
            ("C:/foo", "C:/bar", r"C:\bar"),
            ("foo", ".", r"C:\foo"),
            ("foo", "../bar", r"C:\bar"),
        ] {
            let current = ContainerPath::root().resolve(current).expect("well-formed");
            assert_eq!(
                current.resolve(path).expect("well-formed").to_string(),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn places_compare_without_case() {
        let path = |path| ContainerPath::parse(path).expect("well-formed");
        assert!(path(r"C:\App").is_same(&path("c:/aPP")));
        assert!(
            path(r"C:\App").contains(&path(r"C:\APP\x")) && path(r"C:\").contains(&path(r"C:\x"))
        );
        assert!(!path(r"C:\App").contains(&path(r"C:\Apple")));
        assert_eq!(path(r"C:\A\b").relative_to_root(), "A/b");
        assert_eq!(ContainerPath::root().relative_to_root(), ".");
    }

    #[test]
    fn errors_tell_kinds_apart() {
        assert!(matches!(
            ContainerPath::parse(r"D:\x"),
            Err(PathError::Drive(_))
        ));
        assert!(matches!(
            ContainerPath::parse("D:x"),
            Err(PathError::Drive(_))
        ));
    }

    proptest! {
        #[test]
        fn whatever_parses_stays_on_c_and_comes_back(path in "([cC]:)?[\\\\/.a-bC:é ]{0,12}") {
            if let Ok(parsed) = ContainerPath::parse(&path) {
                prop_assert!(parsed.components().iter().all(|name| name != ".." && !name.contains(['/', '\\', ':'])));
                prop_assert_eq!(ContainerPath::parse(&parsed.to_string()), Ok(parsed));
            }
        }
    }
}
