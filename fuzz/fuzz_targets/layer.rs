#![cfg_attr(not(test), no_main)]

use std::io::Read;

use porthole_layer::{Entry, EntryKind, LayerReader, LayerWriter};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

pub(crate) fn check(input: &[u8]) {
    let mut reader = LayerReader::new(input);
    while let Ok(Some(entry)) = reader.next_entry() {
        check_path(&entry);
        let (EntryKind::File { size } | EntryKind::Stream { size, .. }) = entry.kind else {
            continue;
        };
        let mut content = Vec::new();
        if reader.read_to_end(&mut content).is_err() {
            return;
        }
        assert_eq!(content.len() as u64, size);
        if matches!(entry.kind, EntryKind::File { .. }) {
            comes_back(&entry, &content);
        }
    }
}

fn check_path(entry: &Entry) {
    let paths = match &entry.kind {
        EntryKind::HardLink { target } => vec![&entry.path, target],
        _ => vec![&entry.path],
    };
    for path in paths {
        assert!(
            path.components()
                .all(|name| !matches!(name, "" | "." | "..") && !name.contains([':', '\\', '/']))
        );
    }
}

fn comes_back(entry: &Entry, content: &[u8]) {
    let mut writer = LayerWriter::new(Vec::new());
    let written = writer.file(
        &entry.path,
        &entry.metadata,
        content.len() as u64,
        &mut &content[..],
    );
    written.expect("what was read can be written");
    let archive = writer.finish().expect("memory takes everything");
    let mut reader = LayerReader::new(archive.as_slice());
    let mut last = None;
    while let Some(next) = reader.next_entry().expect("our own layer is well-formed") {
        last = Some(next);
    }
    let last = last.expect("one file was written");
    assert_eq!(last.path, entry.path);
    assert_eq!(last.metadata.modified, entry.metadata.modified);
    assert_eq!(last.metadata.attributes, entry.metadata.attributes);
}
