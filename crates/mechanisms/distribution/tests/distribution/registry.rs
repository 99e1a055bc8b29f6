//! Images to and from Debian's registry, and `skopeo` beside it.

use std::process::Command;
use std::sync::Arc;

use porthole_distribution::ErrorKind;
use porthole_oci::media_type::{DOCKER_MANIFEST, OCI_MANIFEST};
use porthole_oci::{Descriptor, Digest, Format, Index, Manifest, Platform, Wanted};

use crate::debian::{Registry, Setup};
use crate::server::{Reply, Server};
use crate::support::{Image, Memory, Told, client, fetch, nobody, push, reference, wanted};

fn skopeo(arguments: &[&str]) -> String {
    let output = Command::new("skopeo").args(arguments).output();
    let output = output.expect("skopeo, which `cargo xtask test` installs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "skopeo {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_goes_there_and_back() {
    let registry = Registry::start(Setup::default()).await;
    let client = client();
    let name = reference(format!("{}/some/image:1", registry.host));
    let image = Image::new(1, 300_000);
    assert_eq!(
        client
            .has_blob(&name, image.manifest.config.digest, nobody())
            .await
            .unwrap(),
        None
    );
    let digest = push(&client, &name, &image, nobody()).await.unwrap();
    assert_eq!(digest, Digest::of(&image.bytes));
    let layer = image.layer_descriptor();
    let held = client.has_blob(&name, layer.digest, nobody()).await;
    assert_eq!(held.unwrap(), Some(layer.size));
    let resolved = client.resolve(&name, nobody(), &wanted()).await.unwrap();
    assert_eq!(resolved.bytes, image.bytes);
    assert_eq!(
        (resolved.digest, resolved.manifest_digest),
        (digest, digest)
    );
    assert_eq!(fetch(&client, &name, layer, 0).await.unwrap(), image.layer);
    assert_eq!(
        fetch(&client, &name, layer, 299_990).await.unwrap(),
        image.layer[299_990..]
    );
    assert_eq!(
        fetch(&client, &name, layer, layer.size).await.unwrap(),
        [0_u8; 0]
    );
    let by_digest = reference(format!("{}@{digest}", name.full_repository()));
    let resolved = client
        .resolve(&by_digest, nobody(), &wanted())
        .await
        .unwrap();
    assert_eq!(resolved.manifest, image.manifest);
    let inspected = client.inspect(&name, nobody()).await.unwrap();
    assert_eq!(
        inspected.descriptor,
        Descriptor::of(DOCKER_MANIFEST, &image.bytes)
    );
    assert_eq!(
        inspected.platforms[0].os_version.as_deref(),
        Some("10.0.20348.1")
    );
    assert_eq!(client.tags(&name, nobody()).await.unwrap(), ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_in_dockers_words() {
    let registry = Registry::start(Setup::default()).await;
    let client = client();
    let name = reference(format!("{}/some/image", registry.host));
    let error = client
        .resolve(&name, nobody(), &wanted())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        format!("manifest for {name} not found: manifest unknown: manifest unknown")
    );
    let error = client.tags(&name, nobody()).await.unwrap_err();
    let sentence =
        format!("repository {name} not found: name unknown: repository name not known to registry");
    assert_eq!(error.to_string(), sentence);
    let missing = Descriptor::of("x", b"missing");
    let error = fetch(&client, &name, &missing, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let image = Image::new(2, 10);
    let media_type = image.manifest.media_type();
    let put = client.put_manifest(&name, media_type, image.bytes, nobody());
    let error = put.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Refused, Some("MANIFEST_BLOB_UNKNOWN"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_gives_the_image_for_windows_without_being_told() {
    let registry = Registry::start(Setup::default()).await;
    let client = client();
    let name = reference(format!("{}/hello-world:latest", registry.host));
    let mut entries = Vec::new();
    for (seed, os, architecture, version) in [
        (1, "linux", "amd64", None),
        (2, "linux", "arm64", None),
        (3, "windows", "amd64", Some("10.0.26100.32690")),
        (4, "windows", "amd64", Some("10.0.20348.5020")),
    ] {
        let image = Image::new(seed, 100);
        let digest = Digest::of(&image.bytes);
        let by_digest = reference(format!("{}@{digest}", name.full_repository()));
        push(&client, &by_digest, &image, nobody()).await.unwrap();
        let mut entry = Descriptor::of(DOCKER_MANIFEST, &image.bytes);
        entry.platform = Some(Platform {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            os_version: version.map(str::to_owned),
            ..Platform::default()
        });
        entries.push(entry);
    }
    let index = Index::new(Format::Docker, entries.clone());
    let bytes = index.to_bytes().unwrap();
    let put = client.put_manifest(&name, index.media_type(), bytes.clone(), nobody());
    put.await.unwrap();
    let resolved = client.resolve(&name, nobody(), &wanted()).await.unwrap();
    assert_eq!(resolved.digest, Digest::of(&bytes));
    assert_eq!(resolved.manifest_digest, entries[3].digest);
    assert_eq!(resolved.platform, entries[3].platform);
    let inspected = client.inspect(&name, nobody()).await.unwrap();
    assert_eq!(inspected.platforms.len(), 4);
    let arm = Wanted {
        architecture: "arm".to_owned(),
        ..wanted()
    };
    let error = client.resolve(&name, nobody(), &arm).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoMatch);
    assert_eq!(
        error.to_string(),
        "no matching manifest for windows/arm 10.0.20348 in the manifest list entries"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_taken_over_from_another_repository() {
    let registry = Registry::start(Setup::default()).await;
    let client = client();
    let first = reference(format!("{}/first", registry.host));
    let second = reference(format!("{}/second/deeper", registry.host));
    let image = Image::new(3, 1000);
    push(&client, &first, &image, nobody()).await.unwrap();
    let digest = image.layer_descriptor().digest;
    let mount = |digest| {
        let (client, first, second) = (client.clone(), first.clone(), second.clone());
        async move {
            client
                .mount_blob(&second, &first, digest, nobody())
                .await
                .unwrap()
        }
    };
    assert!(mount(digest).await);
    let held = client.has_blob(&second, digest, nobody()).await.unwrap();
    assert_eq!(held, Some(1000));
    assert!(!mount(Digest::of(b"nowhere")).await);
    assert!(
        !client
            .mount_blob(&first, &first, digest, nobody())
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn where_a_mount_cannot_be_asked_for_the_blob_is_to_be_uploaded() {
    let server = Server::start(|request| match request.path.as_str() {
        "/v2/" => Reply::new(200, ""),
        _ => Reply::new(503, ""),
    })
    .await;
    let first = reference(format!("{}/first", server.address));
    let second = reference(format!("{}/second", server.address));
    let mounted = client()
        .mount_blob(&second, &first, Digest::of(b"x"), nobody())
        .await;
    assert!(!mounted.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_blob_than_was_promised_is_refused_by_the_registry() {
    let registry = Registry::start(Setup::default()).await;
    let name = reference(format!("{}/x", registry.host));
    let told = Arc::new(Told::default());
    let upload = |digest, size, bytes: &'static [u8]| {
        let (client, name, told) = (client(), name.clone(), Arc::clone(&told));
        async move {
            let source = Memory(bytes.to_vec());
            client
                .upload_blob(&name, digest, size, &source, nobody(), told)
                .await
        }
    };
    let error = upload(Digest::of(b"other"), 5, b"bytes").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Refused, Some("DIGEST_INVALID"))
    );
    let error = upload(Digest::of(b"bytes"), 6, b"bytes").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source);
    assert_eq!(
        error.to_string(),
        "cannot read the blob: the blob ends after 5 bytes"
    );
    upload(Digest::of(b""), 0, b"").await.unwrap();
    upload(Digest::of(b"bytes"), 5, b"bytes").await.unwrap();
    assert_eq!(told.moved.lock().unwrap().last(), Some(&5));
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_reads_what_we_push_and_we_read_what_it_copies() {
    let registry = Registry::start(Setup::default()).await;
    let client = client();
    let name = reference(format!("{}/ours:1", registry.host));
    let image = Image::new(7, 5000);
    let digest = push(&client, &name, &image, nobody()).await.unwrap();
    let ours = format!("docker://{name}");
    let insecure = "--tls-verify=false";
    let seen: serde_json::Value =
        serde_json::from_str(&skopeo(&["inspect", insecure, &ours])).unwrap();
    assert_eq!(seen["Digest"], digest.to_string());
    assert_eq!(seen["Os"], "windows");
    assert_eq!(
        skopeo(&["inspect", insecure, "--raw", &ours]).into_bytes(),
        image.bytes
    );
    let theirs = format!("docker://{}/theirs:2", registry.host);
    skopeo(&[
        "copy",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        "--format=oci",
        &ours,
        &theirs,
    ]);
    let theirs = reference(format!("{}/theirs:2", registry.host));
    let resolved = client.resolve(&theirs, nobody(), &wanted()).await.unwrap();
    assert_eq!(resolved.media_type, OCI_MANIFEST);
    assert_eq!(resolved.manifest.config.digest, Digest::of(&image.config));
    let config = client
        .config(&theirs, &resolved.manifest, nobody())
        .await
        .unwrap();
    assert_eq!(config.os, "windows");
    let layer = fetch(&client, &theirs, &resolved.manifest.layers[0], 0).await;
    assert_eq!(
        layer.unwrap().len(),
        usize::try_from(resolved.manifest.layers[0].size).unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn our_foreign_layers_are_refused_by_name_where_the_registry_does_not_allow_them() {
    let registry = Registry::start(Setup::default()).await;
    let client = client();
    let name = reference(format!("{}/foreign:1", registry.host));
    let image = Image::new(8, 100);
    let mut foreign = image.manifest.clone();
    foreign.layers[0].media_type = porthole_oci::media_type::DOCKER_FOREIGN_LAYER_GZIP.to_owned();
    foreign.layers[0].urls = vec!["https://mcr.microsoft.com/v2/x".to_owned()];
    let config = Memory(image.config.clone());
    let described: &Descriptor = &image.manifest.config;
    client
        .upload_blob(
            &name,
            described.digest,
            described.size,
            &config,
            nobody(),
            Arc::new(()),
        )
        .await
        .unwrap();
    let bytes = Manifest::to_bytes(&foreign).unwrap();
    let put = client.put_manifest(&name, foreign.media_type(), bytes, nobody());
    let error = put.await.unwrap_err();
    assert!(error.code().is_some(), "{error}");
}
