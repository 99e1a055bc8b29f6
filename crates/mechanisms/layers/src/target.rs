//! Where links lead: Windows' way of saying it, and Unix's.

use porthole_winpath::name;

/// Bytes that a link's text may have on disk.
pub(crate) const MOST_BYTES: usize = 4095;

/// Where a link of a layer is to lead on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// To a place on C:, by a path that holds wherever the drive is mounted.
    Inside(String),
    /// Out of C:, to what no Unix path can name: the text is one name that no file has.
    Outside(String),
}

/// Where a link leads that lies in `level` directories below C:. `target` is as Windows writes it.
pub(crate) fn of_windows(target: &str, level: usize) -> Target {
    inside(target, level).map_or_else(|| Target::Outside(outside(target)), Target::Inside)
}

/// One name that no file can have, for it has a backslash.
fn outside(target: &str) -> String {
    let mut text = target.replace('/', "\\");
    if !text.contains('\\') {
        text.push('\\');
    }
    text
}

fn inside(target: &str, level: usize) -> Option<String> {
    let (is_rooted, path) = on_drive(target)?;
    let mut depth = if is_rooted { 0 } else { level };
    let mut components = Vec::new();
    for component in path.split(['\\', '/']) {
        match component {
            "" | "." => {}
            ".." => {
                // Above the root of a drive is the root.
                if depth > 0 {
                    depth -= 1;
                    // As Windows does it, by the text alone.
                    match components.last() {
                        None | Some(&"..") => components.push(".."),
                        Some(_) => drop(components.pop()),
                    }
                }
            }
            component => {
                name::check(component).ok()?;
                depth += 1;
                components.push(component);
            }
        }
    }
    let up = if is_rooted { level } else { 0 };
    let text = text(up, &components);
    (text.len() <= MOST_BYTES).then_some(text)
}

/// A path that leads up and down again.
pub(crate) fn text(up: usize, components: &[impl AsRef<str>]) -> String {
    let up = std::iter::repeat_n("..", up);
    let all: Vec<&str> = up.chain(components.iter().map(AsRef::as_ref)).collect();
    if all.is_empty() {
        ".".to_owned()
    } else {
        all.join("/")
    }
}

/// The path on C: and whether it begins at the root; `None` for another drive, a share, a volume, a
/// device.
fn on_drive(target: &str) -> Option<(bool, &str)> {
    let device = target
        .strip_prefix(r"\??\")
        .or_else(|| target.strip_prefix(r"\\?\"));
    let path = device.unwrap_or(target);
    match path.as_bytes() {
        [] => None,
        [b'c' | b'C', b':', b'\\' | b'/', ..] => Some((true, &path[3..])),
        [b'c' | b'C', b':'] => Some((true, "")),
        [b'\\' | b'/', b'\\' | b'/', ..] => None,
        _ if device.is_some() || path.contains(':') => None,
        [b'\\' | b'/', ..] => Some((true, path)),
        _ => Some((false, path)),
    }
}

/// A link that was made on disk, as Windows writes it: what is absolute begins at the drive.
pub(crate) fn to_windows(text: &str) -> String {
    let path = match text.strip_prefix("/c") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => text,
    };
    let windows = path.replace('/', "\\");
    if text.starts_with('/') {
        format!("C:\\{}", windows.trim_start_matches('\\'))
    } else {
        windows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_places_on_the_drive() {
        let inside = |target: &str| match of_windows(target, 2) {
            Target::Inside(text) => text,
            Target::Outside(text) => panic!("{target} leads out: {text}"),
        };
        for (target, text) in [
            (r"C:\Windows\System32", "../../Windows/System32"),
            (r"\??\C:\Users", "../../Users"),
            (r"\\?\c:\Users\", "../../Users"),
            (r"\Windows", "../../Windows"),
            (r"C:\", "../.."),
            ("C:", "../.."),
            (r"..\x\.\y", "../x/y"),
            (r"..\..\..\..\x", "../../x"),
            (r"C:\..\..\x", "../../x"),
            (r"x\..\..\y", "../y"),
            ("file", "file"),
            (".", "."),
        ] {
            assert_eq!(inside(target), text, "{target}");
        }
    }

    #[test]
    fn links_that_lead_out_lead_nowhere() {
        for target in [
            r"D:\data",
            r"\\server\share",
            r"\??\Volume{12345678-0000}\",
            r"\\?\UNC\server\x",
            r"\\.\pipe\x",
            "a:b",
            "C:relative",
            "",
            r"C:\CON",
            r"C:\a|b",
        ] {
            match of_windows(target, 2) {
                Target::Outside(text) => {
                    assert!(text.contains('\\') && !text.contains('/'), "{text}");
                }
                Target::Inside(text) => panic!("{target} became {text}"),
            }
        }
    }

    #[test]
    fn links_made_on_disk_are_written_as_windows_does() {
        for (text, windows) in [
            ("../x/y", r"..\x\y"),
            ("/c/Users", r"C:\Users"),
            ("/c", r"C:\"),
            ("/etc", r"C:\etc"),
            ("/common", r"C:\common"),
        ] {
            assert_eq!(to_windows(text), windows);
        }
    }
}
