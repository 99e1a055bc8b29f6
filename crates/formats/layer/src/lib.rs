//! The Windows image layer format: a tar archive with PAX records

#![forbid(unsafe_code)]
