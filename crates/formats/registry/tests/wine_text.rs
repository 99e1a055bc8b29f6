//! Wine's registry text: what wineserver writes comes back byte for byte.

use porthole_registry::text::{self, Architecture, TextErrorKind};
use porthole_registry::{FileTime, Value, ValueKind};

/// In the manner of a prefix's `system.reg`, with every kind of line.
const GOLDEN: &[u8] = include_bytes!("golden/system.reg");

#[test]
fn a_golden_file_comes_back_byte_for_byte() {
    let document = text::read(GOLDEN).expect("well-formed");
    assert_eq!(
        String::from_utf8(text::write(&document)),
        String::from_utf8(GOLDEN.to_vec())
    );
}

#[test]
fn every_kind_of_line_is_understood() {
    let document = text::read(GOLDEN).expect("well-formed");
    assert_eq!(document.root, text::MACHINE);
    assert_eq!(document.architecture, Some(Architecture::Win64));
    let values = document.tree.open(r"Software\Test\Values").expect("there");
    assert_eq!(values.last_write, FileTime(0x1db_c2a4_5f00_1234));
    assert_eq!(values.value(""), Some(&Value::string("default")));
    assert_eq!(
        values.value("expand"),
        Some(&Value::expand_string(r"%SystemRoot%\x"))
    );
    assert_eq!(
        values.value("multi"),
        Some(&Value::multi_string(&["one", "two"]))
    );
    assert_eq!(
        values.value("unterminated").map(|value| value.data.len()),
        Some(6)
    );
    assert_eq!(values.value("number"), Some(&Value::dword(0xdead_beef)));
    assert_eq!(values.value("qword"), Some(&Value::qword(1)));
    assert_eq!(
        values.value("none").map(|value| value.kind),
        Some(ValueKind::NONE)
    );
    assert_eq!(
        values.value("odd type").map(|value| value.kind),
        Some(ValueKind(0xffff_0012))
    );
    assert_eq!(values.value("long").map(|value| value.data.len()), Some(64));
    assert_eq!(
        values
            .value("quote\" [é] 中文")
            .and_then(Value::as_string)
            .as_deref(),
        Some("tab\tline\nend\u{1}7 ü")
    );
    let link = document
        .tree
        .open(r"System\CurrentControlSet")
        .expect("there");
    assert!(link.symlink);
    let target = link.value("SymbolicLinkValue").and_then(Value::as_string);
    assert_eq!(
        target.as_deref(),
        Some(r"\Registry\Machine\System\ControlSet001")
    );
    let classed = document
        .tree
        .open(r"System\ControlSet001\Control\Lsa\JD")
        .expect("there");
    assert_eq!(
        classed
            .class
            .as_deref()
            .map(String::from_utf16_lossy)
            .as_deref(),
        Some("a1b2\"c")
    );
}

#[test]
fn a_key_without_entry_takes_the_time_of_the_first_below_it() {
    let document = text::read(GOLDEN).expect("well-formed");
    let implied = document.tree.open(r"Software\Test").expect("there");
    assert_eq!(
        implied.last_write,
        document
            .tree
            .open(r"Software\Test\[Odd]_Name")
            .expect("there")
            .last_write
    );
}

#[test]
fn a_class_does_not_grow_with_every_start() {
    let text = b"WINE REGISTRY Version 2\n\n[k] 1\n#class=\"a\\0b\\0\\0\"\n";
    let tree = text::read(text).expect("well-formed").tree;
    let class = tree.open("k").expect("there").class.clone();
    assert_eq!(class.as_deref(), Some(&[97, 0, 98][..]));
}

#[test]
fn malformed_lines_are_named() {
    let cases: [(&[u8], usize, TextErrorKind); 9] = [
        (b"", 1, TextErrorKind::Header),
        (b"REGEDIT4\n", 1, TextErrorKind::Header),
        (
            b"WINE REGISTRY Version 2\n#arch=arm\n",
            2,
            TextErrorKind::Architecture,
        ),
        (
            b"WINE REGISTRY Version 2\n\"a\"=\"b\"\n",
            2,
            TextErrorKind::NoKey,
        ),
        (b"WINE REGISTRY Version 2\n[open\n", 2, TextErrorKind::Key),
        (
            b"WINE REGISTRY Version 2\n[a\\\\\\\\b]\n",
            2,
            TextErrorKind::Key,
        ),
        (
            b"WINE REGISTRY Version 2\n[a]\n\"b\n",
            3,
            TextErrorKind::ValueName,
        ),
        (
            b"WINE REGISTRY Version 2\n[a]\n\"b\"=hex:0g\n",
            3,
            TextErrorKind::Value,
        ),
        (
            b"WINE REGISTRY Version 2\n[a]\nrubbish\n",
            3,
            TextErrorKind::Line,
        ),
    ];
    for (input, line, kind) in cases {
        let error = text::read(input).expect_err("malformed");
        assert_eq!(
            (error.line, error.kind),
            (line, kind),
            "{}",
            String::from_utf8_lossy(input)
        );
    }
    let mut deep = b"WINE REGISTRY Version 2\n[a".to_vec();
    deep.extend(b"\\\\a".repeat(10_000));
    deep.extend(b"]\n");
    assert_eq!(
        text::read(&deep).expect_err("deep").kind,
        TextErrorKind::Depth
    );
}
