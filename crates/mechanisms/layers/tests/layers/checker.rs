//! What we pack keeps the rules of the format, says a checker that shares no code with us.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use porthole_layer::{Metadata, attributes};
use porthole_layers::{Given, pack_changes, pack_layer};

use crate::support::{Fill, Layers, archive, is_root, path, raw, time};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/layer_check.py")
}

/// What the checker says of a layer; nothing where there is no Python.
fn check(layer: &[u8], options: &[&str], parents: &[&[u8]]) -> Result<Option<String>> {
    let home = tempfile::tempdir()?;
    let mut command = Command::new("python3");
    command.arg(script()).args(options);
    for (index, parent) in parents.iter().enumerate() {
        let file = home.path().join(index.to_string());
        std::fs::write(&file, parent)?;
        command.arg("--parent").arg(file);
    }
    let file = home.path().join("layer");
    std::fs::write(&file, layer)?;
    match command.arg(file).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: python3 is not installed");
            Ok(None)
        }
        output => {
            let output = output?;
            assert!(
                output.stderr.is_empty(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
        }
    }
}

/// An empty delta, as the registry's own writer makes them.
fn delta() -> Vec<u8> {
    let hive =
        porthole_registry::regf::Hive::delta("Software_Delta", porthole_registry::Key::default());
    porthole_registry::regf::write(&hive).expect("an empty hive")
}

#[test]
fn what_we_pack_keeps_the_rules() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut hidden = Metadata::directory().at(time(4));
    hidden.attributes |= attributes::HIDDEN;
    hidden.extended.insert("EA".to_owned(), vec![1, 2, 3]);
    let base = archive(|layer| {
        layer.dir("Files").put("Files/a", "a").stream_of("s", "s");
        layer.directory(&path("Files/hidden"), &hidden).unwrap();
        layer
            .put("Files/hidden/x", "x")
            .put("Files/hidden/y", "y")
            .dir("Files/old")
            .put("Files/old/z", "z");
        for hive in ["SYSTEM", "SOFTWARE", "SAM", "SECURITY", "DEFAULT"] {
            layer.put(&format!("Files/Windows/System32/config/{hive}"), "");
        }
        layer.dir("Hives").hard("UtilityVM/Files/a", "Files/a");
    });
    let mut layers = Layers::new();
    layers.add(&base)?;
    let (again, _) = pack_layer(layers.top(), &[], Vec::new(), &mut |_| ())?;
    for packed in [&base, &again] {
        let said = check(packed, &["--base"], &[])?;
        assert!(said.is_none_or(|said| said.ends_with("entries keep the rules\n")));
    }

    let union = layers.mount()?;
    let at = |name: &str| union.root().join(name);
    std::fs::write(at("a"), "changed")?;
    std::fs::write(at("hidden/new"), "n")?;
    std::fs::write(at("hidden/new:stream"), "n")?;
    std::fs::hard_link(at("hidden/new"), at("hidden/other"))?;
    std::fs::remove_file(at("hidden/x"))?;
    std::fs::remove_dir_all(at("old"))?;
    std::fs::create_dir(at("old"))?;
    std::os::unix::fs::symlink("hidden", at("link"))?;
    std::fs::create_dir_all(at("deep/er/est"))?;
    std::fs::create_dir(at("$Recycle.Bin"))?;
    let hive = delta();
    let given = |name: &str| Given {
        path: path(name),
        content: &hive,
        modified: time(9),
    };
    let given = [
        given("Hives/Software_Delta"),
        given("Files/Users/Me/NTUSER.DAT"),
    ];
    let (packed, _) = pack_changes(&union.upper(), &layers.lowers(), &given, Vec::new())?;
    let said = check(&packed, &[], &[&base])?;
    assert!(
        said.as_ref()
            .is_none_or(|said| said.ends_with("entries keep the rules\n")),
        "{said:?}"
    );
    Ok(())
}

/// The checker is worth something: it finds what is wrong.
#[test]
fn the_checker_finds_what_is_wrong() -> Result<()> {
    let end = vec![0; 1024];
    let good = archive(|layer| {
        layer.dir("Files").put("Files/a", "a").dir("Hives");
    });
    let body = &good[..good.len() - 1024];
    let with = |entry: Vec<u8>| [body, &entry, &end].concat();
    let mut odd = Metadata::file().at(time(1));
    odd.attributes = attributes::DIRECTORY;
    let mut insecure = Metadata::file().at(time(1));
    insecure.security = Some(vec![1, 2, 3]);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (good[..good.len() - 1024].to_vec(), "1.1.a"),
        (with(raw("Elsewhere", b'5', "", 0)), "1.1.b"),
        (with(raw("Files/dev", b'3', "", 0)), "1.1.b"),
        (with(raw("Files/nul.txt", b'0', "", 0)), "1.1.c"),
        (with(raw("Files/end.", b'0', "", 0)), "1.1.c"),
        (with(raw("UtilityVM/x", b'5', "", 0)), "1.1.d"),
        (with(raw("Hives/.wh.x", b'0', "", 0)), "1.1.e"),
        (with(raw("Files/.wh..wh..opq", b'0', "", 0)), "1.1.e"),
        (with(raw("Files/.wh.a", b'0', "", 0)), "1.1.e"),
        (with(raw("Files/no/parent", b'0', "", 0)), "1.1.f"),
        (with(raw("Files/h", b'1', "a", 0)), "1.1.g"),
        (with(raw("Files/h", b'1', "Files/absent", 0)), "1.1.g"),
        (with(raw("Files/$Recycle.Bin", b'5', "", 0)), "1.1.h"),
        (with(raw("Files/A", b'0', "", 0)), "1.1.i"),
        (with(raw("Files/b", b'0', "", 0)), "1.2.b"),
        (with(raw("Files/b:s", b'0', "", 0)), "1.2.f"),
        (with(raw("Files/b", b'0', "", 0)), "1.2.g"),
        (with(raw("Hives/Other_Delta", b'0', "", 0)), "1.3.a"),
        (with(raw("Hives/Sam_Delta", b'0', "", 0)), "1.3.b"),
        (
            archive(|layer| {
                layer
                    .dir("Files")
                    .put_with("Files/d", &odd, "x")
                    .dir("Hives");
            }),
            "1.2.b",
        ),
        (
            archive(|layer| {
                layer
                    .dir("Files")
                    .put_with("Files/d", &insecure, "x")
                    .dir("Hives");
            }),
            "1.2.b",
        ),
        (
            archive(|layer| {
                layer.dir("Files");
            }),
            "1.1.b",
        ),
    ];
    for (layer, rule) in cases {
        let Some(said) = check(&layer, &[], &[])? else {
            return Ok(());
        };
        assert!(said.contains(&format!("rule {rule}: ")), "{rule}: {said}");
    }
    let Some(said) = check(&good, &["--base"], &[])? else {
        return Ok(());
    };
    assert_eq!(said.matches("rule 1.3.c").count(), 5, "{said}");
    Ok(())
}
