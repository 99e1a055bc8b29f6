//! Finding a place on a drive.

use std::collections::VecDeque;
use std::ffi::CString;
use std::os::fd::OwnedFd;

use porthole_protocol::archive::FailureKind;
use porthole_sandbox::filesystem::{as_owner, find_name};
use porthole_sandbox::{SILO_BASE, SILO_IDS};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::error::{Context, Error, Result};

/// Links that are followed on the way to one place, as many as Linux follows.
const MOST_LINKS: u32 = 40;

/// Directories that a place may lie in, one below the other. Each is an open descriptor.
pub(crate) const MOST_LEVELS: usize = 400;

/// Bytes of what a link says.
const MOST_LINK_BYTES: usize = 4096;

/// One name in a directory, never followed.
pub(crate) const ONE_NAME: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// Whose what is made on a drive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// That of whoever makes it.
    Caller,
    /// That of the owner of the directory that it is made in, as long as this is one of a silo's
    /// users; elsewhere the silo's own user, by the host's ID.
    Silo {
        /// The host's ID of the silo's user.
        user: u32,
    },
}

/// A drive.
#[derive(Debug)]
pub struct Drive {
    root: OwnedFd,
    ownership: Ownership,
}

/// What was found in a directory, or the root.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) descriptor: OwnedFd,
    /// As it is spelt on the drive; empty for the root.
    pub(crate) name: CString,
    pub(crate) stat: Stat,
}

impl Node {
    pub(crate) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.kind() == FileType::Directory
    }
}

/// A place with all directories that lead to it, the root first. Never empty.
#[derive(Debug)]
pub(crate) struct Trail(Vec<Node>);

/// What to do on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    /// Follow every link.
    Follow,
    /// Follow every link but one at the end.
    KeepLast,
    /// Follow every link, and make directories that are missing.
    Make,
}

impl Drive {
    /// The drive whose root `root` stands for.
    #[must_use]
    pub const fn new(root: OwnedFd, ownership: Ownership) -> Self {
        Self { root, ownership }
    }

    /// The root.
    pub(crate) fn root(&self) -> Result<Trail> {
        let descriptor = self.root.try_clone().at("open", "C:")?;
        let stat = rustix::fs::fstat(&descriptor).at("look at", "C:")?;
        Ok(Trail(vec![Node {
            descriptor,
            name: CString::default(),
            stat,
        }]))
    }

    /// Goes on from `trail` along `path`.
    pub(crate) fn walk(&self, trail: &mut Trail, path: &[String], how: Walk) -> Result<()> {
        self.walk_on(trail, &mut path.iter().cloned().collect(), how)
    }

    /// Goes on from `trail` along what lies `ahead`; that keeps what could not be found.
    pub(crate) fn walk_on(
        &self,
        trail: &mut Trail,
        ahead: &mut VecDeque<String>,
        how: Walk,
    ) -> Result<()> {
        let mut links = 0;
        while let Some(name) = ahead.pop_front() {
            if name == "." {
                continue;
            }
            if name == ".." {
                trail.up();
                continue;
            }
            let found = if trail.last().is_directory() {
                find(&trail.last().descriptor, &name)?
            } else {
                None
            };
            let node = match found {
                Some(node) => node,
                None if how == Walk::Make && trail.last().is_directory() => {
                    self.make_directory(trail.last(), &name)?
                }
                None => {
                    ahead.push_front(name);
                    return Err(Error::not_found());
                }
            };
            if node.kind() != FileType::Symlink || (how == Walk::KeepLast && ahead.is_empty()) {
                trail.down(node)?;
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                let message = format!("{name:?} is one of too many links in a row");
                return Err(Error::new(FailureKind::Host, message));
            }
            let target = LinkTarget::read(&node)?;
            if target.is_rooted {
                trail.0.truncate(1);
            }
            for name in target.components.into_iter().rev() {
                ahead.push_front(name);
            }
        }
        Ok(())
    }

    fn make_directory(&self, parent: &Node, name: &str) -> Result<Node> {
        self.as_owner_in(parent, || {
            rustix::fs::mkdirat(&parent.descriptor, name, Mode::from_raw_mode(0o755))
        })?
        .at("create", name)?;
        find(&parent.descriptor, name)?.ok_or_else(Error::not_found)
    }

    /// Does something as the one to whom things in `parent` belong.
    pub(crate) fn as_owner_in<T>(&self, parent: &Node, action: impl FnOnce() -> T) -> Result<T> {
        let Ownership::Silo { user } = self.ownership else {
            return Ok(action());
        };
        let silo = SILO_BASE..SILO_BASE + SILO_IDS;
        let owner = Some(parent.stat.st_uid).filter(|owner| silo.contains(owner));
        as_owner(owner.unwrap_or(user), action).map_err(|error| {
            let message = format!("cannot act as the container's user: {}", error.chain());
            Error::new(FailureKind::Host, message)
        })
    }
}

impl Trail {
    /// The place.
    pub(crate) fn last(&self) -> &Node {
        &self.0[self.0.len() - 1]
    }

    /// The directory that the place is in; itself for the root.
    pub(crate) fn parent(&self) -> &Node {
        &self.0[self.0.len().saturating_sub(2)]
    }

    /// Names from the root on.
    pub(crate) fn names(&self) -> Vec<String> {
        let below = self.0.iter().skip(1);
        below
            .map(|node| node.name.to_string_lossy().into_owned())
            .collect()
    }

    /// The same trail once more.
    pub(crate) fn duplicate(&self) -> Result<Self> {
        let nodes = self.0.iter().map(|node| {
            Ok(Node {
                descriptor: node.descriptor.try_clone().at("open", "C:")?,
                name: node.name.clone(),
                stat: node.stat,
            })
        });
        Ok(Self(nodes.collect::<Result<_>>()?))
    }

    fn up(&mut self) {
        if self.0.len() > 1 {
            self.0.pop();
        }
    }

    fn down(&mut self, node: Node) -> Result<()> {
        if self.0.len() > MOST_LEVELS {
            return Err(too_deep(&node.name.to_string_lossy()));
        }
        self.0.push(node);
        Ok(())
    }
}

pub(crate) fn too_deep(name: &str) -> Error {
    let message = format!("{name:?} lies in more than {MOST_LEVELS} directories");
    Error::new(FailureKind::Host, message)
}

/// What Windows would find in `directory` under `name`, links themselves included.
pub(crate) fn find(directory: &OwnedFd, name: &str) -> Result<Option<Node>> {
    match find_name(directory, name) {
        Ok(Some(name)) => open_node(directory, name).map(Some),
        // What cannot be there is not there.
        Ok(None) | Err(Errno::NAMETOOLONG) => Ok(None),
        Err(error) => Err(error).at("look up", name),
    }
}

/// Opens an entry of a directory without access to its content.
pub(crate) fn open_node(directory: &OwnedFd, name: CString) -> Result<Node> {
    let open = || {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat2(directory, &*name, flags, Mode::empty(), ONE_NAME)?;
        let stat = rustix::fs::fstat(&descriptor)?;
        Ok::<_, Errno>((descriptor, stat))
    };
    let (descriptor, stat) = open().at("open", name.to_string_lossy())?;
    Ok(Node {
        descriptor,
        name,
        stat,
    })
}

/// What a link on the drive says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LinkTarget {
    /// Whether it begins at the root.
    pub(crate) is_rooted: bool,
    /// Path components, `.` and `..` among them.
    pub(crate) components: Vec<String>,
}

impl LinkTarget {
    pub(crate) fn read(link: &Node) -> Result<Self> {
        Ok(Self::parse(&read_link(link)?))
    }

    /// A link is one of Unix. What is absolute begins at the drive's root, whether or not it names
    /// the place where the drive is in the silo.
    fn parse(text: &str) -> Self {
        let path = match text.strip_prefix("/c") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
            _ => text,
        };
        let components = path.split('/').filter(|name| !name.is_empty());
        Self {
            is_rooted: text.starts_with('/'),
            components: components.map(str::to_owned).collect(),
        }
    }
}

/// The text of a link.
pub(crate) fn read_link(link: &Node) -> Result<String> {
    let name = link.name.to_string_lossy();
    let target = rustix::fs::readlinkat(&link.descriptor, "", Vec::new()).at("read link", &name)?;
    match target.into_string() {
        Ok(target) if target.len() <= MOST_LINK_BYTES => Ok(target),
        _ => Err(Error::new(
            FailureKind::Host,
            format!("the link {name:?} leads to no path"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn drive(path: &std::path::Path) -> Drive {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let root = rustix::fs::open(path, flags, Mode::empty()).unwrap();
        Drive::new(root, Ownership::Caller)
    }

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn a_place_is_found_in_any_case_and_links_lead_back_into_the_drive() {
        let outside = tempfile::tempdir().unwrap();
        let c = outside.path().join("c");
        fs::create_dir_all(c.join("Users/Me")).unwrap();
        fs::create_dir(c.join("etc")).unwrap();
        fs::write(outside.path().join("etc"), "the host's").unwrap();
        for (link, target) in [
            ("up", "../../../etc"),
            ("rooted", "/etc"),
            ("drive", "/c/Users"),
            ("Users/Me/back", "../.."),
        ] {
            symlink(target, c.join(link)).unwrap();
        }
        let drive = drive(&c);
        for (from, to) in [
            ("users/ME", "Users/Me"),
            ("UP", "etc"),
            ("rooted", "etc"),
            ("Drive/me", "Users/Me"),
            ("users/me/back/drive/me", "Users/Me"),
        ] {
            let mut trail = drive.root().unwrap();
            drive.walk(&mut trail, &path(from), Walk::Follow).unwrap();
            assert_eq!(trail.names(), path(to), "{from}");
            assert!(trail.last().is_directory());
        }
        let mut trail = drive.root().unwrap();
        drive.walk(&mut trail, &path("UP"), Walk::KeepLast).unwrap();
        assert_eq!(trail.last().kind(), FileType::Symlink);
    }

    #[test]
    fn links_in_a_circle_and_missing_places_are_errors() {
        let c = tempfile::tempdir().unwrap();
        symlink("b", c.path().join("a")).unwrap();
        symlink("a", c.path().join("b")).unwrap();
        fs::write(c.path().join("file"), "").unwrap();
        let drive = drive(c.path());
        let walk = |text: &str, how| {
            let mut trail = drive.root().unwrap();
            drive.walk(&mut trail, &path(text), how)
        };
        let circle = walk("a", Walk::Follow).unwrap_err();
        assert_eq!(circle.kind(), FailureKind::Host);
        for missing in ["absent", "absent/x", "file/x"] {
            let error = walk(missing, Walk::Follow).unwrap_err();
            assert_eq!(error.kind(), FailureKind::NotFound, "{missing}");
        }
        walk("New/Deep", Walk::Make).unwrap();
        assert!(c.path().join("New/Deep").is_dir());
        let deep = vec!["d"; MOST_LEVELS + 1].join("/");
        assert_eq!(
            walk(&deep, Walk::Make).unwrap_err().kind(),
            FailureKind::Host
        );
    }
}
