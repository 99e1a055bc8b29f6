//! What a document asks for, checked against what the service can do: from HCS's JSON to a
//! [`SystemPlan`]. Pure: whether the paths exist is the back end's business.

use std::path::{Component, Path, PathBuf};

use porthole_hcs as hcs;
use porthole_protocol::supervisor::{Limits, MappedDirectory, PublishedPort, SiloDns, SiloUser};

use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::settings::{OsVersion, ResourceLimit, SystemSettings, TemporaryDirectory, TimeZone};

/// The longest ID of a system, in bytes.
const MAX_ID: usize = 128;

/// The longest host name, in bytes.
const MAX_HOST_NAME: usize = 63;

/// A system to build, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemPlan {
    /// Its ID.
    pub id: String,
    /// Who owns it.
    pub owner: String,
    /// The host name inside.
    pub host_name: String,
    /// Layer directories, the topmost first.
    pub layers: Vec<PathBuf>,
    /// The sandbox's directory.
    pub sandbox: PathBuf,
    /// Host directories that appear inside.
    pub mapped_directories: Vec<MappedDirectory>,
    /// Windows paths of directories that are made unless they are there.
    pub directories: Vec<String>,
    /// Directories in memory that appear inside.
    pub temporary_directories: Vec<TemporaryDirectory>,
    /// Limits of each process.
    pub resource_limits: Vec<ResourceLimit>,
    /// The time zone; none for UTC.
    pub time_zone: Option<TimeZone>,
    /// Limits.
    pub limits: Limits,
    /// The network to join.
    pub network: Network,
    /// Resolver configuration.
    pub dns: SiloDns,
    /// Published ports.
    pub published_ports: Vec<PublishedPort>,
    /// The user of the silo's processes.
    pub user: SiloUser,
    /// The version of Windows that programs are to see, where it is not the base's.
    pub os_version: Option<OsVersion>,
    /// The Wine build that the image was made for.
    pub wine_build: String,
}

/// The network that a silo joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// Loopback only.
    None,
    /// The namespace at a path.
    Path(String),
    /// The namespace of this ID in the service's run-time root.
    Id(String),
}

/// Checks `document` and `settings` for a system named `id`, on a host with this many processors.
///
/// # Errors
/// `InvalidDocument` naming the field that is wrong, or the setting that is not supported.
pub fn plan(
    id: &str,
    document: &hcs::ComputeSystem,
    settings: &SystemSettings,
    processors: u32,
) -> Result<SystemPlan> {
    let invalid = |message: String| {
        Error::new(
            ErrorKind::InvalidDocument,
            format!("CreateComputeSystem {id}"),
            message,
        )
    };
    check_component("the system's ID", id).map_err(invalid)?;
    let container = container(document).map_err(invalid)?;
    let storage = container
        .storage
        .as_ref()
        .ok_or_else(|| invalid("Container.Storage is missing".into()))?;
    let host_name = container
        .guest_os
        .as_ref()
        .map(|guest| guest.host_name.as_str());
    let mut limits = limits::from_document(container.memory, container.processor, processors)
        .map_err(invalid)?;
    limits.pids = settings.pids;
    Ok(SystemPlan {
        id: id.to_owned(),
        owner: document.owner.clone(),
        host_name: checked_host_name(host_name, id).map_err(invalid)?,
        layers: layers(storage).map_err(invalid)?,
        sandbox: absolute("Container.Storage.Path", &storage.path).map_err(invalid)?,
        mapped_directories: mapped_directories(&container.mapped_directories).map_err(invalid)?,
        directories: settings.directories.clone(),
        temporary_directories: settings.temporary_directories.clone(),
        resource_limits: settings.resource_limits.clone(),
        time_zone: settings.time_zone.clone(),
        limits,
        network: network(container.networking.as_ref(), settings).map_err(invalid)?,
        dns: dns(container.networking.as_ref(), settings),
        published_ports: settings.published_ports.clone(),
        user: settings.user,
        os_version: settings.os_version,
        wine_build: settings.wine_build.clone(),
    })
}

fn container(document: &hcs::ComputeSystem) -> Result<&hcs::Container, String> {
    if document.schema_version.major != 2 {
        return Err(format!(
            "SchemaVersion {}.{} is not supported, 2.x is",
            document.schema_version.major, document.schema_version.minor
        ));
    }
    let unsupported = [
        ("VirtualMachine", document.virtual_machine.is_some()),
        ("HostedSystem", document.hosted_system.is_some()),
        ("HostingSystemId", document.hosting_system_id.is_some()),
        (
            "ShouldTerminateOnLastHandleClosed",
            document.should_terminate_on_last_handle_closed,
        ),
    ];
    refuse(&unsupported)?;
    let container = document.container.as_ref().ok_or("Container is missing")?;
    refuse(&[("Container.MappedPipes", !container.mapped_pipes.is_empty())])?;
    Ok(container)
}

fn refuse(settings: &[(&str, bool)]) -> Result<(), String> {
    match settings.iter().find(|(_, present)| *present) {
        Some((name, _)) => Err(format!("{name} is not supported for containers in a silo")),
        None => Ok(()),
    }
}

/// IDs name directories, cgroups and sockets: one plain path component, and no hidden one.
fn check_component(what: &str, text: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let first = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first && text.len() <= MAX_ID && text.bytes().all(plain) {
        return Ok(());
    }
    Err(format!(
        "{what} must be at most {MAX_ID} letters, digits, '_', '-' or '.', beginning with a letter or digit"
    ))
}

fn checked_host_name(name: Option<&str>, id: &str) -> Result<String, String> {
    let name = match name {
        None | Some("") => &id[..id.len().min(12)],
        Some(name) => name,
    };
    let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if name.len() <= MAX_HOST_NAME && name.chars().all(plain) {
        return Ok(name.to_owned());
    }
    Err(format!(
        "Container.GuestOs.HostName {name:?} is no host name"
    ))
}

fn absolute(what: &str, path: &str) -> Result<PathBuf, String> {
    let path = Path::new(path);
    let plain = path.is_absolute()
        && path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if plain {
        return Ok(path.to_owned());
    }
    Err(format!(
        "{what} {} is no absolute path without '..'",
        path.display()
    ))
}

fn layers(storage: &hcs::Storage) -> Result<Vec<PathBuf>, String> {
    if storage.layers.is_empty() {
        return Err("Container.Storage.Layers is empty: a container needs a base".into());
    }
    storage
        .layers
        .iter()
        .map(|layer| {
            host_path_only("Container.Storage.Layers.PathType", layer.path_type)?;
            absolute("Container.Storage.Layers.Path", &layer.path)
        })
        .collect()
}

fn mapped_directories(
    directories: &[hcs::MappedDirectory],
) -> Result<Vec<MappedDirectory>, String> {
    directories
        .iter()
        .map(|directory| {
            host_path_only(
                "Container.MappedDirectories.HostPathType",
                directory.host_path_type,
            )?;
            absolute("Container.MappedDirectories.HostPath", &directory.host_path)?;
            Ok(MappedDirectory {
                source: directory.host_path.clone(),
                target: directory.container_path.clone(),
                read_only: directory.read_only,
            })
        })
        .collect()
}

fn host_path_only(what: &str, kind: hcs::PathType) -> Result<(), String> {
    match kind {
        hcs::PathType::AbsolutePath => Ok(()),
        hcs::PathType::VirtualSmbShareName => Err(format!(
            "{what} VirtualSmbShareName is not supported for containers in a silo"
        )),
    }
}

fn network(
    networking: Option<&hcs::Networking>,
    settings: &SystemSettings,
) -> Result<Network, String> {
    if let Some(networking) = networking {
        refuse(&[
            (
                "Container.Networking.NetworkSharedContainerName",
                networking.network_shared_container_name.is_some(),
            ),
            (
                "Container.Networking.AllowUnqualifiedDnsQuery false",
                networking.allow_unqualified_dns_query == Some(false),
            ),
        ])?;
    }
    if let Some(path) = &settings.network_namespace {
        absolute("the network namespace", path)?;
        return Ok(Network::Path(path.clone()));
    }
    match networking.and_then(|networking| networking.namespace.as_ref()) {
        None => Ok(Network::None),
        Some(id) => {
            check_component("Container.Networking.Namespace", id)?;
            Ok(Network::Id(id.clone()))
        }
    }
}

/// Search domains of the document come before those of the settings.
fn dns(networking: Option<&hcs::Networking>, settings: &SystemSettings) -> SiloDns {
    let mut dns = settings.dns.clone();
    let listed = networking.and_then(|networking| networking.dns_search_list.as_deref());
    let mut search: Vec<String> = listed
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|domain| !domain.is_empty())
        .map(str::to_owned)
        .collect();
    search.append(&mut dns.search);
    search.dedup();
    dns.search = search;
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> SystemSettings {
        SystemSettings {
            os_version: None,
            temporary_directories: Vec::new(),
            resource_limits: Vec::new(),
            time_zone: None,
            wine_build: "10.0/1/win64".into(),
            user: SiloUser::ContainerUser,
            network_namespace: None,
            dns: SiloDns::default(),
            published_ports: Vec::new(),
            directories: Vec::new(),
            pids: Some(64),
        }
    }

    fn document(json: &str) -> hcs::ComputeSystem {
        serde_json::from_str(json).unwrap()
    }

    const WHOLE: &str = r#"{"Owner":"porthole","SchemaVersion":{"Major":2,"Minor":5},"Container":{
        "GuestOs":{"HostName":"web"},
        "Storage":{"Layers":[{"Id":"a","Path":"/l/2"},{"Id":"b","Path":"/l/1"}],"Path":"/s"},
        "MappedDirectories":[{"HostPath":"/src","ContainerPath":"C:\\app","ReadOnly":true}],
        "Memory":{"SizeInMB":512},"Processor":{"Maximum":5000},
        "Networking":{"Namespace":"ns1","DnsSearchList":"a.example, b.example"}}}"#;

    #[test]
    fn a_whole_document_becomes_a_plan() {
        let plan = plan("c1", &document(WHOLE), &settings(), 4).unwrap();
        assert_eq!(plan.layers, [PathBuf::from("/l/2"), PathBuf::from("/l/1")]);
        assert_eq!(plan.limits.memory, Some(512 << 20));
        assert_eq!(plan.limits.processors, Some(2.0));
        assert_eq!(plan.limits.pids, Some(64));
        assert_eq!(plan.network, Network::Id("ns1".into()));
        assert_eq!(plan.dns.search, ["a.example", "b.example"]);
        assert_eq!(plan.host_name, "web");
        assert!(plan.mapped_directories[0].read_only);
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        let cases = [
            (r#""HostedSystem":{}"#, "HostedSystem"),
            (r#""VirtualMachine":{}"#, "VirtualMachine"),
            (
                r#""Container":{"MappedPipes":[{"ContainerPipeName":"a","HostPath":"b"}]}"#,
                "MappedPipes",
            ),
            (r#""Container":{}"#, "Storage"),
            (
                r#""Container":{"Storage":{"Layers":[],"Path":"/s"}}"#,
                "Layers",
            ),
            (
                r#""Container":{"Storage":{"Layers":[{"Id":"a","Path":"l/../.."}],"Path":"/s"}}"#,
                "Layers.Path",
            ),
        ];
        for (json, name) in cases {
            let json = format!(r#"{{"Owner":"o","SchemaVersion":{{"Major":2,"Minor":1}},{json}}}"#);
            let error = plan("c1", &document(&json), &settings(), 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidDocument);
            assert!(
                error.message().contains(name),
                "{} lacks {name}",
                error.message()
            );
        }
    }

    #[test]
    fn an_id_is_one_plain_path_component() {
        for id in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "a b",
            "-x",
            &"x".repeat(129),
        ] {
            assert!(
                plan(id, &document(WHOLE), &settings(), 1).is_err(),
                "{id:?}"
            );
        }
    }

    #[test]
    fn a_missing_host_name_is_taken_from_the_id() {
        let json = r#"{"Owner":"o","SchemaVersion":{"Major":2,"Minor":1},
            "Container":{"Storage":{"Layers":[{"Id":"a","Path":"/l"}],"Path":"/s"}}}"#;
        let plan = plan("0123456789abcdef", &document(json), &settings(), 1).unwrap();
        assert_eq!(plan.host_name, "0123456789ab");
        assert_eq!(plan.network, Network::None);
    }
}
