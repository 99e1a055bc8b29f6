//! From the plan to what the supervisor is told.

use std::path::Path;

use porthole_protocol::supervisor::SiloSpec;

use super::image::{Image, LAYER_FILES};
use super::place::Place;
use super::root_certificates;
use crate::document::{Network, SystemPlan};

/// The directory of network namespaces, in the run-time root.
const NAMESPACES: &str = "netns";

pub(super) fn spec(plan: &SystemPlan, image: &Image, exec_root: &Path, place: &Place) -> SiloSpec {
    let layers = plan.layers.iter();
    let network_namespace = match &plan.network {
        Network::None => None,
        Network::Path(path) => Some(path.clone()),
        Network::Id(id) => Some(text(&exec_root.join(NAMESPACES).join(id))),
    };
    SiloSpec {
        id: plan.id.clone(),
        host_name: plan.host_name.clone(),
        kernel: text(&image.kernel_root),
        layers: layers.map(|layer| text(&layer.join(LAYER_FILES))).collect(),
        sandbox: text(&plan.sandbox),
        registry: text(&image.registry),
        mapped_directories: plan.mapped_directories.clone(),
        directories: plan.directories.clone(),
        temporary_directories: plan.temporary_directories.clone(),
        resource_limits: plan.resource_limits.clone(),
        time_zone: plan.time_zone.clone(),
        root_certificates: root_certificates::of_host(),
        user: plan.user,
        network_namespace,
        dns: plan.dns.clone(),
        limits: plan.limits.clone(),
        cgroup_parent: place.parent.clone(),
        in_scope: place.scope.is_some(),
        published_ports: plan.published_ports.clone(),
    }
}

/// Paths come from JSON documents and from our own names, both Unicode.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
