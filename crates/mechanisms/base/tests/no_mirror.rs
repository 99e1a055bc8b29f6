//! A build without a mirror leaves nothing behind and says what to do.

use std::fs;

use porthole_base::{BaseKind, BuildOptions, ErrorKind, OsVersion, Silent};
use porthole_store::Store;

#[test]
fn an_unreachable_mirror_leaves_no_half_image() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let programs = root.path().join("guest");
    fs::create_dir(&programs).unwrap();
    let (store, _) = Store::open(root.path().join("data")).unwrap();
    let options = BuildOptions {
        kind: BaseKind::Nanoserver,
        mirror: Some("http://127.0.0.1:1/debian".to_owned()),
        refresh: false,
        guest_programs: programs,
        os_version: OsVersion::default(),
    };
    let error = porthole_base::build(&store, &options, &Silent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mirror);
    assert!(
        error.to_string().contains("http://127.0.0.1:1/debian"),
        "{error}"
    );
    assert!(error.remedy().unwrap().contains("--mirror"));
    assert_eq!(store.images().unwrap(), []);
    assert_eq!(fs::read_dir(store.root().layers()).unwrap().count(), 0);
    let error = porthole_base::verify(&store, &Silent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
