//! What a system changed in its registry.

use std::path::Path;

use porthole_compute_service::ErrorKind;
use porthole_compute_service::registry::{HiveKind, MountedHive, RegistryChain, RegistryChanges};
use porthole_compute_service::settings::{ProcessSettings, SiloUser};
use porthole_compute_service::system::ComputeSystem;
use porthole_registry::change::{ChangeKind, changes};
use porthole_registry::{Key, Value, layer, regf};

use crate::ground::{Ground, endless, parameters};

/// No change at all.
pub(crate) const NOTHING: [&str; 0] = [];

const SOFTWARE: MountedHive = MountedHive::Image(HiveKind::Software);

/// All changes, a line each.
pub(crate) fn listed(changed: &RegistryChanges) -> Vec<String> {
    assert_eq!(changed.outside, NOTHING);
    let mut lines = Vec::new();
    for hive in &changed.hives {
        let before = regf::read(&hive.before).unwrap().root;
        let delta = regf::read(&hive.delta).unwrap();
        assert_eq!(delta.minor_version, 6);
        assert_eq!(hive.whole.is_some(), hive.hive == MountedHive::User);
        for change in changes(&before, &delta.root) {
            let names = change.key.iter().map(|name| format!(r"\{name}"));
            let key = format!("{}{}", hive.hive.mount(), names.collect::<String>());
            lines.push(match change.kind {
                ChangeKind::KeyAdded => format!("+ {key}"),
                ChangeKind::KeyDeleted => format!("- {key}"),
                ChangeKind::KeyChanged => format!("~ {key}"),
                ChangeKind::ValueAdded(name, value) => format!("+ {key} {name} {value:?}"),
                ChangeKind::ValueDeleted(name, _) => format!("- {key} {name}"),
                ChangeKind::ValueChanged { name, old, new } => {
                    format!("~ {key} {name} {old:?} {new:?}")
                }
            });
        }
    }
    lines
}

async fn run(system: &dyn ComputeSystem, command_line: &str) {
    let none = ProcessSettings::default();
    let process = system
        .create_process(&parameters(command_line), &none)
        .await;
    assert_eq!(process.unwrap().wait().await.unwrap(), 0, "{command_line}");
}

pub(crate) async fn the_registry_is_the_same_whether_the_system_runs_or_not(ground: &Ground) {
    let id = ground.id();
    let (document, settings) = (ground.document(&id), ground.settings());
    let service = &ground.service;
    let changed = async || {
        let changed = service.registry_changes(&id, &document, &settings).await;
        changed.unwrap()
    };
    assert_eq!(listed(&changed().await), NOTHING);
    let system = service.create(&id, &document, &settings).await.unwrap();
    assert_eq!(listed(&changed().await), NOTHING);
    system.start().await.unwrap();
    let _main = endless(&*system, true).await;
    run(&*system, "cmd /c exit 0").await;
    assert_eq!(listed(&changed().await), NOTHING);

    run(&*system, r"reg add HKCU\Contract /v n /t REG_SZ /d text /f").await;
    run(
        &*system,
        r"reg add HKLM\Software\Contract\Deep /v n /t REG_DWORD /d 7 /f",
    )
    .await;
    let text = format!(r"+ HKCU\Contract n {:?}", Value::string("text"));
    let number = |number| {
        format!(
            r"+ HKLM\SOFTWARE\Contract\Deep n {:?}",
            Value::dword(number)
        )
    };
    let lines = |of| {
        let rest = [r"+ HKCU\Contract".to_owned(), text.clone()];
        let keys = ["", r"\Deep"].map(|below| format!(r"+ HKLM\SOFTWARE\Contract{below}"));
        [&keys[..], &[number(of)], &rest].concat()
    };
    assert_eq!(listed(&changed().await), lines(7));
    let user = changed().await.hives.pop().unwrap();
    let whole = regf::read(user.whole.as_deref().unwrap()).unwrap().root;
    assert_eq!(
        whole.value_at("Contract", "n"),
        Some(&Value::string("text"))
    );
    assert!(whole.open("Environment").is_some(), "all of it");

    run(
        &*system,
        r"reg add HKLM\Software\Contract\Deep /v n /t REG_DWORD /d 8 /f",
    )
    .await;
    system.pause().await.unwrap();
    assert_eq!(listed(&changed().await), lines(8));
    system.resume().await.unwrap();
    run(
        &*system,
        r"reg add HKLM\Software\Contract\Deep /v n /t REG_DWORD /d 9 /f",
    )
    .await;
    assert_eq!(listed(&changed().await), lines(9));
    system.terminate().await.unwrap();
    assert_eq!(listed(&changed().await), lines(9));
    system.close().await.unwrap();
    assert_eq!(listed(&changed().await), lines(9));

    let again = service.create(&id, &document, &settings).await.unwrap();
    again.start().await.unwrap();
    run(&*again, r"reg delete HKLM\Software\Contract /f").await;
    run(&*again, r"reg delete HKCU\Contract /f").await;
    assert_eq!(listed(&changed().await), NOTHING);
}

/// A layer directory with a software hive, or a delta of it.
fn software_layer(directory: &Path, is_base: bool, work: impl FnOnce(&mut Key)) {
    let mut root = Key::default();
    work(&mut root);
    let (config, hives) = ("Files/Windows/System32/config", "Hives");
    let (place, hive) = if is_base {
        (config, regf::Hive::new("SOFTWARE", root))
    } else {
        (hives, regf::Hive::delta("Software_Delta", root))
    };
    std::fs::create_dir_all(directory.join(place)).unwrap();
    let file = directory.join(place).join(&hive.file_name);
    std::fs::write(file, regf::write(&hive).unwrap()).unwrap();
    if is_base {
        for name in ["SYSTEM", "SAM", "SECURITY", "DEFAULT"] {
            std::fs::write(directory.join(place).join(name), "").unwrap();
        }
    }
}

pub(crate) async fn what_lies_between_layers_is_told(ground: &Ground) {
    let (base, top) = (ground.path("base"), ground.path("top"));
    software_layer(&base, true, |root| {
        root.create("Kept").set_value("a", Value::dword(1));
        root.create("Gone").set_value("a", Value::dword(1));
    });
    software_layer(&top, false, |root| {
        root.create("Kept").set_value("a", Value::dword(2));
        root.create("Gone").layering = layer::Layering::tombstone();
    });
    let chain = |layers: &[&Path]| RegistryChain {
        layers: layers.iter().map(|layer| layer.to_path_buf()).collect(),
        os_version: None,
        user: SiloUser::ContainerUser,
    };
    let service = &ground.service;
    let (below, whole) = (chain(&[&base]), chain(&[&top, &base]));
    let changed = service.registry_difference(&below, &whole).await.unwrap();
    let (one, two) = (Value::dword(1), Value::dword(2));
    let expected = [
        r"- HKLM\SOFTWARE\Gone".to_owned(),
        r"- HKLM\SOFTWARE\Gone a".to_owned(),
        format!(r"~ HKLM\SOFTWARE\Kept a {one:?} {two:?}"),
    ];
    assert_eq!(listed(&changed), expected);
    assert_eq!(changed.hives[0].hive, SOFTWARE);
    let same = service.registry_difference(&whole, &whole).await.unwrap();
    assert_eq!(listed(&same), NOTHING);
    std::fs::write(top.join("Hives/Software_Delta"), "no hive").unwrap();
    let error = service
        .registry_difference(&below, &whole)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidLayer);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("top/Hives/Software_Delta"), "{cause}");
}
