//! A spec as the sandbox's plan.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use porthole_protocol::archive::Materials;
use porthole_protocol::resource::{Resource, ResourceLimit};
use porthole_protocol::supervisor::{
    Limits, MappedDirectory, SiloDns, SiloSpec, SiloUser, TemporaryDirectory, TimeZone,
};
use porthole_sandbox::{
    DrivePlan, Identity, Mapped, Plan, Resolver, Service, ServiceStdio, Temporary,
};
use porthole_wine::environment::{self, Account};
use porthole_winpath::ContainerPath;
use rustix::process::Rlimit;

/// Wineserver's place among the services.
pub(crate) const WINESERVER: u8 = 0;

/// The guest agent's place among the services.
pub(crate) const AGENT: u8 = 1;

/// The guest agent as the loader is told.
const AGENT_PATH: &str = r"C:\Windows\System32\cexecsvc.exe";

/// The plan of the silo that `spec` asks for.
pub(super) fn from_spec(spec: &SiloSpec, staging: &Path) -> Result<Plan> {
    let account = match spec.user {
        SiloUser::ContainerAdministrator => Account::ContainerAdministrator,
        SiloUser::ContainerUser => Account::ContainerUser,
    };
    Ok(Plan {
        host_name: spec.host_name.clone(),
        root: PathBuf::from(&spec.kernel),
        drive: drive(&Materials {
            layers: spec.layers.clone(),
            sandbox: spec.sandbox.clone(),
            mapped_directories: spec.mapped_directories.clone(),
            temporary_directories: spec.temporary_directories.clone(),
            user: spec.user,
        })?,
        prefix: PathBuf::from(&spec.registry),
        directories: spec
            .directories
            .iter()
            .map(|path| components(path).with_context(|| format!("cannot make {path}")))
            .collect::<Result<_>>()?,
        resource_limits: spec.resource_limits.iter().map(resource_limit).collect(),
        network_namespace: spec.network_namespace.as_ref().map(PathBuf::from),
        resolver: resolver(&spec.dns, &spec.host_name)?,
        staging: staging.to_owned(),
        root_certificates: spec.root_certificates.as_ref().map(PathBuf::from),
        services: services(account, spec.time_zone.as_ref()),
    })
}

/// The plan of drive C:.
pub(crate) fn drive(materials: &Materials) -> Result<DrivePlan> {
    Ok(DrivePlan {
        layers: materials.layers.iter().map(PathBuf::from).collect(),
        sandbox: PathBuf::from(&materials.sandbox),
        mapped: materials
            .mapped_directories
            .iter()
            .map(mapped)
            .collect::<Result<_>>()?,
        temporary: materials
            .temporary_directories
            .iter()
            .map(temporary)
            .collect::<Result<_>>()?,
        identity: identity(materials.user),
    })
}

/// The user of a silo.
pub(crate) const fn identity(user: SiloUser) -> Identity {
    match user {
        SiloUser::ContainerAdministrator => Identity::Administrator,
        SiloUser::ContainerUser => Identity::User,
    }
}

/// Wineserver first, so that the agent finds it. In the foreground, so that its end is seen, and
/// for ever: a silo between two processes keeps its registry and objects.
fn services(account: Account, zone: Option<&TimeZone>) -> Vec<Service> {
    let zone = zone.map(|zone| ("TZ", zone.unix.as_str()));
    let variables: Vec<(String, String)> = environment::variables(account)
        .into_iter()
        .chain(zone)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let wineserver = Service {
        executable: environment::WINESERVER.to_owned(),
        arguments: [environment::WINESERVER, "-f", "-p"]
            .map(str::to_owned)
            .to_vec(),
        environment: variables.clone(),
        stdio: ServiceStdio::Null,
        awaits_wineserver: true,
    };
    // Spares the loader executing itself anew through its preloader, which reserves addresses
    // that only old 32-bit programs want.
    let no_exec = ("WINELOADERNOEXEC".to_owned(), "1".to_owned());
    let agent = Service {
        executable: environment::LOADER.to_owned(),
        arguments: [environment::LOADER, AGENT_PATH]
            .map(str::to_owned)
            .to_vec(),
        environment: variables.into_iter().chain([no_exec]).collect(),
        stdio: ServiceStdio::Channel,
        awaits_wineserver: false,
    };
    vec![wineserver, agent]
}

/// The sandbox's form of limits.
pub(crate) fn limits(limits: &Limits) -> porthole_sandbox::cgroup::Limits {
    porthole_sandbox::cgroup::Limits {
        memory: limits.memory,
        processors: limits.processors,
        processor_weight: limits.processor_weight,
        pids: limits.pids,
    }
}

/// How many processors the silo's programs are told of.
pub(crate) fn processors(limits: &Limits) -> u32 {
    let host = std::thread::available_parallelism().map_or(1, |count| count.get());
    let host = u32::try_from(host).unwrap_or(u32::MAX);
    let host_share = f64::from(host);
    match limits.processors {
        Some(share) if share < host_share => (1..host)
            .find(|&count| f64::from(count) >= share)
            .unwrap_or(host),
        _ => host,
    }
}

fn mapped(directory: &MappedDirectory) -> Result<Mapped> {
    let target = components(&directory.target)
        .with_context(|| format!("cannot map {} to {}", directory.source, directory.target))?;
    Ok(Mapped {
        source: PathBuf::from(&directory.source),
        target,
        read_only: directory.read_only,
    })
}

fn temporary(directory: &TemporaryDirectory) -> Result<Temporary> {
    let target = components(&directory.target)
        .with_context(|| format!("cannot make a temporary directory of {}", directory.target))?;
    Ok(Temporary {
        target,
        size: directory.size,
        files: directory.files,
        mode: directory.mode,
    })
}

fn resource_limit(limit: &ResourceLimit) -> (rustix::process::Resource, Rlimit) {
    use rustix::process::Resource as Kernel;
    let resource = match limit.resource {
        Resource::As => Kernel::As,
        Resource::Cpu => Kernel::Cpu,
        Resource::Data => Kernel::Data,
        Resource::Fsize => Kernel::Fsize,
        Resource::Locks => Kernel::Locks,
        Resource::Memlock => Kernel::Memlock,
        Resource::Msgqueue => Kernel::Msgqueue,
        Resource::Nice => Kernel::Nice,
        Resource::Nofile => Kernel::Nofile,
        Resource::Nproc => Kernel::Nproc,
        Resource::Rss => Kernel::Rss,
        Resource::Rtprio => Kernel::Rtprio,
        Resource::Rttime => Kernel::Rttime,
        Resource::Sigpending => Kernel::Sigpending,
        Resource::Stack => Kernel::Stack,
    };
    let limit = Rlimit {
        current: limit.soft,
        maximum: limit.hard,
    };
    (resource, limit)
}

/// A Windows path as components below C:.
fn components(path: &str) -> Result<Vec<String>> {
    Ok(ContainerPath::parse(path)?.components().to_vec())
}

fn resolver(dns: &SiloDns, host_name: &str) -> Result<Resolver> {
    let words = dns.servers.iter().chain(&dns.search);
    let pairs = dns.hosts.iter().flat_map(|(address, name)| [address, name]);
    for word in words.chain(pairs) {
        if word.is_empty() || word.contains(char::is_whitespace) {
            bail!("cannot configure the resolver: {word:?} is no name or address");
        }
    }
    let mut resolv_conf = String::new();
    for server in &dns.servers {
        writeln!(resolv_conf, "nameserver {server}")?;
    }
    if !dns.search.is_empty() {
        writeln!(resolv_conf, "search {}", dns.search.join(" "))?;
    }
    let mut hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost\n".to_owned();
    for (address, name) in &dns.hosts {
        writeln!(hosts, "{address}\t{name}")?;
    }
    if !dns.hosts.iter().any(|(_, name)| name == host_name) {
        writeln!(hosts, "127.0.1.1\t{host_name}")?;
    }
    Ok(Resolver { resolv_conf, hosts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(target: &str) -> MappedDirectory {
        MappedDirectory {
            source: "/x".into(),
            target: target.into(),
            read_only: false,
        }
    }

    #[test]
    fn a_target_is_a_path_on_c() {
        assert_eq!(
            mapped(&directory(r"c:\App\data\")).unwrap().target,
            ["App", "data"]
        );
        assert_eq!(mapped(&directory("C:/app")).unwrap().target, ["app"]);
        for bad in [r"D:\app", "C:app", r"\app", ""] {
            assert!(mapped(&directory(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_line_can_be_smuggled_into_the_resolvers_files() {
        let dns = SiloDns {
            servers: vec!["10.0.0.1\nnameserver 6.6.6.6".into()],
            ..SiloDns::default()
        };
        assert!(resolver(&dns, "x").is_err());
        let dns = SiloDns {
            servers: vec!["10.0.0.1".into()],
            search: vec!["a.example".into(), "b.example".into()],
            hosts: vec![("10.0.0.2".into(), "x".into())],
        };
        let files = resolver(&dns, "x").unwrap();
        assert_eq!(
            files.resolv_conf,
            "nameserver 10.0.0.1\nsearch a.example b.example\n"
        );
        assert!(files.hosts.ends_with("::1\tlocalhost\n10.0.0.2\tx\n"));
    }

    #[test]
    fn programs_see_a_whole_number_of_processors() {
        let with = |share| {
            processors(&Limits {
                processors: share,
                ..Limits::default()
            })
        };
        let host = with(None);
        assert_eq!(with(Some(0.5)), 1);
        assert_eq!(with(Some(1e6)), host);
    }
}
