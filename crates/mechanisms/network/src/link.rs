//! Interfaces, addresses and routes, over netlink.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd};

use futures::TryStreamExt;
use ipnet::Ipv4Net;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage,
};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute};
use rtnetlink::{Handle, LinkBridge, LinkBridgePort, LinkUnspec, LinkVeth, RouteMessageBuilder};
use rustix::io::Errno;

use crate::address;
use crate::endpoint::Address;
use crate::error::{Error, ErrorKind, Result, errno};

/// The name of a container's interface: Windows' name of a first network adapter.
const INTERFACE: &str = "Ethernet";

/// The loopback interface's index in every namespace.
const LOOPBACK: u32 = 1;

/// The index that a container's interface is made with, so that nothing need look it up.
const INTERFACE_INDEX: u32 = 2;

/// What the names of the host's ends begin with.
const PREFIX: &str = "ph";

/// The name of the host's end of an endpoint's pair: unique as long as the address is.
pub(crate) fn host_end(address: Ipv4Addr) -> String {
    format!("{PREFIX}{:08x}", u32::from(address))
}

/// The address that the host's end of a pair belongs to.
fn address_of(name: &str) -> Option<Ipv4Addr> {
    let digits = name
        .strip_prefix(PREFIX)
        .filter(|digits| digits.len() == 8)?;
    u32::from_str_radix(digits, 16).ok().map(Ipv4Addr::from)
}

/// A netlink connection to the calling thread's namespace, served by the current runtime.
pub(crate) fn connect() -> std::io::Result<Handle> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    tokio::spawn(connection);
    Ok(handle)
}

/// Brings loopback up in a new namespace.
pub(crate) async fn configure_loopback(inside: &Handle) -> Result<()> {
    bring_up(inside, LOOPBACK)
        .await
        .map_err(|error| Error::netlink("bring up interface", "lo", error))
}

/// Makes a pair, one end on the bridge and up, the other in `namespace`. That one cannot be made up:
/// the kernel configures it before it knows the first.
pub(crate) async fn create_pair(
    host: &Handle,
    bridge: u32,
    namespace: impl AsFd,
    address: &Address,
) -> Result<()> {
    let name = host_end(address.ip);
    let peer = LinkUnspec::new_with_name(INTERFACE)
        .index(INTERFACE_INDEX)
        .address(address.mac.to_vec())
        .setns_by_fd(namespace.as_fd().as_raw_fd())
        .build();
    let pair = LinkVeth::new(&name, INTERFACE)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .controller(bridge)
        .up()
        .build();
    let result = host.link().add(pair).execute().await;
    result.map_err(|error| Error::netlink("create interface", &name, error))
}

/// Lets the bridge send a container what it sent itself. With `br_netfilter`, which dockerd loads,
/// translation already happens in the bridge, and a container that asks for its own published port
/// is answered through the port that it asked by.
pub(crate) async fn allow_hairpin(host: &Handle, address: &Address) -> Result<()> {
    let name = host_end(address.ip);
    let port = LinkBridgePort::new(0).name(&name).hairpin(true).build();
    let result = host.link().set_port(port).execute().await;
    result.map_err(|error| Error::netlink("configure bridge port", &name, error))
}

/// Brings the container's end up, with its address and its route out.
pub(crate) async fn configure_interface(inside: &Handle, address: &Address) -> Result<()> {
    let failed = |error| Error::netlink("configure interface", INTERFACE, error);
    bring_up(inside, INTERFACE_INDEX).await.map_err(failed)?;
    let ip = inside
        .address()
        .add(INTERFACE_INDEX, address.ip.into(), address.prefix_length);
    ip.execute().await.map_err(failed)?;
    let route = RouteMessageBuilder::<Ipv4Addr>::new()
        .gateway(address.gateway)
        .build();
    inside.route().add(route).execute().await.map_err(failed)
}

/// Deletes an interface; what is not there is fine.
pub(crate) async fn delete(host: &Handle, name: &str) -> Result<()> {
    let link = LinkUnspec::new_with_name(name).build();
    match host.link().del_with_message(link).execute().await {
        Err(error) if !is_missing(&error) => Err(Error::netlink("delete interface", name, error)),
        _ => Ok(()),
    }
}

/// The host's ends on the bridge, by the addresses that they belong to.
pub(crate) async fn host_ends(host: &Handle, bridge: u32) -> Result<Vec<Ipv4Addr>> {
    let links = list(host).await?;
    let on_bridge =
        |link: &&LinkMessage| link.attributes.contains(&LinkAttribute::Controller(bridge));
    Ok(links
        .iter()
        .filter(on_bridge)
        .filter_map(|link| address_of(name_of(link)?))
        .collect())
}

/// Makes the bridge what it should be: there, ours, with the gateway's address, up. Returns its
/// index.
pub(crate) async fn ensure_bridge(host: &Handle, name: &str, subnet: Ipv4Net) -> Result<u32> {
    let failed = |error| Error::netlink("create bridge", name, error);
    let gateway = address::gateway(subnet);
    let index = match find(host, name).await? {
        Some(link) if is_bridge(&link) => link.header.index,
        Some(_) => {
            let message = "there is another interface of this name";
            return Err(Error::new(
                ErrorKind::NameTaken,
                "create bridge",
                name,
                message,
            ));
        }
        None => {
            let mac = address::mac_of(gateway).to_vec();
            let bridge = LinkBridge::new(name).address(mac).build();
            host.link().add(bridge).execute().await.map_err(failed)?;
            let made = find(host, name).await?;
            made.ok_or_else(|| failed(rtnetlink::Error::RequestFailed))?
                .header
                .index
        }
    };
    match host
        .address()
        .add(index, gateway.into(), subnet.prefix_len())
        .execute()
        .await
    {
        Err(error) if errno(&error) != Some(Errno::EXIST) => return Err(failed(error)),
        _ => {}
    }
    bring_up(host, index).await.map_err(failed)?;
    Ok(index)
}

/// Whether the host has bridges beside ours: others who need it to forward.
pub(crate) async fn has_other_bridges(host: &Handle, ours: &str) -> Result<bool> {
    let links = list(host).await?;
    Ok(links
        .iter()
        .any(|link| is_bridge(link) && name_of(link) != Some(ours)))
}

/// What the host has IPv4 addresses in or routes to, default routes left out, the interface
/// `except` left out.
pub(crate) async fn used_networks(host: &Handle, except: &str) -> Result<Vec<Ipv4Net>> {
    let failed = |error| Error::netlink("list routes", "ipv4", error);
    let ignored = find(host, except).await?.map(|link| link.header.index);
    let mut networks = Vec::new();
    let all = RouteMessageBuilder::<Ipv4Addr>::new().build();
    let mut routes = host.route().get(all).execute();
    while let Some(route) = routes.try_next().await.map_err(failed)? {
        let mut destination = None;
        let mut interface = None;
        for attribute in &route.attributes {
            match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(ip)) => destination = Some(*ip),
                RouteAttribute::Oif(index) => interface = Some(*index),
                _ => {}
            }
        }
        let length = route.header.destination_prefix_length;
        if length > 0 && (interface.is_none() || interface != ignored) {
            networks.extend(destination.and_then(|ip| Ipv4Net::new(ip, length).ok()));
        }
    }
    let mut addresses = host.address().get().execute();
    while let Some(message) = addresses.try_next().await.map_err(failed)? {
        if message.header.family != AddressFamily::Inet || Some(message.header.index) == ignored {
            continue;
        }
        networks.extend(
            message
                .attributes
                .iter()
                .filter_map(|attribute| match attribute {
                    AddressAttribute::Address(IpAddr::V4(ip)) => {
                        Ipv4Net::new(*ip, message.header.prefix_len).ok()
                    }
                    _ => None,
                }),
        );
    }
    Ok(networks.iter().map(Ipv4Net::trunc).collect())
}

async fn bring_up(handle: &Handle, index: u32) -> Result<(), rtnetlink::Error> {
    handle
        .link()
        .set(LinkUnspec::new_with_index(index).up().build())
        .execute()
        .await
}

async fn list(host: &Handle) -> Result<Vec<LinkMessage>> {
    let links = host.link().get().execute().try_collect().await;
    links.map_err(|error| Error::netlink("list interfaces", "", error))
}

async fn find(host: &Handle, name: &str) -> Result<Option<LinkMessage>> {
    match host
        .link()
        .get()
        .match_name(name)
        .execute()
        .try_next()
        .await
    {
        Ok(link) => Ok(link),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(Error::netlink("find interface", name, error)),
    }
}

/// Whether the interface was not there, or went while it was being looked at.
fn is_missing(error: &rtnetlink::Error) -> bool {
    matches!(
        errno(error),
        Some(Errno::NODEV | Errno::NXIO | Errno::NOENT)
    )
}

fn name_of(link: &LinkMessage) -> Option<&str> {
    link.attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.as_str()),
            _ => None,
        })
}

fn is_bridge(link: &LinkMessage) -> bool {
    link.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => infos.contains(&LinkInfo::Kind(InfoKind::Bridge)),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_addresses() {
        let address = Ipv4Addr::new(172, 30, 0, 2);
        assert_eq!(host_end(address), "phac1e0002");
        assert_eq!(address_of("phac1e0002"), Some(address));
        for name in ["phac1e", "phxxxxxxxx", "porthole0", "veth1234"] {
            assert_eq!(address_of(name), None);
        }
    }
}
