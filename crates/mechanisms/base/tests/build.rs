//! Builds both bases for real, from the mirror that this machine uses.
//!
//! Needs root, a mirror of Debian and some minutes, so it runs only when asked:
//! `PORTHOLE_TEST_BASE_BUILD=<directory of guest programs> cargo test -p porthole-base --test build`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use porthole_base::{BaseKind, BuildOptions, OsVersion, Progress};
use porthole_store::Store;

struct Printed(Instant);

impl Progress for Printed {
    fn begin(&self, step: &str, total: u64) {
        println!(
            "{:>6.1} s  {step} ({total} bytes)",
            self.0.elapsed().as_secs_f64()
        );
    }

    fn advance(&self, _amount: u64) {}

    fn note(&self, message: &str) {
        println!("           {message}");
    }
}

#[test]
fn both_bases_are_built_kept_and_sound() {
    let Ok(programs) = std::env::var("PORTHOLE_TEST_BASE_BUILD") else {
        println!("skipped: PORTHOLE_TEST_BASE_BUILD does not name the directory of guest programs");
        return;
    };
    let temporary = tempfile::tempdir().unwrap();
    let root =
        std::env::var("PORTHOLE_TEST_DATA_ROOT").map_or(temporary.path().to_owned(), PathBuf::from);
    let (store, _) = Store::open(root).unwrap();
    for kind in BaseKind::ALL {
        let options = BuildOptions {
            kind,
            mirror: None,
            refresh: false,
            guest_programs: programs.clone().into(),
            os_version: OsVersion::default(),
        };
        let progress = Printed(Instant::now());
        let report = porthole_base::build(&store, &options, &progress).unwrap();
        println!("{report:#?} in {:?}", progress.0.elapsed());
        let (unpacked, compressed) = kind.size_limits();
        assert!(report.unpacked <= unpacked && report.compressed <= compressed);
        let start = Instant::now();
        let again = porthole_base::build(&store, &options, &progress).unwrap();
        assert!(!again.is_new && again.image == report.image);
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
    }
    let (bases, kernel) = porthole_base::list(&store).unwrap();
    assert_eq!(bases.len(), 2);
    assert!(kernel.is_some());
    for verified in porthole_base::verify(&store, &Printed(Instant::now())).unwrap() {
        assert_eq!(verified.differences, [], "{}", verified.subject);
    }
}
