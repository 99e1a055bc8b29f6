//! Binds: `source:C:\path[:ro|rw]`, with a Linux source.

use crate::path::{ContainerPath, PathError};

/// A host directory or volume that appears in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// What appears.
    pub source: BindSource,
    /// Where.
    pub target: ContainerPath,
    /// Whether writes are refused.
    pub read_only: bool,
}

/// What a bind shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindSource {
    /// An absolute path of the host.
    Host(String),
    /// A named volume.
    Volume(String),
    /// A volume without a name, made for this container.
    Anonymous,
}

/// Why a specification is no bind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Nothing in it looks like a path on a Windows drive.
    #[error("invalid volume specification {0:?}: it must be SOURCE:C:\\PATH[:ro|:rw]")]
    Target(String),
    /// The path in the container is not one on C:.
    #[error("invalid volume specification {specification:?}: {error}")]
    Path {
        /// The whole specification.
        specification: String,
        /// What is wrong with the path.
        error: PathError,
    },
    /// The container's C: itself.
    #[error("invalid volume specification {0:?}: the whole of C:\\ cannot be mapped")]
    Root(String),
    /// A source on a Windows drive.
    #[error(
        "invalid volume specification {0:?}: the source is on this host, which is Linux: /a/path"
    )]
    WindowsSource(String),
    /// A source that is neither absolute nor a volume's name.
    #[error(
        "invalid volume specification {0:?}: the source must be an absolute path or a volume's name"
    )]
    Source(String),
    /// Something else than `ro` and `rw`.
    #[error("invalid volume specification {specification:?}: mode {mode:?} is not ro or rw")]
    Mode {
        /// The whole specification.
        specification: String,
        /// The mode.
        mode: String,
    },
    /// A named pipe.
    #[error("invalid volume specification {0:?}: named pipes cannot be mapped")]
    NamedPipe(String),
}

impl Bind {
    /// Parses a specification.
    ///
    /// # Errors
    /// See [`BindError`]; the message repeats the specification and says what it should be.
    pub fn parse(specification: &str) -> Result<Self, BindError> {
        let whole = || specification.to_owned();
        if specification.contains(r"\\.\pipe\") || specification.contains("//./pipe/") {
            return Err(BindError::NamedPipe(whole()));
        }
        let (source, rest) =
            split_source(specification).ok_or_else(|| BindError::Target(whole()))?;
        // After the drive's own colon a further one can only begin the mode.
        let (target, mode) = match rest[2..].split_once(':') {
            Some((path, mode)) => (&rest[..2 + path.len()], Some(mode)),
            None => (rest, None),
        };
        let read_only = match mode.map(str::to_ascii_lowercase).as_deref() {
            None | Some("rw") => false,
            Some("ro") => true,
            Some(_) => {
                return Err(BindError::Mode {
                    specification: whole(),
                    mode: mode.unwrap_or_default().to_owned(),
                });
            }
        };
        let target = ContainerPath::parse(target);
        let target = target.map_err(|error| BindError::Path {
            specification: whole(),
            error,
        })?;
        if target.is_root() {
            return Err(BindError::Root(whole()));
        }
        let source = match source {
            None => BindSource::Anonymous,
            Some(source) => parse_source(source, specification)?,
        };
        Ok(Self {
            source,
            target,
            read_only,
        })
    }
}

/// Takes off what stands before the container's path, which begins with the last drive letter that
/// is a component of its own.
fn split_source(specification: &str) -> Option<(Option<&str>, &str)> {
    let is_drive = |text: &str| {
        let bytes = text.as_bytes();
        bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':'
    };
    let last = specification
        .rmatch_indices(':')
        .find(|(at, _)| is_drive(&specification[at + 1..]));
    match last {
        Some((at, _)) => Some((Some(&specification[..at]), &specification[at + 1..])),
        None if is_drive(specification) => Some((None, specification)),
        // `source:C:` has no colon after the drive's own.
        None => None,
    }
}

fn parse_source(source: &str, specification: &str) -> Result<BindSource, BindError> {
    let mut characters = source.chars();
    let first = characters.next();
    if first.is_some_and(|letter| letter.is_ascii_alphabetic())
        && characters.as_str().starts_with(':')
    {
        return Err(BindError::WindowsSource(specification.to_owned()));
    }
    if source.starts_with('/') && !source.contains('\0') {
        return Ok(BindSource::Host(source.to_owned()));
    }
    let is_name_character =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
    let is_name = first.is_some_and(|letter| letter.is_ascii_alphanumeric())
        && source.len() > 1
        && source.chars().all(is_name_character);
    if is_name {
        Ok(BindSource::Volume(source.to_owned()))
    } else {
        Err(BindError::Source(specification.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Bind, BindError, BindSource};
    use proptest::prelude::*;

    #[test]
    fn binds_are_understood() {
        let host = |path: &str| BindSource::Host(path.to_owned());
        for (specification, source, target, read_only) in [
            (r"/src:C:\app", host("/src"), r"C:\app", false),
            ("/src:c:/app:ro", host("/src"), r"C:\app", true),
            (r"/a:b/c:C:\x\:RW", host("/a:b/c"), r"C:\x", false),
            (
                r"data:C:\data",
                BindSource::Volume("data".to_owned()),
                r"C:\data",
                false,
            ),
            (r"C:\cache", BindSource::Anonymous, r"C:\cache", false),
            (r"C:\cache:ro", BindSource::Anonymous, r"C:\cache", true),
            ("/:C:/host", host("/"), r"C:\host", false),
        ] {
            let bind = Bind::parse(specification).expect(specification);
            assert_eq!(
                (
                    bind.source,
                    bind.target.to_string().as_str(),
                    bind.read_only
                ),
                (source, target, read_only)
            );
        }
    }

    #[test]
    fn bad_specifications_say_what_is_wrong() {
        for (specification, message) in [
            ("", "must be SOURCE"),
            ("/src:/app", "must be SOURCE"),
            ("/src:C:app", "the shell ate the backslashes"),
            (r"/src:D:\app", "not on C:"),
            (r"/src:C:\", "whole of C:"),
            ("/src:C:", "whole of C:"),
            (r"/src:C:\app:z", "mode \"z\""),
            (r"/src:C:\app:ro:x", "mode \"ro:x\""),
            (r"C:\src:C:\app", "host, which is Linux"),
            (r"./src:C:\app", "absolute path or a volume"),
            (r"x:C:\app", "absolute path or a volume"),
            (r":C:\app", "absolute path or a volume"),
            (r"\\.\pipe\a:\\.\pipe\a", "named pipes"),
            (r"/src:C:\con", "name of a device"),
            (r"/src:C:\..\app", "leads out"),
        ] {
            let error = Bind::parse(specification)
                .expect_err(specification)
                .to_string();
            assert!(error.contains(message), "{specification}: {error}");
            assert!(error.contains(&format!("{specification:?}")), "{error}");
        }
        assert!(matches!(Bind::parse("x"), Err(BindError::Target(_))));
    }

    proptest! {
        #[test]
        fn any_specification_is_taken_or_refused(specification in "[/a:cC\\\\.or é]{0,20}") {
            if let Ok(bind) = Bind::parse(&specification) {
                prop_assert!(!bind.target.is_root());
            }
        }
    }
}
