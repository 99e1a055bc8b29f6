//! Namespaces that init enters after it has been made in its PID namespace.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Context, Result};
use crate::id_map::{SILO_BASE, SILO_IDS};
use crate::sys;

/// What init is cloned with; the network namespace is joined or made afterwards.
pub(crate) const AT_CLONE: i32 =
    libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// Joins a network namespace, or makes one with loopback only.
pub(crate) fn enter_network(existing: Option<&OwnedFd>) -> Result<()> {
    let operation = "enter";
    if let Some(namespace) = existing {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .context(operation, "the network namespace")?;
    } else {
        sys::unshare(libc::CLONE_NEWNET).context(operation, "a network namespace")?;
        let socket = socket_with(
            AddressFamily::INET,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .context("open", "a socket")?;
        sys::bring_loopback_up(socket.as_fd()).context("bring up", "the loopback interface")?;
    }
    // Windows has no privileged ports, and its ping needs no privilege.
    let last = SILO_BASE + SILO_IDS - 1;
    write_setting("net/ipv4/ip_unprivileged_port_start", "0")?;
    write_setting("net/ipv4/ping_group_range", &format!("{SILO_BASE} {last}"))
}

fn write_setting(name: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/{name}");
    fs::write(&path, value).context("set", path)
}

/// Makes the cgroup that init is in the root of what its descendants see.
pub(crate) fn enter_cgroup_namespace() -> Result<()> {
    sys::unshare(libc::CLONE_NEWCGROUP).context("enter", "a cgroup namespace")
}

/// Enters the silo's user namespace, where this process then has every capability.
pub(crate) fn enter_user(namespace: BorrowedFd<'_>) -> Result<()> {
    move_into_link_name_space(namespace, Some(LinkNameSpaceType::User))
        .context("enter", "the user namespace")
}
