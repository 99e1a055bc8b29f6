//! Streams in the upper and below it.

use std::ffi::CStr;

use rustix::fs::FileType;

use crate::beneath::{c_name, is_whiteout, kind, look, open_file};
use crate::error::{Context, Outcome};
use crate::view::Found;

use super::compare::is_same;
use super::{Group, Here, Stream, Visit, Walk, gone};

impl<V: Visit> Walk<'_, V> {
    /// Whether something below has streams that a directory above it hides.
    pub(super) fn hides_streams(
        &self,
        here: &Here<'_>,
        name: &CStr,
        group: &Group,
        found: &Found<'_>,
    ) -> Outcome<bool> {
        if !here.hides {
            return Ok(false);
        }
        let below = self.chain.streams(name, found)?;
        Ok(below.iter().any(|stream| !group.streams.contains(stream)))
    }

    /// Whether the upper has another stream of something than is below.
    pub(super) fn has_streams_changed(
        &self,
        here: &Here<'_>,
        name: &CStr,
        group: &Group,
    ) -> Outcome<bool> {
        for stream in &group.streams {
            let full =
                c_name(&format!("{}:{stream}", name.to_string_lossy())).to("look at a stream")?;
            let Some(stat) = look(here.directory, &full).to("look at a stream")? else {
                continue;
            };
            let below = here.below.look(&full)?;
            let same = match (&below, is_whiteout(&stat)) {
                (None, is_whiteout) => is_whiteout,
                (Some(_), true) => false,
                (Some(below), false) => is_same(here.directory, &full, &stat, below)?,
            };
            if !same {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The streams of something in the union.
    pub(super) fn streams(
        &self,
        here: &Here<'_>,
        name: &CStr,
        group: &Group,
        found: Option<&Found<'_>>,
    ) -> Outcome<Vec<Stream>> {
        let mut all: Vec<String> = group.streams.clone();
        if let Some(found) = found.filter(|_| !here.hides) {
            for stream in self.chain.streams(name, found)? {
                if !all.contains(&stream) {
                    all.push(stream);
                }
            }
        }
        all.sort_unstable();
        let mut streams = Vec::new();
        for stream in all {
            let full =
                c_name(&format!("{}:{stream}", name.to_string_lossy())).to("look at a stream")?;
            let directory = match look(here.directory, &full).to("look at a stream")? {
                Some(stat) if kind(&stat) == FileType::RegularFile => here.directory,
                Some(_) => continue,
                None if here.hides => continue,
                None => match here.below.look(&full)? {
                    Some(found) => found.directory,
                    None => continue,
                },
            };
            let file = gone(open_file(directory, &full)).to("open a stream")?;
            streams.extend(file.map(|file| Stream { name: stream, file }));
        }
        Ok(streams)
    }
}
