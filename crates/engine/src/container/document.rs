//! From a container's record to what the Compute Service is asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use porthole_compute_service::settings::{
    ProcessSettings, PublishedPort, SiloDns, SiloUser, SystemSettings,
};
use porthole_hcs as hcs;
use porthole_winpath::Environment;
use uuid::Uuid;

use crate::container::record::{Container, Endpoint};
use crate::container::{command, log_options, time_zone, tmpfs, ulimits, user};
use crate::error::Result;

/// Who owns our compute systems.
pub(crate) const OWNER: &str = "porthole";

/// Where a container's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Storage {
    /// Layer directories, the topmost first.
    pub(crate) layers: Vec<PathBuf>,
    /// The sandbox.
    pub(crate) sandbox: PathBuf,
}

/// The document of the container's compute system, on a host with so many processors.
pub(crate) fn system(
    container: &Container,
    storage: &Storage,
    processors: u32,
) -> hcs::ComputeSystem {
    let mapped_directories = container
        .mounts
        .iter()
        .map(|mount| hcs::MappedDirectory {
            host_path: text(&mount.source),
            host_path_type: hcs::PathType::AbsolutePath,
            container_path: mount.destination.clone(),
            read_only: !mount.writable,
        })
        .collect();
    hcs::ComputeSystem {
        owner: OWNER.to_owned(),
        schema_version: hcs::Version::V2_5,
        hosting_system_id: None,
        hosted_system: None,
        container: Some(hcs::Container {
            guest_os: Some(hcs::GuestOs {
                host_name: container.config.full_hostname(),
            }),
            storage: Some(hcs::Storage {
                layers: storage.layers.iter().map(|path| layer(path)).collect(),
                path: text(&storage.sandbox),
            }),
            mapped_directories,
            memory: container.host.resources.memory(),
            processor: container.host.resources.processor(processors),
            ..hcs::Container::default()
        }),
        virtual_machine: None,
        should_terminate_on_last_handle_closed: false,
    }
}

/// What travels beside the document.
pub(crate) fn settings(
    container: &Container,
    endpoint: Option<&Endpoint>,
    host_zone: Option<&str>,
) -> Result<SystemSettings> {
    let environment = command::environment(&container.config.env, &[])?;
    let mut settings = SystemSettings {
        wine_build: container.wine_build.clone(),
        os_version: container
            .base
            .as_ref()
            .and_then(|_| container.os_version.parse().ok()),
        user: if user::is_administrator(&container.config.user) {
            SiloUser::ContainerAdministrator
        } else {
            SiloUser::ContainerUser
        },
        network_namespace: None,
        dns: SiloDns::default(),
        published_ports: Vec::new(),
        directories: vec![container.config.working_dir.clone()],
        temporary_directories: tmpfs::directories(&container.host.tmpfs)?,
        resource_limits: ulimits::limits(&container.host.ulimits)?,
        time_zone: time_zone::zone(&environment, host_zone),
        pids: u64::try_from(container.host.pids_limit)
            .ok()
            .filter(|most| *most > 0),
    };
    if let Some(endpoint) = endpoint {
        settings.network_namespace = Some(text(&endpoint.namespace));
        settings.dns = SiloDns {
            servers: endpoint
                .dns_servers
                .iter()
                .map(ToString::to_string)
                .collect(),
            search: endpoint.dns_search.clone(),
            hosts: own_name(container, endpoint),
        };
        settings.published_ports = published(endpoint);
    }
    Ok(settings)
}

/// What the main process is to be.
pub(crate) fn main_process(container: &Container) -> Result<hcs::ProcessParameters> {
    let config = &container.config;
    Ok(parameters(&ProcessShape {
        command_line: &container.command_line,
        environment: command::environment(&config.env, &[])?,
        user: &config.user,
        working_directory: &config.working_dir,
        tty: config.tty,
        stdin: config.open_stdin,
        console_size: Some(container.host.console_size),
    }))
}

/// What travels beside the main process's parameters.
pub(crate) fn main_settings(
    container: &Container,
    wait_for_attach: bool,
) -> Result<ProcessSettings> {
    Ok(ProcessSettings {
        log: log_options::spec(container)?,
        wait_for_attach,
        stdin_once: container.config.stdin_once,
        main: true,
    })
}

/// What a process is to be, in Docker's terms.
#[derive(Debug)]
pub(crate) struct ProcessShape<'a> {
    pub(crate) command_line: &'a str,
    pub(crate) environment: Environment,
    pub(crate) user: &'a str,
    pub(crate) working_directory: &'a str,
    pub(crate) tty: bool,
    pub(crate) stdin: bool,
    pub(crate) console_size: Option<[u16; 2]>,
}

/// The HCS parameters of a process.
pub(crate) fn parameters(shape: &ProcessShape<'_>) -> hcs::ProcessParameters {
    hcs::ProcessParameters {
        application_name: None,
        command_line: Some(shape.command_line.to_owned()),
        user: Some(shape.user.to_owned()),
        working_directory: Some(shape.working_directory.to_owned()),
        environment: variables(&shape.environment),
        emulate_console: shape.tty,
        create_std_in_pipe: shape.stdin,
        create_std_out_pipe: true,
        // A console has one screen.
        create_std_err_pipe: !shape.tty,
        console_size: shape
            .console_size
            .filter(|size| shape.tty && !size.contains(&0)),
    }
}

fn variables(environment: &Environment) -> BTreeMap<String, String> {
    environment
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn published(endpoint: &Endpoint) -> Vec<PublishedPort> {
    let Some(address) = endpoint.address else {
        return Vec::new();
    };
    endpoint
        .ports
        .iter()
        .map(|port| PublishedPort {
            transport: port.container.protocol,
            host_address: port.host_ip.to_string(),
            host_port: port.host_port,
            container_address: address.to_string(),
            container_port: port.container.number,
        })
        .collect()
}

fn own_name(container: &Container, endpoint: &Endpoint) -> Vec<(String, String)> {
    let config = &container.config;
    let mut names = vec![config.full_hostname()];
    if !config.domainname.is_empty() {
        names.push(config.hostname.clone());
    }
    let address = endpoint.address.map(|address| address.to_string());
    address
        .iter()
        .flat_map(|address| names.iter().map(|name| (address.clone(), name.clone())))
        .collect()
}

fn layer(path: &Path) -> hcs::Layer {
    // HCS identifies a layer by a GUID made from its name; how Windows makes it is not published.
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, path.as_os_str().as_encoded_bytes());
    hcs::Layer {
        id: id.to_string(),
        path: text(path),
        path_type: hcs::PathType::AbsolutePath,
    }
}

/// Paths below the data root and checked bind sources are UTF-8.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
