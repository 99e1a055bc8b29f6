//! What `info` and `version` tell about the engine.

use std::sync::Arc;

use crate::container::log_options;
use crate::container::state::State;
use crate::context::Context;
use crate::error::{Error, Result};

/// Facts of the host and the installation, given by the program that opens the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// An ID that stays the same over restarts.
    pub engine_id: String,
    /// The host's name.
    pub host_name: String,
    /// Processors.
    pub processors: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// The Windows build that the base images have, for example `20348`.
    pub windows_build: u32,
    /// The data root.
    pub data_root: String,
    /// The host's time zone by its name in the tz database; none for UTC.
    pub time_zone: Option<String>,
    /// What whoever asks for `info` shall be warned of, a sentence each.
    pub warnings: Vec<String>,
}

/// What of the installation may change while the engine runs, and is asked for each time.
pub trait Installation: Send + Sync {
    /// The kernel package's Wine build; none while no kernel package is installed. May block.
    fn wine_build(&self) -> Option<String>;
}

/// What `info` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The facts given when the engine was opened.
    pub facts: Facts,
    /// The kernel package's Wine build; none while no kernel package is installed.
    pub wine_build: Option<String>,
    /// Containers.
    pub containers: usize,
    /// Those that run and are not paused.
    pub running: usize,
    /// Those that are paused.
    pub paused: usize,
    /// The others.
    pub stopped: usize,
    /// Images.
    pub images: usize,
    /// In Windows' manner, for example `10.0 20348 (wine-10.0)`.
    pub kernel_version: String,
    /// For example `Microsoft Windows Server Version 21H2 (OS Build 20348)`.
    pub operating_system: String,
    /// For example `10.0.20348`.
    pub os_version: String,
    /// `process`.
    pub default_isolation: String,
    /// The log driver of a container for which none is named, `json-file`.
    pub log_driver: String,
    /// The log drivers that there are.
    pub log_drivers: Vec<String>,
    /// The storage driver, `overlay`.
    pub storage_driver: String,
    /// The networks' drivers.
    pub network_drivers: Vec<String>,
}

/// What `info` and `version` show.
pub(crate) async fn info(context: &Context) -> Result<Info> {
    let containers = context.containers.all();
    let count = |state: fn(&State) -> bool| {
        let matching = containers
            .iter()
            .filter(|handle| state(&handle.ledger.read().state));
        matching.count()
    };
    let (paused, alive) = (count(State::is_paused), count(State::is_running));
    let facts = context.facts.clone();
    let build = facts.windows_build;
    let installation = Arc::clone(&context.installation);
    let wine_build = tokio::task::spawn_blocking(move || installation.wine_build())
        .await
        .map_err(|error| Error::system("cannot look at the installation").with_source(error))?;
    let kernel = wine_build.as_deref().unwrap_or("no kernel package");
    let networks = context.network.list().into_iter();
    Ok(Info {
        containers: containers.len(),
        running: alive - paused,
        paused,
        stopped: containers.len() - alive,
        images: context.records.images().await?.len(),
        kernel_version: format!("10.0 {build} (wine-{kernel})"),
        operating_system: operating_system(build),
        os_version: format!("10.0.{build}"),
        default_isolation: "process".to_owned(),
        log_driver: log_options::DEFAULT.to_owned(),
        log_drivers: log_options::drivers()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        storage_driver: "overlay".to_owned(),
        network_drivers: networks.map(|network| network.driver.to_owned()).collect(),
        wine_build,
        facts,
    })
}

/// Docker's sentence on Windows Server; builds without a release name have none in it.
fn operating_system(build: u32) -> String {
    let release = match build {
        17763 => " Version 1809",
        20348 => " Version 21H2",
        25398 => " Version 23H2",
        26100 => " Version 24H2",
        _ => "",
    };
    format!("Microsoft Windows Server{release} (OS Build {build})")
}
