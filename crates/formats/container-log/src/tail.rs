//! Finding the last records of a log without reading it all.

use std::io::{self, Read, Seek, SeekFrom};

/// Bytes that are read at once, backwards.
const BLOCK: u64 = 16 * 1024;

/// Moves `log` to the beginning of its last `count` complete records, or to that of the first when
/// there are fewer, and gives how many that are. A record that is only begun counts as none and
/// comes behind them.
///
/// # Errors
/// Those of reading and seeking.
pub fn last_records(log: &mut (impl Read + Seek), count: u64) -> io::Result<u64> {
    let mut block = Vec::new();
    let mut end = log.seek(SeekFrom::End(0))?;
    // The line feed of the record before the wanted ones ends the search.
    let mut wanted = count.saturating_add(1);
    let mut found = 0;
    let mut records = 0;
    while end > 0 {
        let start = end - end.min(BLOCK);
        log.seek(SeekFrom::Start(start))?;
        block.clear();
        log.by_ref().take(end - start).read_to_end(&mut block)?;
        for (at, _) in block
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, byte)| **byte == b'\n')
        {
            wanted -= 1;
            if wanted == 0 {
                found = start + at as u64 + 1;
                break;
            }
            records += 1;
        }
        end = if wanted == 0 { 0 } else { start };
    }
    log.seek(SeekFrom::Start(found))?;
    Ok(records)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::last_records;
    use proptest::prelude::*;

    fn tail(log: &str, count: u64) -> String {
        let mut cursor = Cursor::new(log.as_bytes());
        let records = last_records(&mut cursor, count).expect("in memory");
        let complete = log.bytes().filter(|&byte| byte == b'\n').count() as u64;
        assert_eq!(records, count.min(complete));
        let mut rest = String::new();
        cursor.read_to_string(&mut rest).expect("UTF-8");
        rest
    }

    #[test]
    fn the_last_records_are_found() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(tail("a\nb\nc\n", 0), "");
        assert_eq!(tail("a\nb\nc\n", 9), "a\nb\nc\n");
        assert_eq!(tail("a\nb\nbegun", 1), "b\nbegun");
        assert_eq!(tail("", 3), "");
        assert_eq!(tail("a\n", u64::MAX), "a\n");
    }

    proptest! {
        #[test]
        fn any_log_has_its_tail(lines in prop::collection::vec("x{0,9000}", 0..12), count in 0usize..14) {
            let log: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let expected: String =
                lines[lines.len() - count.min(lines.len())..].iter().map(|line| format!("{line}\n")).collect();
            prop_assert_eq!(tail(&log, count as u64), expected);
        }
    }
}
