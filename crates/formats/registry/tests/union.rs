//! Deltas of other writers merge to what they say, others read ours, and hives that are not sound
//! are refused.

use std::path::PathBuf;
use std::process::Command;

use porthole_registry::regf::{self, Hive, RegfErrorKind};
use porthole_registry::{Key, Layering, SecurityDescriptor, Semantics, Value, layer};

/// What the deltas lie over.
fn base() -> Key {
    let mut root = Key::default();
    let app = root.create(r"Vendor\App");
    app.set_value("kept", Value::dword(1));
    app.set_value("changed", Value::dword(1));
    app.set_value("gone", Value::dword(1));
    for path in [
        r"Vendor\Gone\Deep",
        r"Vendor\Local\Deep",
        r"Vendor\Tree\Deep",
    ] {
        let key = root.create(path);
        key.set_value("v", Value::string("below"));
    }
    root.create(r"Vendor\Local")
        .set_value("hidden", Value::dword(1));
    root.create("Vendor").security = Some(SecurityDescriptor::hive_default());
    root
}

/// Where the content of the cell begins that holds a key (`nk`) or value (`vk`) of this name.
fn cell(hive: &[u8], signature: &[u8; 2], name: &str) -> usize {
    let (name_at, length_at) = if signature == b"nk" {
        (76, 72)
    } else {
        (20, 2)
    };
    let is_it = |at: &usize| {
        let cell = &hive[*at..];
        let length = cell.get(length_at..length_at + 2);
        let length = length.map(|length| u16::from_le_bytes([length[0], length[1]]));
        cell.starts_with(signature)
            && length == u16::try_from(name.len()).ok()
            && cell.get(name_at..name_at + name.len()) == Some(name.as_bytes())
    };
    (4096..hive.len()).find(is_it).expect("a cell of this name")
}

#[test]
fn a_delta_of_the_regf_crate_merges_to_what_it_says() {
    let mut tree = ::regf::KeyTreeNode::new("ROOT");
    let mut set = |path: &str, name: &str, data: &[u8]| {
        let value = ::regf::KeyTreeValue {
            name: name.to_owned(),
            data_type: ::regf::DataType::Dword,
            data: data.to_vec(),
        };
        tree.get_or_create_path(path).values.push(value);
    };
    let two = 2_u32.to_le_bytes();
    set(r"Vendor\App", "changed", &two);
    set(r"Vendor\App", "gone", &[]);
    set(r"Vendor\App\New", "n", &two);
    set(r"Vendor\Local", "own", &two);
    set(r"Vendor\Tree", "own", &two);
    tree.get_or_create_path(r"Vendor\Gone");
    let mut builder = ::regf::HiveBuilder::from_tree_with_version(tree, 1, 6).expect("builder");
    let mut hive = builder.to_bytes().expect("bytes");
    // The crate reads layered keys, and writes none: their bits are set here.
    for (name, semantics) in [("Gone", 1), ("Local", 2), ("Tree", 3)] {
        let at = cell(&hive, b"nk", name);
        hive[at + 13] |= semantics;
    }
    let at = cell(&hive, b"vk", "gone");
    hive[at + 16] |= 2;

    let mut merged = base();
    layer::merge(&mut merged, regf::read(&hive).expect("well-formed").root);
    let value = |path: &str, name: &str| merged.value_at(path, name).and_then(Value::as_dword);
    assert_eq!(value(r"Vendor\App", "kept"), Some(1));
    assert_eq!(value(r"Vendor\App", "changed"), Some(2));
    assert_eq!(value(r"Vendor\App\New", "n"), Some(2));
    assert!(merged.value_at(r"Vendor\App", "gone").is_none());
    assert!(merged.open(r"Vendor\Gone").is_none());
    assert!(merged.value_at(r"Vendor\Local", "hidden").is_none());
    assert!(merged.open(r"Vendor\Local\Deep").is_some());
    assert_eq!(value(r"Vendor\Local", "own"), Some(2));
    assert!(merged.open(r"Vendor\Tree\Deep").is_none());
    assert_eq!(value(r"Vendor\Tree", "own"), Some(2));
}

/// A file of this test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let name = format!("porthole-registry-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).expect("write");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Has hivexsh carry out a script on a hive; its output, or nothing where there is none.
fn hivexsh(hive: &Scratch, script: &str, writes: bool) -> Option<String> {
    let script = Scratch::new(&format!("script-{writes}"), script.as_bytes());
    let mut command = Command::new("hivexsh");
    command.args(writes.then_some("-w"));
    let output = command.arg("-f").arg(&script.0).arg(&hive.0).output();
    let output = output
        .inspect_err(|error| println!("skipped: hivexsh: {error}"))
        .ok()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "hivexsh: {errors}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_delta_of_hivex_merges_to_what_it_says() {
    let empty = regf::write(&Hive::delta("Software_Delta", Key::default())).expect("fits");
    let hive = Scratch::new("hivex", &empty);
    let script = "add Vendor\ncd Vendor\nadd App\ncd App\nsetval 2\nchanged\ndword:00000002\n\
                  new\nstring:text\nadd Sub\ncommit\n";
    if hivexsh(&hive, script, true).is_none() {
        return;
    }
    let delta = regf::read(&std::fs::read(&hive.0).expect("there")).expect("well-formed");
    let mut merged = base();
    layer::merge(&mut merged, delta.root);
    let app = merged.open(r"Vendor\App").expect("there");
    assert_eq!(app.value("kept"), Some(&Value::dword(1)));
    assert_eq!(app.value("changed"), Some(&Value::dword(2)));
    assert_eq!(app.value("new"), Some(&Value::string("text")));
    assert!(app.subkey("Sub").is_some() && merged.open(r"Vendor\Gone\Deep").is_some());
}

#[test]
fn hivexsh_finds_in_a_delta_what_changed() {
    let mut new = base();
    new.create(r"Vendor\App")
        .set_value("changed", Value::string("other"));
    new.create(r"Vendor\App")
        .set_value("added", Value::binary([1, 2]));
    new.delete(r"Vendor\Gone");
    let delta = layer::difference(&base(), &new).expect("they differ");
    let hive = regf::write(&Hive::delta("Software_Delta", delta)).expect("fits");
    let hive = Scratch::new("delta", &hive);
    let script = "cd \\Vendor\nls\ncd App\nlsval\n";
    let Some(output) = hivexsh(&hive, script, false) else {
        return;
    };
    // A tombstone is to hivex a key like others.
    for line in [
        "App",
        "Gone",
        r#""changed"="other""#,
        r#""added"=hex(3):01,02"#,
    ] {
        assert!(output.contains(line), "{line} is not in:\n{output}");
    }
    assert!(!output.contains("kept") && !output.contains("Local"));
}

#[test]
fn a_hive_deeper_than_windows_allows_is_refused_by_name() {
    // The crate's recursion is as deep as the tree.
    let build = || {
        let mut tree = ::regf::KeyTreeNode::new("ROOT");
        tree.get_or_create_path(&vec!["k"; 10_000].join(r"\"));
        let mut builder = ::regf::HiveBuilder::from_tree_with_version(tree, 1, 6).expect("builder");
        builder.to_bytes().expect("bytes")
    };
    let stack = std::thread::Builder::new().stack_size(256 << 20);
    let hive = stack
        .spawn(build)
        .expect("a thread")
        .join()
        .expect("a hive");
    assert_eq!(
        regf::read(&hive).expect_err("deep").kind,
        RegfErrorKind::Depth
    );
}

#[test]
fn counts_and_sizes_that_lie_are_refused() {
    let mut root = base();
    root.create("Vendor").layering = Layering::default();
    let sound = regf::write(&Hive::delta("Software_Delta", root)).expect("fits");
    let key = cell(&sound, b"nk", "App");
    let value = cell(&sound, b"vk", "kept");
    let most = u32::MAX.to_le_bytes();
    // Number of subkeys' list and of values, lists of both, size and place of data, size of a cell.
    let lies = [
        (key + 36, most),
        (key + 40, 0x7fff_fff0_u32.to_le_bytes()),
        (value + 4, 0x7fff_ffff_u32.to_le_bytes()),
        (key - 4, 4_u32.to_le_bytes()),
        (key - 4, i32::MIN.to_le_bytes()),
        (key - 4, (-8_i32).to_le_bytes()),
        (value - 4, 0_u32.to_le_bytes()),
        (key + 72, most),
    ];
    for (at, lie) in lies {
        let mut hive = sound.clone();
        hive[at..at + 4].copy_from_slice(&lie);
        regf::read(&hive).expect_err("a lie");
    }
    for length in [0, 3, 4095, 4096, 4100, sound.len() - 4096] {
        regf::read(&sound[..length]).expect_err("cut short");
    }
}

#[test]
fn a_link_and_a_spelling_are_made_anew() {
    let mut new = base();
    let app = new.delete(r"Vendor\App").expect("there");
    new.create("Vendor").insert_subkey("APP", app);
    let link = new.create(r"Vendor\Tree");
    link.symlink = true;
    let delta = layer::difference(&base(), &new).expect("they differ");
    for path in [r"Vendor\App", r"Vendor\Tree", r"Vendor\Tree\Deep"] {
        let key = delta.open(path).expect("there");
        assert_eq!(key.layering.semantics, Semantics::SupersedeTree, "{path}");
    }
    let mut merged = base();
    layer::merge(&mut merged, delta);
    let vendor = merged.open("Vendor").expect("there");
    let (name, _) = vendor.subkey_entry("app").expect("there");
    assert_eq!(name.to_string(), "APP");
    assert!(merged.open(r"Vendor\Tree").is_some_and(|tree| tree.symlink));

    // One that is merely on the way takes nothing from it.
    let mut over = Key::default();
    over.create(r"vendor\tree\new");
    layer::merge(&mut merged, over);
    let vendor = merged.subkey_entry("vendor").expect("there");
    assert_eq!(vendor.0.to_string(), "Vendor");
    assert!(merged.open(r"Vendor\Tree").is_some_and(|tree| tree.symlink));
}
