#![cfg_attr(not(test), no_main)]

use porthole_oci::{
    Descriptor, Document, ImageConfig, Index, MAX_INDEX_ENTRIES, MAX_LAYERS, Manifest,
    MicrosoftBase, Reference, Wanted, media_type,
};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

/// The first byte says what the document was sent as.
pub(crate) fn check(input: &[u8]) {
    let Some((kind, document)) = input.split_first() else {
        return;
    };
    let sent_as = match kind % 5 {
        0 => Some(media_type::DOCKER_MANIFEST),
        1 => Some(media_type::DOCKER_INDEX),
        2 => Some(media_type::OCI_MANIFEST),
        3 => Some(media_type::OCI_INDEX),
        _ => None,
    };
    let config = ImageConfig::parse(document);
    if let Ok(config) = &config {
        check_config(config, &[]);
    }
    match Document::parse(document, sent_as) {
        Ok(Document::Manifest(manifest)) => check_manifest(&manifest, config.ok().as_ref()),
        Ok(Document::Index(index)) => check_index(&index),
        Err(_) => {}
    }
}

fn check_config(config: &ImageConfig, layers: &[Descriptor]) {
    assert!(config.rootfs.diff_ids.len() <= MAX_LAYERS);
    assert_eq!(config.layer_ids().len(), config.rootfs.diff_ids.len());
    let written = serde_json::to_vec(config).expect("plain data");
    assert_eq!(&ImageConfig::parse(&written).expect("our own"), config);
    let names: [Reference; 1] = ["example.com/x".parse().expect("a name")];
    if let Ok(Some(base)) = MicrosoftBase::of(config, layers, &names) {
        assert!(base.layers > 0 && base.layers <= config.rootfs.diff_ids.len());
    }
}

fn check_manifest(manifest: &Manifest, config: Option<&ImageConfig>) {
    assert!(manifest.layers.len() <= MAX_LAYERS);
    let _ = manifest.check_image();
    if let Some(config) = config {
        check_config(config, &manifest.layers);
    }
    let written = manifest.to_bytes().expect("no larger than what was read");
    let read = Document::parse(&written, Some(manifest.media_type())).expect("our own");
    assert_eq!(read, Document::Manifest(manifest.clone()));
}

fn check_index(index: &Index) {
    assert!(index.manifests.len() <= MAX_INDEX_ENTRIES);
    let wanted = Wanted::windows("10.0.20348.1".parse().expect("a version"));
    if let Ok(chosen) = index.choose(&wanted) {
        let is_ours =
            |platform: &porthole_oci::Platform| platform.os.eq_ignore_ascii_case("windows");
        assert!(chosen.platform.as_ref().is_none_or(is_ours));
    }
    let written = index.to_bytes().expect("no larger than what was read");
    let read = Document::parse(&written, Some(index.media_type())).expect("our own");
    assert_eq!(read, Document::Index(index.clone()));
}
