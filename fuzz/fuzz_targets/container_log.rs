#![cfg_attr(not(test), no_main)]

use std::io::Cursor;

use porthole_container_log::record::Attributes;
use porthole_container_log::stdcopy::FrameDecoder;
use porthole_container_log::{LineSplitter, LogReader, Stream, Timestamp, record, tail};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

pub(crate) fn check(input: &[u8]) {
    let mut stream: Vec<u8> = Vec::new();
    let mut log = Vec::new();
    let mut pieces = 0;
    let mut take = |piece: &[u8]| {
        stream.extend(piece);
        record::encode(
            &mut log,
            Stream::Stderr,
            Timestamp(0),
            &Attributes::default(),
            piece,
        );
        pieces += 1;
    };
    let mut splitter = LineSplitter::new();
    for chunk in input.chunks(usize::from(input.first().copied().unwrap_or(0)) + 1) {
        splitter.push(chunk, &mut take);
    }
    splitter.finish(&mut take);
    assert_eq!(stream, input);

    let mut reader = LogReader::new(log.as_slice());
    let mut read = 0;
    while reader
        .next_record()
        .expect("our own log is well-formed")
        .is_some()
    {
        read += 1;
    }
    assert_eq!(read, pieces);

    let mut reader = LogReader::new(input);
    while !matches!(reader.next_record(), Ok(None)) {}
    let _ = tail::last_records(&mut Cursor::new(input), 3);
    let _ = FrameDecoder::new().push(input, |_, _| {});
}
