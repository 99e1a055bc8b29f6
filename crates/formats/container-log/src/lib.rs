//! What containers print: Docker's json-file logs, and the frames in which both streams travel
//! over one connection.
//!
//! Writing: [`LineSplitter`] cuts a stream into the pieces that make one record each,
//! [`record::encode`] encodes them, and [`LogWriter`] appends them to a file that is rotated when
//! it is full. Reading: [`RotatedLog`] gives the records of all files in order, also those that
//! are appended later, and [`Selection`] filters.
//! [`stdcopy`] frames pieces for a client without a terminal.

#![forbid(unsafe_code)]

pub mod read;
pub mod record;
pub mod rotated;
mod segment;
pub mod split;
pub mod stdcopy;
pub mod tail;
pub mod timestamp;
pub mod write;

pub use read::{LogReader, Selection};
pub use record::{Attributes, Record, RecordError, Stream};
pub use rotated::{Position, RotatedLog};
pub use split::LineSplitter;
pub use timestamp::Timestamp;
pub use write::{LogWriter, Rotation};
