//! What containers print: Docker's json-file logs, and the frames in which both streams travel
//! over one connection.
//!
//! Writing: [`LineSplitter`] cuts a stream into the pieces that make one record each, and
//! [`record::encode`] writes them. Reading: [`tail::last_records`] finds where to begin,
//! [`LogReader`] gives records, also those that are appended later, and [`Selection`] filters.
//! [`stdcopy`] frames pieces for a client without a terminal.

#![forbid(unsafe_code)]

pub mod read;
pub mod record;
pub mod split;
pub mod stdcopy;
pub mod tail;
pub mod timestamp;

pub use read::{LogReader, Selection};
pub use record::{Record, RecordError, Stream};
pub use split::LineSplitter;
pub use timestamp::Timestamp;
