//! Engine ⇄ the program that copies files into and out of a container.
//!
//! One program serves one connection and one request. The connection opens with
//! [`Hello`](crate::Hello) both ways; then the client sends one [`Request`].
//!
//! The program says [`Reply::Ready`] when it has reached the container's files; then:
//!
//! | request | client | program |
//! |---|---|---|
//! | [`Request::Stat`] | | [`Reply::Stat`], [`Reply::Done`] |
//! | [`Request::Read`] | | [`Reply::Stat`], [`Reply::Data`] …, [`Reply::Done`] |
//! | [`Request::ReadAll`] | | likewise |
//! | [`Request::Write`] | [`Piece::Data`] …, [`Piece::End`] | [`Reply::Done`] |
//!
//! [`Reply::Failed`] may take the place of any reply, and is the last. An archive that ends without
//! [`Piece::End`] or [`Reply::Done`] was cut short.

use serde::{Deserialize, Serialize};

use crate::supervisor::{MappedDirectory, SiloUser, TemporaryDirectory};

/// The version of this protocol; raised with every change that an older peer cannot decode.
pub const VERSION: u16 = 2;

/// Bytes of an archive in one frame at most.
pub const CHUNK: usize = 64 * 1024;

/// How a container's files are reached: the first thing that the program is told, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum View {
    /// As its programs see them.
    Running {
        /// The supervisor's socket, an absolute Unix path.
        supervisor: String,
        /// The user of the silo's processes.
        user: SiloUser,
    },
    /// Assembled for the moment, for no program runs.
    Stopped(Materials),
}

/// What a container's C: is made of. All paths but targets are absolute Unix paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Materials {
    /// `Files` directories of the layers, the topmost first, the base last.
    pub layers: Vec<String>,
    /// The sandbox, which holds `upper` and `work` of the union.
    pub sandbox: String,
    /// Directories of the host that appear inside.
    pub mapped_directories: Vec<MappedDirectory>,
    /// Directories in memory that appear inside, empty.
    pub temporary_directories: Vec<TemporaryDirectory>,
    /// The user of the silo's processes.
    pub user: SiloUser,
}

/// A place on C:.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Path components below C:, in any case; none is `.` or `..`.
    pub components: Vec<String>,
    /// Whether it is to be a directory: a link at its end is followed.
    pub is_directory: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Describe a file, a directory or a link.
    Stat(Place),
    /// Archive a file, or a directory with all that is in it.
    Read {
        /// What.
        place: Place,
        /// Its name in the archive; names of what is in it begin with this and `/`.
        name: String,
    },
    /// Unpack an archive.
    Write {
        /// An existing directory, or a link to one.
        place: Place,
        /// Whether a directory may not take the place of a file, nor a file that of a directory.
        keeps_kinds: bool,
    },
    /// Archive all of C:, but not what is mounted over it: directories of the host, and those in
    /// memory. Names begin with the first component.
    ReadAll,
}

/// A piece of an archive for the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// At most [`CHUNK`] bytes.
    Data(Vec<u8>),
    /// The archive is whole.
    End,
}

/// What the program answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The container's files are reached, and stay so until the connection ends.
    Ready,
    /// What a place holds.
    Stat(Stat),
    /// At most [`CHUNK`] bytes of the archive.
    Data(Vec<u8>),
    /// Everything was done. Last reply.
    Done,
    /// It was not, or not all of it. Last reply.
    Failed(Failure),
}

/// What a place holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// What kind of thing.
    pub kind: Kind,
    /// Bytes of a file; 0 for others.
    pub size: u64,
    /// Permission bits, as Unix writes them: what Windows knows of them is "read-only".
    pub permissions: u32,
    /// When it was last changed: seconds since 1970-01-01 UTC.
    pub modified: i64,
    /// And nanoseconds.
    pub modified_ns: u32,
    /// Where a link leads: components below C:; empty for others.
    pub link_target: Vec<String>,
}

/// What kind of thing a place holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Something that cannot be copied.
    Other,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What went wrong.
    pub kind: FailureKind,
    /// The chain of causes, outermost first, joined by `: `.
    pub message: String,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// The container was to run, and its programs' view of its files could not be entered: as a
    /// rule because it has just ended. Nothing was done.
    NotRunning,
    /// The place is not there.
    NotFound,
    /// It is no directory and has to be one.
    NotADirectory,
    /// It may not be written to.
    ReadOnly,
    /// The archive is none, or holds what cannot be unpacked.
    BadArchive,
    /// The host or the container refused or failed something.
    Host,
}
