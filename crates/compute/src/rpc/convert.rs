//! Between the wire's messages and the service's types.

use porthole_protocol::agent::ProcessKey;
use porthole_protocol::resource::{Resource, ResourceLimit};
use porthole_protocol::supervisor::{
    ExitRecord, PublishedPort, SiloDns, SiloUser, TemporaryDirectory, TimeZone, Transport,
};

use super::v1;
use crate::settings::{LogRotation, LogSpec, OsVersion, ProcessSettings, SystemSettings};
use crate::system::Event;

pub(super) fn settings_to_wire(settings: &SystemSettings) -> v1::SystemSettings {
    v1::SystemSettings {
        wine_build: settings.wine_build.clone(),
        user: user_to_wire(settings.user).into(),
        os_version: settings.os_version.map(|version| version.to_string()),
        network_namespace: settings.network_namespace.clone(),
        dns: Some(dns_to_wire(&settings.dns)),
        published_ports: settings.published_ports.iter().map(port_to_wire).collect(),
        pids: settings.pids,
        directories: settings.directories.clone(),
        temporary_directories: settings
            .temporary_directories
            .iter()
            .map(temporary_to_wire)
            .collect(),
        time_zone: settings.time_zone.as_ref().map(|zone| v1::TimeZone {
            unix: zone.unix.clone(),
            windows: zone.windows.clone(),
        }),
        resource_limits: settings.resource_limits.iter().map(limit_to_wire).collect(),
    }
}

pub(super) const fn user_to_wire(user: SiloUser) -> v1::SiloUser {
    match user {
        SiloUser::ContainerAdministrator => v1::SiloUser::ContainerAdministrator,
        SiloUser::ContainerUser => v1::SiloUser::ContainerUser,
    }
}

/// Nothing for one that is not named.
pub(super) const fn user_from_wire(user: v1::SiloUser) -> Option<SiloUser> {
    match user {
        v1::SiloUser::ContainerAdministrator => Some(SiloUser::ContainerAdministrator),
        v1::SiloUser::ContainerUser => Some(SiloUser::ContainerUser),
        v1::SiloUser::Unspecified => None,
    }
}

/// The message of a refusal tells what a version looks like.
pub(super) fn version_from_wire(version: Option<&str>) -> Result<Option<OsVersion>, String> {
    let parsed = version.map(str::parse::<OsVersion>).transpose();
    parsed.map_err(|error| format!("os_version: {error}"))
}

fn dns_to_wire(dns: &SiloDns) -> v1::Dns {
    let host = |(address, name): &(String, String)| v1::HostEntry {
        address: address.clone(),
        name: name.clone(),
    };
    v1::Dns {
        servers: dns.servers.clone(),
        search: dns.search.clone(),
        hosts: dns.hosts.iter().map(host).collect(),
    }
}

fn port_to_wire(port: &PublishedPort) -> v1::PublishedPort {
    let transport = match port.transport {
        Transport::Tcp => v1::Transport::Tcp,
        Transport::Udp => v1::Transport::Udp,
    };
    v1::PublishedPort {
        host_address: port.host_address.clone(),
        host_port: port.host_port.into(),
        container_address: port.container_address.clone(),
        container_port: port.container_port.into(),
        transport: transport.into(),
    }
}

fn temporary_to_wire(directory: &TemporaryDirectory) -> v1::TemporaryDirectory {
    v1::TemporaryDirectory {
        target: directory.target.clone(),
        size: directory.size,
        files: directory.files,
        mode: directory.mode,
    }
}

fn temporary_from_wire(directory: v1::TemporaryDirectory) -> TemporaryDirectory {
    TemporaryDirectory {
        target: directory.target,
        size: directory.size,
        files: directory.files,
        mode: directory.mode,
    }
}

fn limit_to_wire(limit: &ResourceLimit) -> v1::ResourceLimit {
    v1::ResourceLimit {
        resource: limit.resource.name().to_owned(),
        soft: limit.soft,
        hard: limit.hard,
    }
}

/// The message of a refusal names the field.
pub(super) fn settings_from_wire(
    settings: Option<v1::SystemSettings>,
) -> Result<SystemSettings, String> {
    let settings = settings.ok_or("settings are missing")?;
    let user = user_from_wire(settings.user()).ok_or("settings.user is missing")?;
    let os_version = version_from_wire(settings.os_version.as_deref())?;
    let dns = settings.dns.unwrap_or_default();
    let hosts = dns
        .hosts
        .into_iter()
        .map(|entry| (entry.address, entry.name))
        .collect();
    let ports = settings.published_ports.into_iter().map(port_from_wire);
    let limits = settings.resource_limits.iter().map(limit_from_wire);
    let temporary = settings.temporary_directories.into_iter();
    Ok(SystemSettings {
        wine_build: settings.wine_build,
        os_version,
        user,
        network_namespace: settings.network_namespace,
        dns: SiloDns {
            servers: dns.servers,
            search: dns.search,
            hosts,
        },
        published_ports: ports.collect::<Result<_, _>>()?,
        directories: settings.directories,
        temporary_directories: temporary.map(temporary_from_wire).collect(),
        resource_limits: limits.collect::<Result<_, _>>()?,
        time_zone: settings.time_zone.map(|zone| TimeZone {
            unix: zone.unix,
            windows: zone.windows,
        }),
        pids: settings.pids,
    })
}

fn limit_from_wire(limit: &v1::ResourceLimit) -> Result<ResourceLimit, String> {
    let resource = Resource::named(&limit.resource).ok_or_else(|| {
        format!(
            "settings.resource_limits: {} is no resource",
            limit.resource
        )
    })?;
    Ok(ResourceLimit {
        resource,
        soft: limit.soft,
        hard: limit.hard,
    })
}

fn port_from_wire(port: v1::PublishedPort) -> Result<PublishedPort, String> {
    let number = |port: u32| {
        u16::try_from(port)
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| format!("settings.published_ports: {port} is no port"))
    };
    Ok(PublishedPort {
        transport: match port.transport() {
            v1::Transport::Tcp => Transport::Tcp,
            v1::Transport::Udp => Transport::Udp,
        },
        host_port: number(port.host_port)?,
        container_port: number(port.container_port)?,
        host_address: port.host_address,
        container_address: port.container_address,
    })
}

pub(super) fn process_settings_to_wire(settings: &ProcessSettings) -> v1::ProcessSettings {
    let log = settings.log.as_ref();
    v1::ProcessSettings {
        log: log.map(|log| log.path.clone()),
        log_rotation: log
            .and_then(|log| log.rotation)
            .map(|rotation| v1::LogRotation {
                max_size: rotation.max_size,
                max_files: rotation.max_files,
                compress: rotation.compress,
            }),
        log_attributes: log
            .map(|log| log.attributes.clone().into_iter().collect())
            .unwrap_or_default(),
        wait_for_attach: settings.wait_for_attach,
        stdin_once: settings.stdin_once,
        main: settings.main,
    }
}

pub(super) fn process_settings_from_wire(settings: v1::ProcessSettings) -> ProcessSettings {
    let rotation = settings.log_rotation.map(|rotation| LogRotation {
        max_size: rotation.max_size,
        max_files: rotation.max_files,
        compress: rotation.compress,
    });
    ProcessSettings {
        log: settings.log.map(|path| LogSpec {
            path,
            rotation,
            attributes: settings.log_attributes.into_iter().collect(),
        }),
        wait_for_attach: settings.wait_for_attach,
        stdin_once: settings.stdin_once,
        main: settings.main,
    }
}

pub(super) fn record_to_wire(record: ExitRecord) -> v1::ExitRecord {
    let processes = record.processes.into_iter();
    v1::ExitRecord {
        exit_code: record.exit_code,
        processes: processes
            .map(|(key, exit_code)| v1::ProcessExit {
                process_id: key.0,
                exit_code,
            })
            .collect(),
        terminated: record.terminated,
        out_of_memory: record.out_of_memory,
        finished_at: record.finished_at,
        error: record.error,
    }
}

pub(super) fn record_from_wire(record: v1::ExitRecord) -> ExitRecord {
    let processes = record.processes.into_iter();
    ExitRecord {
        exit_code: record.exit_code,
        processes: processes
            .map(|process| (ProcessKey(process.process_id), process.exit_code))
            .collect(),
        terminated: record.terminated,
        out_of_memory: record.out_of_memory,
        finished_at: record.finished_at,
        error: record.error,
    }
}

pub(super) fn event_to_wire(event: Event) -> v1::Event {
    use v1::event::Kind;
    let (system_id, kind) = match event {
        Event::ProcessExited {
            system,
            process,
            exit_code,
        } => (
            system,
            Kind::ProcessExited(v1::ProcessExit {
                process_id: process,
                exit_code,
            }),
        ),
        Event::SystemExited { system, record } => {
            (system, Kind::SystemExited(record_to_wire(record)))
        }
        Event::OutOfMemory { system } => (system, Kind::OutOfMemory(v1::Empty {})),
    };
    v1::Event {
        system_id,
        kind: Some(kind),
    }
}

/// Nothing for an event of a kind that a newer service may know.
pub(super) fn event_from_wire(event: v1::Event) -> Option<Event> {
    use v1::event::Kind;
    let system = event.system_id;
    Some(match event.kind? {
        Kind::ProcessExited(exit) => Event::ProcessExited {
            system,
            process: exit.process_id,
            exit_code: exit.exit_code,
        },
        Kind::SystemExited(record) => Event::SystemExited {
            system,
            record: record_from_wire(record),
        },
        Kind::OutOfMemory(_) => Event::OutOfMemory { system },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back() {
        let settings = SystemSettings {
            wine_build: "10.0/855/wow64".into(),
            os_version: Some("10.0.17763.1".parse().unwrap()),
            user: SiloUser::ContainerUser,
            network_namespace: Some("/run/porthole/netns/a".into()),
            dns: SiloDns {
                servers: vec!["10.0.0.1".into()],
                search: vec!["example".into()],
                hosts: vec![("10.0.0.2".into(), "db".into())],
            },
            published_ports: vec![PublishedPort {
                transport: Transport::Udp,
                host_address: "::".into(),
                host_port: 8080,
                container_address: "10.0.0.3".into(),
                container_port: 80,
            }],
            directories: vec![r"C:\app".into()],
            temporary_directories: vec![TemporaryDirectory {
                target: r"C:\t".into(),
                size: Some(1 << 20),
                files: None,
                mode: 0o700,
            }],
            resource_limits: vec![ResourceLimit {
                resource: Resource::Nofile,
                soft: Some(64),
                hard: None,
            }],
            time_zone: Some(TimeZone {
                unix: "Asia/Tokyo".into(),
                windows: None,
            }),
            pids: Some(7),
        };
        let mut wire = settings_to_wire(&settings);
        assert_eq!(settings_from_wire(Some(wire.clone())).unwrap(), settings);
        wire.os_version = Some("11".into());
        let refused = settings_from_wire(Some(wire.clone())).unwrap_err();
        assert!(refused.contains("os_version"));
        wire.os_version = None;
        wire.published_ports[0].host_port = 65_536;
        assert!(
            settings_from_wire(Some(wire))
                .unwrap_err()
                .contains("65536")
        );
    }

    #[test]
    fn events_come_back() {
        let record = ExitRecord {
            exit_code: Some(0xC000_013A),
            processes: vec![(ProcessKey(1), 0xC000_013A)],
            terminated: true,
            out_of_memory: false,
            finished_at: 5,
            error: Some("why".into()),
        };
        let events = [
            Event::ProcessExited {
                system: "a".into(),
                process: 1,
                exit_code: u32::MAX,
            },
            Event::SystemExited {
                system: "a".into(),
                record,
            },
            Event::OutOfMemory { system: "a".into() },
        ];
        for event in events {
            assert_eq!(event_from_wire(event_to_wire(event.clone())), Some(event));
        }
    }
}
