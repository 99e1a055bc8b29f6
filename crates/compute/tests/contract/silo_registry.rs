//! The registry of silos, with real programs of Windows in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use porthole_compute_service::registry::{MountedHive, RegistryChanges};
use porthole_compute_service::settings::{ProcessSettings, SiloUser, SystemSettings};
use porthole_compute_service::system::ComputeSystem;
use porthole_hcs as hcs;
use porthole_registry::regf;

use crate::ground::{Ground, attached, endless, parameters, read_all, silos};
use crate::registry::{NOTHING, listed};

/// The directory of the probes, unless they are not built.
fn probes() -> Option<PathBuf> {
    let probes = std::env::var_os("PORTHOLE_PROBES").map(PathBuf::from);
    if probes.is_none() {
        println!("skipped: PORTHOLE_PROBES does not name the probes' directory");
    }
    probes
}

/// A container, running or not.
struct Container<'a> {
    ground: &'a Ground,
    id: String,
    document: hcs::ComputeSystem,
    settings: SystemSettings,
}

impl<'a> Container<'a> {
    /// One of the ground's base with `layers` over it, the topmost first, and the probes in it.
    fn of(ground: &'a Ground, layers: &[&Path], probes: &Path) -> Self {
        let id = ground.id();
        let mut document = ground.document(&id);
        let container = document.container.as_mut().unwrap();
        for (index, layer) in layers.iter().rev().enumerate() {
            let layer = hcs::Layer {
                id: format!("upper-{index}"),
                path: layer.to_str().unwrap().to_owned(),
                path_type: hcs::PathType::AbsolutePath,
            };
            container.storage.as_mut().unwrap().layers.insert(0, layer);
        }
        container.mapped_directories.push(hcs::MappedDirectory {
            host_path: probes.to_str().unwrap().to_owned(),
            container_path: r"C:\probes".into(),
            host_path_type: hcs::PathType::AbsolutePath,
            read_only: true,
        });
        let mut settings = ground.settings();
        settings.user = ground.default_user();
        Self {
            ground,
            id,
            document,
            settings,
        }
    }

    async fn start(&self) -> Arc<dyn ComputeSystem> {
        let service = &self.ground.service;
        let system = service
            .create(&self.id, &self.document, &self.settings)
            .await;
        let system = system.unwrap();
        system.start().await.unwrap();
        endless(&*system, true).await;
        system
    }

    async fn changes(&self) -> RegistryChanges {
        let service = &self.ground.service;
        let changes = service.registry_changes(&self.id, &self.document, &self.settings);
        changes.await.unwrap()
    }
}

/// What a program prints; its errors and exit code where it failed.
async fn output(system: &dyn ComputeSystem, command_line: &str) -> Result<String, String> {
    let settings = ProcessSettings::default();
    let (process, mut stdio) = attached(system, &parameters(command_line), settings).await;
    let (output, errors) = read_all(&mut stdio).await;
    match process.wait().await.unwrap() {
        0 => Ok(output),
        code => Err(format!("{command_line}: {code}, {output}{errors}")),
    }
}

async fn stop(system: Arc<dyn ComputeSystem>) {
    system.terminate().await.unwrap();
    system.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_changes_nothing_has_changed_nothing() {
    let Some(probes) = probes() else { return };
    for ground in silos().await {
        let certificates = ground.path("certificates");
        std::fs::create_dir(&certificates).unwrap();
        let authority = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
        std::fs::write(certificates.join("ca.pem"), authority.cert.pem()).unwrap();
        let mut container = Container::of(&ground, &[], &probes);
        let mapped = &mut container
            .document
            .container
            .as_mut()
            .unwrap()
            .mapped_directories;
        mapped.push(hcs::MappedDirectory {
            host_path: certificates.to_str().unwrap().to_owned(),
            container_path: r"C:\certificates".into(),
            host_path_type: hcs::PathType::AbsolutePath,
            read_only: true,
        });
        let system = container.start().await;
        for command_line in [
            "cmd /c ver",
            "certutil -store Root",
            r"C:\probes\https.exe localhost 1",
            "cmd /c sc query",
            r"reg query HKLM\Software\Microsoft",
        ] {
            output(&*system, command_line).await.unwrap();
        }
        // It ends with a code of its own. Wine makes devices for it.
        let _ = output(&*system, r"C:\probes\window.exe").await;
        same(&listed(&container.changes().await), &[]);
        let add = r"certutil -addstore -f Root C:\certificates\ca.pem";
        output(&*system, add).await.unwrap();
        let lines = listed(&container.changes().await);
        let root = r"+ HKLM\SOFTWARE\Microsoft\SystemCertificates\Root";
        let outside = lines.iter().filter(|line| !line.starts_with(root)).count();
        let blobs = lines.iter().filter(|line| line.contains(" Blob ")).count();
        assert_eq!((outside, blobs), (0, 1));
        stop(system).await;
        same(&listed(&container.changes().await), &lines);
        ground.leave().await;
    }
}

/// Puts changes into a layer directory, as a commit does.
fn commit(layer: &Path, changes: &RegistryChanges, user: SiloUser) {
    let profile = match user {
        SiloUser::ContainerAdministrator => "Files/Users/ContainerAdministrator",
        SiloUser::ContainerUser => "Files/Users/ContainerUser",
    };
    for directory in ["Hives", profile] {
        std::fs::create_dir_all(layer.join(directory)).unwrap();
    }
    for change in &changes.hives {
        match change.hive {
            MountedHive::Image(kind) => {
                std::fs::write(layer.join("Hives").join(kind.delta_name()), &change.delta)
            }
            MountedHive::User => {
                let whole = change.whole.as_ref().unwrap();
                std::fs::write(layer.join(profile).join("NTUSER.DAT"), whole)
            }
        }
        .unwrap();
    }
}

/// Says in which lines both differ, in short.
fn same(left: &[String], right: &[String]) {
    let short = |line: &String| line.chars().take(160).collect::<String>();
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        let only = these.iter().filter(|line| !those.contains(line));
        only.map(short).collect()
    };
    let differences = (only(left, right), only(right, left));
    assert_eq!(differences, (Vec::new(), Vec::new()));
    assert_eq!(left.len(), right.len());
}

/// All that a container's programs see where the probe writes.
async fn seen(system: &dyn ComputeSystem) -> Vec<String> {
    let list = concat!(
        r"C:\probes\registry.exe list HKLM\Software\Probe HKCU\Software\Probe",
        r" HKU\.Default\Software\Probe HKCU\Environment HKCU\Software\Wine",
        r#" "HKLM\Software\Microsoft\Windows NT\CurrentVersion\ProfileList""#,
        r" HKLM\System\CurrentControlSet\Control\Nls",
    );
    let text = output(system, list).await.unwrap();
    let kept = |line: &&str| !line.contains(r"Probe\Volatile");
    // Wine counts the end of a class that it has read from a file as part of it.
    let line = |line: &str| line.strip_suffix("{0}").unwrap_or(line).to_owned();
    text.lines().filter(kept).map(line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_container_sees_what_programs_changed() {
    let Some(probes) = probes() else { return };
    for ground in silos().await {
        let container = Container::of(&ground, &[], &probes);
        let system = container.start().await;
        output(&*system, r"C:\probes\registry.exe change")
            .await
            .unwrap();
        let changes = container.changes().await;
        let lines = listed(&changes);
        for line in [
            r"- HKLM\SYSTEM\ControlSet001\Control\VMM32Files",
            r"- HKCU\Software\Wine\Debug",
            r"- HKCU\Environment TMP",
            r"+ HKLM\SOFTWARE\Probe\Empty\Deep\Deeper",
            r"+ HKCU\Software\Probe\Grün 中文 😀",
        ] {
            assert!(lines.iter().any(|one| one == line), "{line} in {lines:#?}");
        }
        assert!(
            !lines.iter().any(|line| line.contains("Volatile")),
            "{lines:#?}"
        );
        let before = seen(&*system).await;
        assert!(before.len() > 150, "{before:#?}");
        stop(system).await;
        assert_eq!(listed(&container.changes().await), lines);

        let layer = ground.path("committed");
        commit(&layer, &changes, container.settings.user);
        let next = Container::of(&ground, &[&layer], &probes);
        let system = next.start().await;
        same(&seen(&*system).await, &before);
        let missing = r"reg query HKLM\System\CurrentControlSet\Control\VMM32Files";
        output(&*system, missing).await.unwrap_err();
        assert_eq!(listed(&next.changes().await), NOTHING);
        stop(system).await;
        ground.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_see_the_version_that_the_image_names() {
    let Some(probes) = probes() else { return };
    for ground in silos().await {
        for (version, product, display) in [
            ("10.0.17763.1234", "2019", "1809"),
            ("10.0.26100.1", "2025", "24H2"),
        ] {
            let mut container = Container::of(&ground, &[], &probes);
            container.settings.os_version = Some(version.parse().unwrap());
            let system = container.start().await;
            let (short, revision) = version.rsplit_once('.').unwrap();
            let said = output(&*system, "cmd /c ver").await.unwrap();
            assert!(said.contains(short), "{said}");
            let said = output(&*system, r"C:\probes\version.exe").await.unwrap();
            let expected = format!("loader {short}\r\nshared {short}\r\n");
            assert_eq!(said.replace('\n', "\r\n").replace("\r\r", "\r"), expected);
            let query = r#"reg query "HKLM\Software\Microsoft\Windows NT\CurrentVersion""#;
            let said = output(&*system, query).await.unwrap();
            let revision: u32 = revision.parse().unwrap();
            for value in [product, display, &format!("{revision:#x}"), &short[5..]] {
                assert!(said.contains(value), "{value} is not in {said}");
            }
            assert_eq!(listed(&container.changes().await), NOTHING);
            stop(system).await;
        }
        ground.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hive_that_is_none_is_named_and_nothing_starts() {
    let Some(probes) = probes() else { return };
    let Some(ground) = silos().await.into_iter().next() else {
        return;
    };
    let layer = ground.path("broken");
    let hive = regf::write(&regf::Hive::delta("x", porthole_registry::Key::default())).unwrap();
    std::fs::create_dir_all(layer.join("Hives")).unwrap();
    std::fs::create_dir_all(layer.join("Files")).unwrap();
    std::fs::write(layer.join("Hives/Sam_Delta"), &hive[..4100]).unwrap();
    let container = Container::of(&ground, &[&layer], &probes);
    let created = ground
        .service
        .create(&container.id, &container.document, &container.settings);
    let error = created.await.err().unwrap();
    assert_eq!(
        error.kind(),
        porthole_compute_service::ErrorKind::InvalidLayer
    );
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("broken/Hives/Sam_Delta"), "{cause}");
    ground.leave().await;
}
