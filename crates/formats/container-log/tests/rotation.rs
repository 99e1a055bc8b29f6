//! What holds for a log however it is written, rotated, cut short and read: its records come once
//! and in order.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use porthole_container_log::record::encode;
use porthole_container_log::{Attributes, LogWriter, RotatedLog, Rotation, Stream, Timestamp};
use proptest::prelude::*;

/// More files than any test fills.
const ALL_KEPT: u32 = 1_000_000;

/// Records of the numbers.
fn records(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut out = Vec::new();
    for number in numbers {
        let text = format!("{number}\n");
        encode(
            &mut out,
            Stream::Stdout,
            Timestamp(number.cast_signed()),
            &Attributes::default(),
            text.as_bytes(),
        );
    }
    out
}

/// The numbers up to where the log ends now.
fn read(log: &mut RotatedLog) -> Vec<u64> {
    let next = || log.next_record().expect("a record");
    let number = |text: String| text.trim_end().parse().expect("a number");
    std::iter::from_fn(next)
        .map(|record| number(record.log))
        .collect()
}

fn whole(path: &Path) -> Vec<u64> {
    read(&mut RotatedLog::new(path))
}

fn rotation(max_size: u64, max_files: u32, compress: bool) -> Option<Rotation> {
    Some(Rotation {
        max_size,
        max_files,
        compress,
    })
}

/// Makes files as a writer that was killed leaves them, and their log's path.
fn left(directory: &Path, files: &[(&str, u64)]) -> PathBuf {
    for (suffix, number) in files {
        std::fs::write(directory.join(format!("log{suffix}")), records([*number])).expect("a file");
    }
    directory.join("log")
}

/// Waits until file 1 is compressed, for which no writer waits.
fn await_compressed(directory: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !directory.join("log.1.gz").exists() || directory.join("log.1").exists() {
        assert!(Instant::now() < deadline, "not compressed");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_a_killed_writer_left_uncompressed_the_next_one_compresses() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = left(directory.path(), &[("", 2), (".1", 1), (".gz.new", 7)]);
    let writer = LogWriter::open(&path, rotation(1000, 4, true)).expect("a log");
    await_compressed(directory.path());
    drop(writer);
    assert!(!directory.path().join("log.gz.new").exists());
    assert_eq!(whole(&path), [1, 2]);
}

#[test]
fn a_rotation_that_was_cut_short_loses_nothing() {
    for files in [
        // Between two files that are moved.
        &[("", 3), (".1", 2), (".3", 1)][..],
        &[("", 3), (".2", 2), (".3", 1)],
        // Before the new one has its name.
        &[(".1", 3), (".2", 2), (".3", 1)],
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = left(directory.path(), files);
        assert_eq!(whole(&path), [1, 2, 3], "{files:?}");
        std::fs::write(directory.path().join("log.new"), "").expect("a file");
        let mut writer = LogWriter::open(&path, rotation(1, 9, false)).expect("a log");
        for number in 4..6 {
            writer.append(&records([number])).expect("written");
        }
        assert_eq!(whole(&path), [1, 2, 3, 4, 5], "{files:?}");
    }
}

#[test]
fn a_compression_that_was_cut_short_doubles_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = left(directory.path(), &[("", 1)]);
    // The original itself, as nothing else can have its inode while it is there.
    let original = directory.path().join("original");
    std::fs::hard_link(&path, &original).expect("a link");
    let mut writer = LogWriter::open(&path, rotation(1, 4, true)).expect("a log");
    writer.append(&records([2])).expect("written");
    drop(writer);
    await_compressed(directory.path());
    std::fs::rename(original, directory.path().join("log.1")).expect("renamed");
    left(directory.path(), &[(".gz.new", 7)]);
    assert_eq!(whole(&path), [1, 2]);
    let mut writer = LogWriter::open(&path, rotation(1, 4, true)).expect("a log");
    writer.append(&records([3])).expect("written");
    assert_eq!(whole(&path), [1, 2, 3]);
}

#[test]
fn a_log_is_read_up_to_now_and_no_further() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let mut none = RotatedLog::up_to_now(&path).expect("no log yet");
    let mut writer = LogWriter::open(&path, rotation(100, ALL_KEPT, false)).expect("a log");
    writer.append(&records(0..10)).expect("written");
    let mut log = RotatedLog::up_to_now(&path).expect("a log");
    writer.append(&records(10..30)).expect("written");
    assert_eq!(read(&mut log), (0..10).collect::<Vec<_>>());
    assert!(read(&mut log).is_empty() && read(&mut none).is_empty());
}

#[test]
fn a_follower_keeps_up_with_a_writer_beside_it() {
    for compress in [false, true] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        let mut writer = LogWriter::open(&path, rotation(2000, ALL_KEPT, compress)).expect("a log");
        let writing = std::thread::spawn(move || {
            for first in (0..3000).step_by(7) {
                writer.append(&records(first..first + 7)).expect("written");
            }
        });
        let mut log = RotatedLog::new(&path);
        let mut seen = Vec::new();
        while !writing.is_finished() {
            seen.extend(read(&mut log));
        }
        writing.join().expect("written");
        seen.extend(read(&mut log));
        let missing = seen
            .iter()
            .copied()
            .zip(0..)
            .find(|(seen, expected)| seen != expected);
        assert_eq!((missing, seen.len()), (None, 3003), "{compress}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Write(u64),
    Follow,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u64..20).prop_map(Step::Write),
        3 => Just(Step::Follow),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn records_come_once_and_in_order(
        steps in prop::collection::vec(step(), 0..25),
        max_size in 1u64..600,
        max_files in prop_oneof![1u32..5, Just(ALL_KEPT)],
        compress in any::<bool>(),
        count in 0u64..60,
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        let rotation = rotation(max_size, max_files, compress);
        let mut writer = LogWriter::open(&path, rotation).expect("a log");
        let mut log = RotatedLog::new(&path);
        let (mut written, mut seen) = (0, Vec::new());
        for step in steps {
            match step {
                Step::Write(count) => {
                    writer.append(&records(written..written + count)).expect("written");
                    written += count;
                }
                Step::Follow => seen.extend(read(&mut log)),
                Step::Restart => writer = LogWriter::open(&path, rotation).expect("a log"),
            }
        }
        seen.extend(read(&mut log));
        let kept = whole(&path);
        let mut last = RotatedLog::tail(&path, count).expect("a log");
        let last = read(&mut last);

        // What was dropped before it was read is missed, and nothing else.
        prop_assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
        prop_assert!(kept.iter().copied().eq(written - kept.len() as u64..written), "{kept:?}");
        prop_assert!(seen.ends_with(&kept[kept.len().saturating_sub(1)..]));
        let expected = count.min(kept.len() as u64);
        prop_assert!(last.iter().copied().eq(written - expected..written), "{last:?}");
        if max_files == ALL_KEPT {
            prop_assert_eq!(&kept, &(0..written).collect::<Vec<_>>());
            prop_assert_eq!(&seen, &kept);
        }
    }
}

#[test]
fn reading_goes_on_after_a_record_wherever_it_has_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let size = records([10]).len() as u64;
    let mut writer = LogWriter::open(&path, rotation(3 * size, 4, true)).expect("a log");
    let mut log = RotatedLog::new(&path);
    let mut positions = Vec::new();
    for number in 10..20 {
        writer.append(&records([number])).expect("written");
        let record = log.next_record().expect("readable").expect("a record");
        positions.push(log.position(&record).expect("a position"));
    }
    for (number, position) in (10..20).zip(positions) {
        let mut rest = RotatedLog::after_record(&path, position)
            .expect("readable")
            .expect("the record is there");
        assert_eq!(read(&mut rest), ((number + 1)..20).collect::<Vec<_>>());
        // Another file that got the inode of one that is gone.
        let other = porthole_container_log::Position {
            time: Timestamp(0),
            ..position
        };
        let found = RotatedLog::after_record(&path, other).expect("readable");
        assert!(found.is_none(), "{number}");
    }
}
