//! Replays the seeds in `fuzz/seeds`, small well-formed inputs and every input that once found a
//! fault, through the checks that the fuzz targets make.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

#[path = "../../fuzz/fuzz_targets/container_log.rs"]
mod container_log;
#[path = "../../fuzz/fuzz_targets/hcs.rs"]
mod hcs;
#[path = "../../fuzz/fuzz_targets/layer.rs"]
mod layer;
#[path = "../../fuzz/fuzz_targets/layer_unpack.rs"]
mod layer_unpack;
#[path = "../../fuzz/fuzz_targets/oci_documents.rs"]
mod oci_documents;
#[path = "../../fuzz/fuzz_targets/oci_reference.rs"]
mod oci_reference;
#[path = "../../fuzz/fuzz_targets/protocol.rs"]
mod protocol;
#[path = "../../fuzz/fuzz_targets/registry_regf.rs"]
mod registry_regf;
#[path = "../../fuzz/fuzz_targets/registry_text.rs"]
mod registry_text;
#[path = "../../fuzz/fuzz_targets/registry_union.rs"]
mod registry_union;
#[path = "../../fuzz/fuzz_targets/winpath.rs"]
mod winpath;

/// What a target makes of an input: a fault panics.
type Check = fn(&[u8]);

/// The checks by the names of their targets.
const CHECKS: [(&str, Check); 11] = [
    ("container_log", container_log::check),
    ("hcs", hcs::check),
    ("layer", layer::check),
    ("layer_unpack", layer_unpack::check),
    ("oci_documents", oci_documents::check),
    ("oci_reference", oci_reference::check),
    ("protocol", protocol::check),
    ("registry_regf", registry_regf::check),
    ("registry_text", registry_text::check),
    ("registry_union", registry_union::check),
    ("winpath", winpath::check),
];

fn fuzz(path: &str) -> PathBuf {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz"));
    root.join(path)
}

/// The names in a directory, without what comes after a dot.
fn names(path: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz(path)).expect("a directory");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("a plain name");
        name.split('.').next().unwrap_or(name).to_owned()
    };
    entries.map(name).collect()
}

#[test]
fn every_target_and_every_directory_of_seeds_is_replayed() {
    let known: BTreeSet<String> = CHECKS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), known);
    assert_eq!(names("seeds"), known);
}

#[test]
fn seeds_hold() {
    for (name, check) in CHECKS {
        let directory = fuzz("seeds").join(name);
        let mut count = 0;
        for entry in fs::read_dir(&directory).expect("seeds") {
            let path = entry.expect("an entry").path();
            let input = fs::read(&path).expect("a seed");
            println!("{}", path.display());
            check(&input);
            // What is cut off is what a connection that breaks leaves.
            for end in (0..input.len()).step_by(input.len() / 64 + 1) {
                check(&input[..end]);
            }
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}
