//! The files of a kernel package.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::deb::{self, Content};
use crate::error::{Error, IoContext, Result};
use crate::kernel_list::{KernelList, ListedFile, ListedPackage};
use crate::patch;
use crate::sources::Sources;

/// Raised when this module makes another tree from the same packages.
pub(super) const FORMAT: &str = "kernel tree 2";

const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const ROOT_CERTIFICATES: &str = "usr/share/ca-certificates/";

/// Empty directories: mount points of a silo, and the place of fonts that there are none of.
const DIRECTORIES: [&str; 8] = [
    "proc",
    "sys",
    "dev",
    "tmp",
    "run",
    "c",
    "prefix",
    "usr/share/wine/fonts",
];

/// Files that a silo's own are bound over.
const EMPTY_FILES: [&str; 3] = ["etc/resolv.conf", "etc/hosts", "etc/hostname"];

const TEXT_FILES: [(&str, &str); 4] = [
    (
        "etc/passwd",
        "ContainerAdministrator:x:0:0::/prefix:/nonexistent\nContainerUser:x:1000:1000::/prefix:/nonexistent\n",
    ),
    (
        "etc/group",
        "ContainerAdministrator:x:0:\nContainerUser:x:1000:\n",
    ),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files dns\n",
    ),
    // Wine itself finds the fonts in C:\Windows\Fonts; without this file fontconfig complains.
    (
        "etc/fonts/fonts.conf",
        "<?xml version=\"1.0\"?>\n<!DOCTYPE fontconfig SYSTEM \"urn:fontconfig:fonts.dtd\">\n\
         <fontconfig><cachedir>/nonexistent</cachedir></fontconfig>\n",
    ),
];

/// The PE files and NLS data are stored once, on C:.
const LINKS: [(&str, &str); 6] = [
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    (
        "usr/lib64/ld-linux-x86-64.so.2",
        "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    ),
    (
        "usr/lib/x86_64-linux-gnu/wine/x86_64-windows",
        "/c/Windows/System32",
    ),
    (
        "usr/lib/x86_64-linux-gnu/wine/i386-windows",
        "/c/Windows/SysWOW64",
    ),
    ("usr/share/wine/nls", "/c/Windows/System32"),
];

type Files = BTreeMap<String, Content>;

/// Makes the tree in `root`.
pub(super) fn build(root: &Path, list: &KernelList, sources: &Sources) -> Result<()> {
    let mut certificates = Vec::new();
    for package in &list.packages {
        let files = unpack(package, sources)?;
        for listed in &package.files {
            if listed.path.starts_with(ROOT_CERTIFICATES) {
                certificates = concatenate(&files);
            } else {
                copy(root, package, listed, &files)?;
            }
        }
    }
    write(root, "etc/ssl/certs/ca-certificates.crt", &certificates)?;
    for (path, text) in TEXT_FILES
        .into_iter()
        .chain(EMPTY_FILES.map(|path| (path, "")))
    {
        write(root, path, text.as_bytes())?;
    }
    for path in DIRECTORIES {
        make_directory(&root.join(path))?;
    }
    for (path, target) in LINKS {
        let path = root.join(path);
        make_parent(&path)?;
        std::os::unix::fs::symlink(target, &path).at("create link", &path)?;
    }
    Ok(())
}

/// The files of a package that may be needed. Reading ends with the last listed one where no tree is
/// listed: Wine's package has 700 MB of other files behind them.
fn unpack(package: &ListedPackage, sources: &Sources) -> Result<Files> {
    let mut files = Files::new();
    let deb = sources.deb(&package.name);
    let is_complete = |files: &Files| {
        package
            .files
            .iter()
            .all(|file| !file.path.ends_with('/') && resolve(files, &file.path).is_some())
    };
    let wanted = |path: &str| package.may_need(path);
    deb::read(&deb, wanted, |path, content, _| {
        files.insert(path.to_owned(), content);
        Ok(if is_complete(&files) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    Ok(files)
}

fn copy(root: &Path, package: &ListedPackage, listed: &ListedFile, files: &Files) -> Result<()> {
    let missing = || {
        Error::malformed(
            "find file of package",
            &package.name,
            format!("it has no {}", listed.path),
        )
    };
    if !listed.path.ends_with('/') {
        let content = resolve(files, &listed.path).ok_or_else(missing)?;
        return write_listed(root, &listed.path, content);
    }
    let mut count = 0;
    for path in files.keys().filter(|path| path.starts_with(&listed.path)) {
        // A link out of the package, such as the one to this machine's time zone, has no target.
        if let Some(content) = resolve(files, path) {
            write(root, path, content)?;
            count += 1;
        }
    }
    if count == 0 { Err(missing()) } else { Ok(()) }
}

fn write_listed(root: &Path, path: &str, content: &[u8]) -> Result<()> {
    if path == format!("{LIBRARIES}/wine/x86_64-unix/ntdll.so") {
        return write(root, path, &patch::use_current_zone_key(content.to_vec())?);
    }
    write(root, path, content)
}

/// A file's content, through links within the package.
fn resolve<'a>(files: &'a Files, path: &str) -> Option<&'a [u8]> {
    let mut path = path.to_owned();
    for _ in 0..8 {
        match files.get(&path)? {
            Content::File(bytes) => return Some(bytes),
            Content::Link(target) => path = join(&path, target)?,
        }
    }
    None
}

/// Where a link at `path` leads; nothing when out of the package.
fn join(path: &str, target: &str) -> Option<String> {
    let mut parts: Vec<_> = path.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        return None;
    }
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The root certificates as one file, in the order of their names.
fn concatenate(files: &Files) -> Vec<u8> {
    let mut bundle = Vec::new();
    for content in files.values() {
        if let Content::File(bytes) = content {
            bundle.extend_from_slice(bytes);
        }
    }
    bundle
}

fn write(root: &Path, path: &str, content: &[u8]) -> Result<()> {
    let full = root.join(path);
    make_parent(&full)?;
    fs::write(&full, content).at("write file", &full)?;
    let mode = if content.starts_with(b"\x7fELF") {
        0o755
    } else {
        0o644
    };
    fs::set_permissions(&full, Permissions::from_mode(mode)).at("set mode of", &full)
}

fn make_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), make_directory)
}

/// World-readable whatever the file mode mask is.
fn make_directory(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    make_parent(path)?;
    fs::create_dir(path).at("create directory", path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755)).at("set mode of", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_within_the_package() {
        let files: Files = [
            ("usr/lib/a.so.1", Content::Link("a.so.1.2".to_owned())),
            ("usr/lib/a.so.1.2", Content::File(b"a".to_vec())),
            ("usr/lib/up", Content::Link("../lib/./a.so.1".to_owned())),
            ("usr/lib/out", Content::Link("/etc/localtime".to_owned())),
            ("usr/lib/loop", Content::Link("loop".to_owned())),
        ]
        .into_iter()
        .map(|(path, content)| (path.to_owned(), content))
        .collect();
        assert_eq!(resolve(&files, "usr/lib/up"), Some(&b"a"[..]));
        for path in ["usr/lib/out", "usr/lib/loop", "usr/lib/absent"] {
            assert_eq!(resolve(&files, path), None);
        }
    }
}
