//! What entries of an archive are called, and where their links lead.

use porthole_winpath::name;

use crate::drive::MOST_LEVELS;
use crate::error::{Error, Result};

/// Bytes that a path in an archive may have.
const MOST_PATH_BYTES: usize = 32 * 1024;

/// An entry's name as path components; none for the directory that is unpacked into.
///
/// # Errors
/// A name that Windows cannot have, or that leads elsewhere.
pub(crate) fn components(path: &[u8]) -> Result<Vec<String>> {
    let refuse = |why: &str| Err(Error::entry(path, why));
    let Ok(text) = std::str::from_utf8(path) else {
        return refuse("its name is no UTF-8");
    };
    if text.len() > MOST_PATH_BYTES {
        return Err(Error::entry(
            &path[..64],
            format!("its name is longer than {MOST_PATH_BYTES} bytes"),
        ));
    }
    if is_absolute(text) {
        return refuse(
            "its name is absolute; where it goes, the request says: C:/app/file, with \"/\", for \
             docker on Linux takes C:\\app\\file for one name",
        );
    }
    let mut components: Vec<String> = Vec::new();
    for component in text.split('/') {
        match component {
            "" | "." => {}
            ".." => return refuse("its name leads out of the directory"),
            component => components.push(component.to_owned()),
        }
    }
    let check = |name: &str| {
        name::check(name).map_err(|error| Error::entry(path, format!("it has {error}")))
    };
    if let Some((last, parents)) = components.split_last_mut() {
        parents.iter().try_for_each(|name| check(name))?;
        match split_stream(last) {
            Some((owner, stream)) => {
                check(owner)?;
                check(stream)?;
                *last = format!("{owner}:{stream}");
            }
            None => check(last)?,
        }
    }
    if components.len() > MOST_LEVELS {
        return refuse("it lies in too many directories");
    }
    Ok(components)
}

/// Takes `file:stream` apart, as Windows' programs name an alternate data stream of a file. Under Wine
/// it is a file of that name. `:$DATA`, the type that all streams have, may follow.
pub(crate) fn split_stream(name: &str) -> Option<(&str, &str)> {
    let (owner, stream) = name.split_once(':')?;
    Some((owner, stream.strip_suffix(":$DATA").unwrap_or(stream)))
}

fn is_absolute(path: &str) -> bool {
    let has_drive = path.as_bytes().get(1) == Some(&b':')
        && path.starts_with(|character: char| character.is_ascii_alphabetic());
    has_drive || path.starts_with(['/', '\\'])
}

/// What a symbolic link is to say that lies in `depth` directories below C: and leads to `target`:
/// a path of Unix, relative, so that it holds wherever the drive is.
///
/// # Errors
/// A target that is not on C:.
pub(crate) fn link_text(entry: &[u8], target: &[u8], inside: &[String]) -> Result<String> {
    let refuse = || {
        let (entry, target) = (
            String::from_utf8_lossy(entry),
            String::from_utf8_lossy(target),
        );
        Error::new(
            porthole_protocol::archive::FailureKind::BadArchive,
            format!("invalid symlink {entry:?} -> {target:?}: it leads out of C:"),
        )
    };
    let text = std::str::from_utf8(target).map_err(|_| refuse())?;
    if text.is_empty() || text.len() > MOST_PATH_BYTES / 8 || text.contains('\0') {
        return Err(refuse());
    }
    let text = text.replace('\\', "/");
    let (is_rooted, path) = match text.as_bytes() {
        [b'c' | b'C', b':', b'/', ..] => (true, &text[2..]),
        [b'/', b'/', ..] => return Err(refuse()),
        [b'/', ..] => (true, text.as_str()),
        _ => (false, text.as_str()),
    };
    let mut level = if is_rooted { 0 } else { inside.len() };
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." => level = level.checked_sub(1).ok_or_else(refuse)?,
            component if name::check(component).is_err() => return Err(refuse()),
            _ => level += 1,
        }
    }
    if is_rooted {
        let path = path.trim_start_matches('/');
        let up = "../".repeat(inside.len());
        let text = format!("{up}{path}");
        return Ok(if text.is_empty() {
            ".".to_owned()
        } else {
            text
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_directory_and_are_those_of_windows() {
        let good = |text: &str| components(text.as_bytes()).unwrap();
        assert_eq!(good("./a/b.txt"), ["a", "b.txt"]);
        assert_eq!(good("Ünï/中文/"), ["Ünï", "中文"]);
        assert!(good("./").is_empty());
        assert_eq!(good("d/file.txt:stream"), ["d", "file.txt:stream"]);
        assert_eq!(good("./a:b:$DATA"), ["a:b"]);
        for bad in [
            "../x",
            "a/../../x",
            "/etc/passwd",
            "\\x",
            "C:\\x",
            "C:x",
            "c:/x",
            "a:b",
            "file.txt:a:b",
            "file.txt:",
            "d:e/file",
            "dir/nul:stream",
            "dir/con",
            "NUL.txt",
            "com1",
            "a\\b",
            "a/b ",
            "dot.",
            "\\\\?\\x",
        ] {
            let error = components(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}")), "{error}");
        }
        assert!(components(b"\xff").is_err());
        assert!(components("d/".repeat(20_000).as_bytes()).is_err());
    }

    #[test]
    fn links_lead_to_places_on_the_drive() {
        let inside = ["app".to_owned(), "data".to_owned()];
        let good = |target: &str| link_text(b"link", target.as_bytes(), &inside).unwrap();
        assert_eq!(good("x"), "x");
        assert_eq!(good("../../Windows"), "../../Windows");
        assert_eq!(good(r"..\x"), "../x");
        assert_eq!(good(r"C:\Windows"), "../../Windows");
        assert_eq!(good("/Windows"), "../../Windows");
        for bad in [
            "../../../x",
            "/../x",
            r"..\..\..\etc",
            "D:/x",
            "//server/x",
            "",
            "a:b",
        ] {
            let error = link_text(b"link", bad.as_bytes(), &inside).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with("invalid symlink \"link\" -> ")
            );
        }
    }
}
