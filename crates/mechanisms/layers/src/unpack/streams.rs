//! Alternate data streams of a layer.

use std::io::Read;

use porthole_layer::LayerPath;
use porthole_winpath::name::folded;

use crate::beneath::{c_name, open_file};
use crate::error::{Context, Outcome};
use crate::stored::Shape;
use crate::tree::{Kind, Tree};

use super::{Last, MOST_NAME_BYTES, Unpacker, files};

impl Unpacker<'_> {
    /// A stream is a file beside its own, and its own says that it has it.
    pub(super) fn stream(
        &mut self,
        path: &LayerPath,
        stream: &str,
        size: u64,
        content: &mut impl Read,
    ) -> Outcome<()> {
        let Some(mut last) = self.last.take_if(|last| last.path == *path) else {
            // The file was set aside.
            self.set_aside.name(format!("{path}:{stream}"));
            return Ok(());
        };
        let owner = self.tree.node(last.node);
        let (parent, name) = (owner.parent, format!("{}:{stream}", owner.name));
        if name.len() > MOST_NAME_BYTES || parent == Tree::ROOT {
            self.set_aside.name(format!("{path}:{stream}"));
            self.last = Some(last);
            return Ok(());
        }
        if let Some(before) = self.tree.child(parent, &name) {
            self.remove(before)?;
        }
        let file = self.create(parent, &name, false)?;
        files::fill(&file, size, content, &mut self.buffer)?;
        files::set_times(&file, last.metadata.modified)?;
        self.size = self.size.saturating_add(size);
        let node = self.tree.insert(parent, &name, Kind::File);
        self.tree.add_stream(last.node, stream, node);
        if !last
            .streams
            .iter()
            .any(|known| folded(known) == folded(stream))
        {
            last.streams.push(stream.to_owned());
        }
        self.name_streams(&last)?;
        self.last = Some(last);
        self.check_metadata()
    }

    /// Says of a file that it has streams.
    fn name_streams(&mut self, last: &Last) -> Outcome<()> {
        let (parent, name) = (
            self.tree.node(last.node).parent,
            self.tree.node(last.node).name.clone(),
        );
        let name = c_name(&name).to("name a file")?;
        if last.shape == Shape::Directory {
            let directory = self.stack.open(&mut self.tree, last.node)?;
            return files::describe(
                directory,
                last.shape,
                &last.metadata,
                &last.streams,
                &mut self.keeper,
            );
        }
        let directory = self.stack.open(&mut self.tree, parent)?;
        let file = open_file(directory, &name).to("open the stream's file")?;
        files::describe(
            &file,
            last.shape,
            &last.metadata,
            &last.streams,
            &mut self.keeper,
        )
    }
}
