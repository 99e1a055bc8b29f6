//! Rows of `GET /containers/json`, written straight from the containers: lists are long and asked
//! for often.

use std::collections::BTreeMap;

use porthole_engine::container::list::ContainerSummary;
use porthole_engine::container::record::Container;
use serde::Serialize;

use super::host_config::network_mode;
use super::mount::{MountPoint, mounts};
use super::network::{EndpointSettings, PortRow, port_rows};

/// A row.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Row<'a> {
    id: &'a str,
    names: [String; 1],
    image: &'a str,
    #[serde(rename = "ImageID")]
    image_id: &'a str,
    command: String,
    created: i64,
    ports: Vec<PortRow>,
    labels: &'a BTreeMap<String, String>,
    state: &'a str,
    status: &'a str,
    host_config: HostRow<'a>,
    network_settings: NetworkRow<'a>,
    mounts: Vec<MountPoint<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_rw: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_root_fs: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct HostRow<'a> {
    network_mode: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkRow<'a> {
    networks: BTreeMap<&'a str, EndpointSettings<'a>>,
}

impl<'a> Row<'a> {
    /// The row of a container.
    pub(crate) fn of(summary: &'a ContainerSummary) -> Self {
        let container = &*summary.container;
        Self {
            id: &container.id,
            names: [format!("/{}", container.name)],
            image: &summary.image,
            image_id: &container.image_id,
            command: command(container),
            created: container.created.unix_timestamp(),
            ports: port_rows(container),
            labels: &container.config.labels,
            state: container.state.status(),
            status: &summary.status,
            host_config: HostRow {
                network_mode: network_mode(container),
            },
            network_settings: NetworkRow {
                networks: BTreeMap::from([(
                    container.network_name(),
                    EndpointSettings::of(container),
                )]),
            },
            mounts: mounts(&container.mounts),
            size_rw: summary.size.map(|size| size.own),
            size_root_fs: summary.size.map(|size| size.total),
        }
    }
}

/// The command in one line; words with spaces in quotes.
fn command(container: &Container) -> String {
    let mut line = container.path().to_owned();
    for word in container.args() {
        line.push(' ');
        if word.contains(' ') {
            line.push('\'');
            line.push_str(&word);
            line.push('\'');
        } else {
            line.push_str(&word);
        }
    }
    line
}
