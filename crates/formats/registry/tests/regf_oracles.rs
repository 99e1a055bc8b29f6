//! Hives as others see them: hivexsh, hivexml and reglookup read what we write, and we read what
//! the crate `regf` writes.

use std::path::{Path, PathBuf};
use std::process::Command;

use porthole_registry::regf::{self, Hive, RegfErrorKind};
use porthole_registry::{FileTime, Key, Layering, Semantics, Value, ValueKind};

/// A tree with every feature that a hive has.
fn sample() -> Key {
    let mut root = Key::new(FileTime::from_unix_seconds(1_600_000_000));
    let values = root.create(r"Software\Values");
    values.set_value("", Value::string("default"));
    values.set_value("empty", Value::binary([]));
    values.set_value("small", Value::binary([1, 2, 3]));
    values.set_value("number", Value::dword(0xdead_beef));
    values.set_value("wide", Value::qword(u64::MAX - 1));
    values.set_value("multi", Value::multi_string(&["one", "two"]));
    values.set_value(
        "odd",
        Value {
            kind: ValueKind(0xffff_0012),
            data: vec![7; 9],
        },
    );
    values.set_value("中文", Value::string("wert"));
    values.set_value(
        "big",
        Value::binary((0u8..=250).cycle().take(50_000).collect::<Vec<_>>()),
    );
    root.create(r"Software\Grün").class = Some("class".encode_utf16().collect());
    root.create(r"Software\Ключ").last_write = FileTime(0x1d6_0000_1234_5678);
    let link = root.create("Link");
    link.symlink = true;
    link.set_value(
        "SymbolicLinkValue",
        Value::link(r"\Registry\Machine\Software"),
    );
    for index in 0..1200 {
        root.create(&format!(r"Many\Key{index:04}"))
            .set_value("i", Value::dword(index));
    }
    root
}

/// A directory of this test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("porthole-registry-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("temporary directory");
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("write");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The output of a tool, or `None` with a printed reason when it is not installed.
fn tool(name: &str, arguments: &[&str], file: &Path) -> Option<String> {
    let output = match Command::new(name).args(arguments).arg(file).output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: {name}: {error}");
            return None;
        }
    };
    assert!(
        output.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_hive_comes_back_as_it_was() {
    for minor_version in 3..=6 {
        let hive = Hive {
            minor_version,
            ..Hive::new("SOFTWARE", sample())
        };
        let bytes = regf::write(&hive).expect("fits");
        let back = regf::read(&bytes).expect("well-formed");
        assert_eq!(back.minor_version, minor_version);
        assert_eq!(
            (back.file_name.as_str(), back.is_dirty),
            ("SOFTWARE", false)
        );
        // Reading names the descriptors that writing filled in; the second round changes nothing.
        assert_eq!(regf::write(&back).expect("fits"), bytes);
        assert_eq!(without_security(back.root), hive.root);
    }
}

fn without_security(mut key: Key) -> Key {
    let names: Vec<_> = key.subkeys().map(|(name, _)| name.clone()).collect();
    for name in names {
        if let Some(subkey) = key.remove_subkey(&name) {
            key.insert_subkey(name, without_security(subkey));
        }
    }
    key.security = None;
    key
}

/// `golden/hive` is what an earlier build wrote, and what hivexsh, reglookup and the crate `regf`
/// have read: it must stay readable, and hives must not get another digest by a change here. Where
/// the output must change on purpose, the test writes the new file when `UPDATE_GOLDEN` is set.
#[test]
fn a_golden_hive_is_still_written_and_read() {
    let mut root = sample();
    root.delete("Many");
    root.open_mut(r"Software\Values")
        .expect("there")
        .remove_value("big");
    let bytes = regf::write(&Hive::new("SOFTWARE", root.clone())).expect("fits");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/hive");
        std::fs::write(golden, &bytes).expect("writable");
    }
    let golden = include_bytes!("golden/hive");
    assert!(bytes == golden, "the bytes of hives have changed");
    assert_eq!(
        without_security(regf::read(golden).expect("well-formed").root),
        root
    );
}

#[test]
fn layered_keys_come_back() {
    let mut root = Key::default();
    root.create("Gone").layering = Layering::tombstone();
    root.create("Local").layering.semantics = Semantics::SupersedeLocal;
    root.create("Tree").layering.semantics = Semantics::SupersedeTree;
    let merged = root.create("Merged");
    merged.layering.inherit_class = true;
    merged.layering.value_tombstones.insert("gone".into());
    merged.set_value("here", Value::dword(1));
    let bytes = regf::write(&Hive::delta("Software_Delta", root.clone())).expect("fits");
    let back = regf::read(&bytes).expect("well-formed");
    assert_eq!(without_security(back.root), root);

    let refused = regf::write(&Hive::new("SOFTWARE", root)).expect_err("1.5 knows no layers");
    assert_eq!(refused.kind, RegfErrorKind::Layered);
}

#[test]
fn hivexsh_sees_what_we_wrote() {
    let scratch = Scratch::new("hivexsh");
    let hive = scratch.write(
        "hive",
        &regf::write(&Hive::new("SOFTWARE", sample())).expect("fits"),
    );
    let script = scratch.write(
        "script",
        "cd \\Software\\Values\nlsval\ncd \\Many\nls\n".as_bytes(),
    );
    let script = script.to_str().expect("UTF-8").to_owned();
    let Some(output) = tool("hivexsh", &["-f", &script], &hive) else {
        return;
    };
    for line in [
        r#""@"="default""#,
        r#""number"=dword:deadbeef"#,
        r#""small"=hex(3):01,02,03"#,
        "\"中文\"=\"wert\"",
        "Key0000",
        "Key1199",
    ] {
        assert!(output.contains(line), "{line} is not in:\n{output}");
    }
}

#[test]
fn hivexml_walks_every_key() {
    let scratch = Scratch::new("hivexml");
    let hive = scratch.write(
        "hive",
        &regf::write(&Hive::new("SOFTWARE", sample())).expect("fits"),
    );
    let Some(output) = tool("hivexml", &[], &hive) else {
        return;
    };
    assert_eq!(output.matches("<node ").count(), sample().count());
}

#[test]
fn reglookup_sees_values_times_and_descriptors() {
    let scratch = Scratch::new("reglookup");
    let hive = scratch.write(
        "hive",
        &regf::write(&Hive::new("SOFTWARE", sample())).expect("fits"),
    );
    let Some(output) = tool("reglookup", &["-s"], &hive) else {
        return;
    };
    assert!(
        output.contains("/Software/Values/number,DWORD,0xDEADBEEF"),
        "{output}"
    );
    assert!(output.contains("2020-09-13 12:26:40"), "the root's time");
    assert!(output.contains("S-1-5-32-544"), "the owner");
    assert_eq!(
        output.matches("/Many/Key").count(),
        2 * 1200,
        "keys and their values"
    );
}

#[test]
fn a_hive_of_the_regf_crate_is_read() {
    let mut builder = ::regf::HiveBuilder::new().expect("builder");
    let root = builder.root_offset();
    let key = builder.add_key(root, "Über").expect("key");
    let text = Value::string("wert").data;
    builder
        .add_value(key, "text", ::regf::DataType::String, &text)
        .expect("value");
    let hive = regf::read(&builder.to_bytes().expect("bytes")).expect("well-formed");
    assert_eq!(
        hive.root.value_at("über", "TEXT"),
        Some(&Value::string("wert"))
    );
}

#[test]
fn the_regf_crate_reads_what_we_wrote() {
    let bytes = regf::write(&Hive::new("SOFTWARE", sample())).expect("fits");
    let hive = ::regf::RegistryHive::from_bytes(bytes).expect("well-formed");
    let values = hive.open_key(r"Software\Values").expect("there");
    assert_eq!(
        values
            .value("number")
            .expect("there")
            .dword_data()
            .expect("number"),
        0xdead_beef
    );
    assert_eq!(
        values
            .value("big")
            .expect("there")
            .raw_data()
            .expect("data")
            .len(),
        50_000
    );
    assert_eq!(
        hive.enumerate_all_keys().expect("walk").len(),
        sample().count()
    );
}
