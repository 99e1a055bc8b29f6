//! From archive to directory to archive, everything is still there.

use std::collections::BTreeMap;

use porthole_layer::{Entry, EntryKind, FileTime, LayerPath, LayerWriter, Metadata};
use porthole_layers::pack_layer;
use proptest::prelude::*;

use crate::support::{Layers, entries, is_root};

fn name() -> impl Strategy<Value = String> {
    "[a-eA-E]{1,2}|[äÖ中😀]{1,3}|long name with blanks"
}

fn metadata(attributes: impl Strategy<Value = u32>) -> impl Strategy<Value = Metadata> {
    let time = || {
        prop_oneof![
            any::<u64>(),
            116_444_736_000_000_000_u64..140_000_000_000_000_000
        ]
    };
    let security = prop::collection::vec(any::<u8>(), 1..100);
    let extended = prop::collection::btree_map(
        "[A-Z]{1,4}",
        prop::collection::vec(any::<u8>(), 0..40),
        0..2,
    );
    (attributes, security, time(), time(), extended).prop_map(
        |(attributes, security, modified, created, extended)| Metadata {
            attributes,
            security: Some(security),
            sddl: None,
            modified: FileTime(modified),
            created: FileTime(created),
            extended,
        },
    )
}

#[derive(Debug, Clone)]
enum Made {
    Directory(Metadata),
    File(Metadata, Vec<u8>, BTreeMap<String, Vec<u8>>),
    Symlink(Metadata, String),
    Junction(Metadata, String),
    Whiteout,
}

fn made() -> impl Strategy<Value = Made> {
    let content = || prop::collection::vec(any::<u8>(), 0..700);
    let streams = prop::collection::btree_map("[a-z]{1,5}", content(), 0..3);
    let target = || {
        prop_oneof![
            r"C:\\[a-e]{1,3}\\x",
            r"\.\.\\[a-e]",
            r"D:\\x",
            r"\\\\s\\h",
            "中"
        ]
    };
    prop_oneof![
        metadata(any::<u32>()).prop_map(Made::Directory),
        (metadata(any::<u32>()), content(), streams)
            .prop_map(|(metadata, content, streams)| Made::File(metadata, content, streams)),
        (metadata(any::<u32>()), target())
            .prop_map(|(metadata, target)| Made::Symlink(metadata, target)),
        (metadata(any::<u32>()), target())
            .prop_map(|(metadata, target)| Made::Junction(metadata, target)),
        Just(Made::Whiteout),
    ]
}

/// Writes an archive whose directories all have entries; a path below what is no directory is left
/// out, as is a second spelling.
fn write(all: &[(Vec<String>, Made)]) -> Vec<u8> {
    let mut writer = LayerWriter::new(Vec::new());
    let default = Metadata::directory();
    let mut kinds = BTreeMap::from([(String::new(), true)]);
    writer
        .directory(&LayerPath::new("Files").unwrap(), &default)
        .unwrap();
    for (names, made) in all {
        let (name, parents) = names.split_last().unwrap();
        let mut parent = String::new();
        let mut fits = true;
        for name in parents {
            parent = format!("{parent}/{}", name.to_lowercase());
            match kinds.get(&parent) {
                Some(true) => {}
                Some(false) => {
                    fits = false;
                    break;
                }
                None => {
                    kinds.insert(parent.clone(), true);
                    writer
                        .directory(
                            &LayerPath::new(&format!("Files{parent}")).unwrap(),
                            &default,
                        )
                        .unwrap();
                }
            }
        }
        let full = format!("{parent}/{}", name.to_lowercase());
        if !fits || kinds.contains_key(&full) {
            continue;
        }
        kinds.insert(full.clone(), matches!(made, Made::Directory(_)));
        put(
            &mut writer,
            &LayerPath::new(&format!("Files{full}")).unwrap(),
            made,
        );
    }
    writer
        .directory(&LayerPath::new("Hives").unwrap(), &default)
        .unwrap();
    writer.finish().unwrap()
}

fn put(writer: &mut LayerWriter<Vec<u8>>, path: &LayerPath, made: &Made) {
    match made {
        Made::Directory(metadata) => writer.directory(path, metadata).unwrap(),
        Made::File(metadata, content, streams) => {
            writer
                .file(
                    path,
                    metadata,
                    content.len() as u64,
                    &mut content.as_slice(),
                )
                .unwrap();
            for (name, content) in streams {
                writer
                    .stream(name, content.len() as u64, &mut content.as_slice())
                    .unwrap();
            }
        }
        Made::Symlink(metadata, target) => writer.symlink(path, metadata, target).unwrap(),
        Made::Junction(metadata, target) => writer.junction(path, metadata, target).unwrap(),
        Made::Whiteout => writer.whiteout(path).unwrap(),
    }
}

/// By path and stream: the order is the packer's.
fn sorted(archive: &[u8]) -> BTreeMap<(String, String), (Entry, Vec<u8>)> {
    let all = entries(archive).unwrap().into_iter();
    all.map(|(entry, content)| {
        let stream = match &entry.kind {
            EntryKind::Stream { name, .. } => name.clone(),
            _ => String::new(),
        };
        ((entry.path.to_string(), stream), (entry, content))
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn entries_come_back(all in prop::collection::vec((prop::collection::vec(name(), 1..4), made()), 0..12)) {
        if !is_root() {
            return Ok(());
        }
        let archive = write(&all);
        let home = tempfile::tempdir().unwrap();
        let unpacked = porthole_layers::unpack("x", archive.as_slice(), home.path(), &porthole_layers::Limits::default());
        let unpacked = unpacked.unwrap();
        prop_assert_eq!(unpacked.set_aside.names, 0);
        prop_assert_eq!(unpacked.archive_size, archive.len() as u64);
        let (packed, _) = pack_layer(home.path(), &[], Vec::new(), &mut |_| ()).unwrap();
        let (packed, written) = (sorted(&packed), sorted(&archive));
        prop_assert_eq!(packed.keys().collect::<Vec<_>>(), written.keys().collect::<Vec<_>>());
        for (name, entry) in &written {
            prop_assert_eq!(&packed[name], entry, "{:?}", name);
        }
    }

    #[test]
    fn damaged_archives_never_panic_nor_leave_the_directory(
        all in prop::collection::vec((prop::collection::vec(name(), 1..4), made()), 1..8),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        if !is_root() {
            return Ok(());
        }
        let mut archive = write(&all);
        for (at, byte) in damage {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        let mut layers = Layers::new();
        let _ = layers.add(&archive);
        // Nothing but the layer's own directory.
        let outside: Vec<_> = std::fs::read_dir(layers.home.path()).unwrap().collect();
        prop_assert_eq!(outside.len(), 1);
    }
}
