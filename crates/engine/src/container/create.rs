//! Creating a container: everything is checked first, then it is recorded.

use std::sync::Arc;

use porthole_oci::{ImageConfig, MicrosoftBase, WindowsVersion};
use porthole_store::Image;
use time::OffsetDateTime;

use crate::container::config::{ContainerConfig, CreateContainer, HostConfig, RestartPolicy};
use crate::container::record::{Container, Mount};
use crate::container::state::State;
use crate::container::{
    command, events, log_options, merge, mounts, name, ports, task, tmpfs, ulimits, user,
};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::image::base;
use crate::image::config::{WINE_BUILD, run_config};
use crate::signal::Signal;

/// A container that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its ID.
    pub id: String,
    /// What the client should be told.
    pub warnings: Vec<String>,
}

/// How many chosen names are tried before the ID's beginning serves as name.
const NAME_ATTEMPTS: usize = 6;

/// Longest host name in characters: a DNS label.
const MAX_HOSTNAME: usize = 63;

/// Creates a container.
pub(crate) async fn create(context: &Arc<Context>, request: CreateContainer) -> Result<Created> {
    if request.config.image.is_empty() {
        return Err(Error::invalid("no image specified"));
    }
    let given = request.name.as_deref().filter(|name| !name.is_empty());
    let given = given.map(name::check_name).transpose()?.map(str::to_owned);
    let image = context.records.find_image(&request.config.image).await?;
    let named = request.config.image.clone();
    let CreateContainer {
        config, mut host, ..
    } = request;
    let mut warned = host.resources.check(context.facts.processors)?;
    warned.extend(warnings(&image));
    let base = substitute(context, &image, &named).await?;
    let mut container = build(context, &image, base.as_ref(), config, host)?;
    mounts::check_sources(&container.mounts).await?;
    container.host.log.check_destination().await?;
    match given {
        Some(name) => {
            container.name = name;
            context
                .records
                .create(&container, image.id)
                .await
                .map_err(|error| name::taken(context, &container.name, error))?;
        }
        None => create_with_chosen_name(context, &mut container, image.id).await?,
    }
    let id = container.id.clone();
    events::publish(&context.events, &container, "create", &[]);
    task::spawn(context, container);
    Ok(Created {
        id,
        warnings: warned,
    })
}

/// The base that lies under an image which stands on one of Microsoft's.
async fn substitute(context: &Context, image: &Image, named: &str) -> Result<Option<Image>> {
    let Some(substituted) = &image.base else {
        return Ok(None);
    };
    let (kind, named) = (substituted.kind, named.to_owned());
    let found = context
        .records
        .work(move |store| base::required(store, kind, &named));
    found.await.map(Some)
}

/// What of the image's settings has no effect yet.
fn warnings(image: &Image) -> Vec<String> {
    let volumes = image.config.config.volumes.keys();
    volumes
        .map(|path| {
            format!("The image's volume {path} is part of the container: volumes are not there yet")
        })
        .collect()
}

async fn create_with_chosen_name(
    context: &Context,
    container: &mut Container,
    image: porthole_store::ImageId,
) -> Result<()> {
    for attempt in 0..NAME_ATTEMPTS {
        container.name = name::choose_name(attempt);
        match context.records.create(container, image).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            created => return created,
        }
    }
    container.name = container.id[..12].to_owned();
    context.records.create(container, image).await
}

/// The record of a new container, without its name. Refuses what cannot be.
fn build(
    context: &Context,
    image: &Image,
    base: Option<&Image>,
    config: ContainerConfig,
    mut host: HostConfig,
) -> Result<Container> {
    check_image(image)?;
    let id = name::new_id();
    let mut config = merge::merge(config, run_config(&image.config.config))?;
    check_names(&mut config, &id)?;
    config.user = user::account(&config.user)?.to_owned();
    config.working_dir = command::working_directory(&config.working_dir)?;
    if let Some(signal) = &config.stop_signal {
        Signal::parse(signal)?;
    }
    if let Some(check) = &config.healthcheck {
        check.check(&config.shell)?;
    }
    check_host(&mut host)?;
    ports::publish(&host, config.exposed_ports.iter().copied())?;
    config.exposed_ports.extend(host.port_bindings.keys());
    let command_line = command::main_command_line(&config)?;
    let wine_build = base
        .unwrap_or(image)
        .config
        .config
        .labels
        .get(WINE_BUILD)
        .cloned()
        .unwrap_or_default();
    let container = Container {
        log_path: context.records.log_path(&id),
        name: String::new(),
        created: OffsetDateTime::now_utc(),
        image_id: image.id.to_string(),
        mounts: checked_mounts(&host)?,
        host,
        command_line,
        wine_build,
        os_version: os_version(&image.config),
        base: base.map(|base| base.id.to_string()),
        state: State::created(),
        restarts: 0,
        ended_by_client: false,
        endpoint: None,
        execs: std::collections::BTreeMap::new(),
        config,
        id,
    };
    // What a start would refuse.
    log_options::spec(&container)?;
    Ok(container)
}

/// The version of Windows that programs of an image are to see, in four parts; empty where it names
/// none.
fn os_version(config: &ImageConfig) -> String {
    let Some(version) = MicrosoftBase::version(config) else {
        return String::new();
    };
    let revision = version.revision.or(Some(0));
    WindowsVersion {
        revision,
        ..version
    }
    .to_string()
}

/// Fills in what is the default, and refuses what cannot be.
fn check_host(host: &mut HostConfig) -> Result<()> {
    if host.auto_remove && host.restart != RestartPolicy::No {
        return Err(Error::invalid(
            "can't create 'AutoRemove' container with restart policy",
        ));
    }
    host.isolation = isolation(&host.isolation)?;
    host.log.driver = host.log.driver().to_owned();
    check_network(host)?;
    ulimits::limits(&host.ulimits).map(drop)
}

/// The mounts; none may be where another one or a directory in memory is.
fn checked_mounts(host: &HostConfig) -> Result<Vec<Mount>> {
    let mounts = mounts::mounts(&host.binds)?;
    let in_memory = tmpfs::directories(&host.tmpfs)?;
    let binds = mounts.iter().map(|mount| mount.destination.as_str());
    let in_memory = in_memory.iter().map(|one| one.target.as_str());
    mounts::check_targets(binds.chain(in_memory))?;
    Ok(mounts)
}

fn check_image(image: &Image) -> Result<()> {
    if image.config.os.eq_ignore_ascii_case("windows") {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "image operating system \"{}\" cannot be used on this platform: only windows images run here",
        image.config.os
    )))
}

fn check_names(config: &mut ContainerConfig, id: &str) -> Result<()> {
    if config.hostname.is_empty() {
        config.hostname = id[..12].to_owned();
    }
    let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let valid = |name: &str| name.chars().all(plain) && name.len() <= MAX_HOSTNAME;
    if !valid(&config.hostname) {
        return Err(Error::invalid(format!(
            "invalid hostname: {}",
            config.hostname
        )));
    }
    if !valid(&config.full_hostname()) {
        return Err(Error::invalid(format!(
            "invalid domainname: {}: it and the host name must be at most {MAX_HOSTNAME} characters together",
            config.domainname
        )));
    }
    Ok(())
}

/// `process`, or why not.
fn isolation(asked: &str) -> Result<String> {
    match asked.to_ascii_lowercase().as_str() {
        "" | "default" | "process" => Ok("process".to_owned()),
        "hyperv" => Err(Error::unsupported(
            "isolation hyperv: use --isolation process",
        )),
        _ => Err(Error::invalid(format!(
            "invalid isolation ({asked}): Windows supports 'default', 'process', or 'hyperv'"
        ))),
    }
}

fn check_network(host: &HostConfig) -> Result<()> {
    let publishes = !host.port_bindings.is_empty() || host.publish_all_ports;
    match host.network_mode.as_str() {
        "" | "default" | "nat" => Ok(()),
        "none" if publishes => Err(Error::invalid(
            "conflicting options: port publishing and the network mode none",
        )),
        "none" => Ok(()),
        mode @ ("host" | "bridge") => Err(Error::invalid(format!(
            "network mode {mode} is not supported for Windows containers: use nat or none"
        ))),
        mode if mode.starts_with("container:") => Err(Error::unsupported(format!(
            "network mode {mode}: use nat or none"
        ))),
        // Whether there is such a network is seen at the start, as in dockerd: clients take a 404
        // here for an image that is missing, and pull one.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isolation_is_resolved_or_refused() {
        assert_eq!(isolation("Default").unwrap(), "process");
        let hyperv = isolation("hyperv").unwrap_err();
        assert_eq!(hyperv.kind(), ErrorKind::InvalidParameter);
        assert_eq!(
            hyperv.to_string(),
            "invalid option: this version of Porthole does not support isolation hyperv: use --isolation process"
        );
        assert_eq!(
            isolation("x").unwrap_err().to_string(),
            "invalid isolation (x): Windows supports 'default', 'process', or 'hyperv'"
        );
    }

    #[test]
    fn programs_see_the_version_that_the_image_or_its_base_names() {
        let mut config = ImageConfig::default();
        assert_eq!(os_version(&config), "");
        config.history.push(porthole_oci::HistoryEntry {
            created_by: Some("Apply image 10.0.17763.2928".to_owned()),
            ..porthole_oci::HistoryEntry::default()
        });
        assert_eq!(os_version(&config), "10.0.17763.2928");
        for (named, expected) in [
            ("10.0.20348.7", "10.0.20348.7"),
            ("10.0.26100", "10.0.26100.0"),
            ("eleven", "10.0.17763.2928"),
        ] {
            config.os_version = Some(named.to_owned());
            assert_eq!(os_version(&config), expected);
        }
    }

    #[test]
    fn modes_that_are_not_there_are_refused_by_name() {
        let host = |mode: &str| HostConfig {
            network_mode: mode.to_owned(),
            ..HostConfig::default()
        };
        for mode in ["", "default", "nat", "none", "blue"] {
            assert!(check_network(&host(mode)).is_ok(), "{mode}");
        }
        for mode in ["host", "container:web"] {
            let error = check_network(&host(mode)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{mode}");
        }
        let publishing = HostConfig {
            publish_all_ports: true,
            ..host("none")
        };
        assert!(check_network(&publishing).is_err());
    }
}
