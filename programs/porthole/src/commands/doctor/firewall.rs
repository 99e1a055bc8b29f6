//! The firewall and forwarding.

use std::fs;
use std::process::Command;

use super::finding::Finding;

/// What a program prints, or why it could not be run.
fn output_of(program: &str, arguments: &[&str]) -> Result<String, String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// nftables, by listing tables.
pub(super) fn nft() -> Finding {
    const NAME: &str = "nftables";
    let Ok(version) = output_of("nft", &["--version"]) else {
        return Finding::missing(NAME, "the program nft is not there", "apt install nftables");
    };
    if !rustix::process::geteuid().is_root() {
        return Finding::not_looked_at(NAME);
    }
    match output_of("nft", &["list", "tables"]) {
        Ok(_) => Finding::good(NAME, version),
        Err(error) => Finding::missing(
            NAME,
            error,
            "use a kernel with nf_tables, and run this as root",
        ),
    }
}

/// conntrack, for published UDP ports only.
pub(super) fn conntrack() -> Finding {
    const NAME: &str = "conntrack";
    match output_of("conntrack", &["--version"]) {
        Ok(version) => Finding::good(NAME, version),
        Err(_) => Finding::note(
            NAME,
            "not there: a published UDP port may miss who already sends to it",
            "apt install conntrack",
        ),
    }
}

/// Whether the host forwards packets.
pub(super) fn forwarding() -> Finding {
    const NAME: &str = "forwarding";
    match fs::read_to_string("/proc/sys/net/ipv4/ip_forward") {
        Ok(value) if value.trim() == "1" => Finding::good(NAME, "on"),
        Ok(_) => Finding::note(
            NAME,
            "off",
            "nothing to do: the daemon switches it on when the first container joins nat",
        ),
        Err(error) => Finding::missing(NAME, error.to_string(), "mount /proc"),
    }
}

/// What another firewall does with forwarded packets.
pub(super) fn policy() -> Finding {
    const NAME: &str = "FORWARD policy";
    if !rustix::process::geteuid().is_root() {
        return Finding::not_looked_at(NAME);
    }
    match output_of("iptables", &["-S", "FORWARD"]) {
        Ok(rules) if rules.lines().any(|line| line == "-P FORWARD DROP") => Finding::note(
            NAME,
            "DROP (Docker and some firewalls set it)",
            "nothing to do: the daemon lets its own bridge through, in DOCKER-USER where Docker is there",
        ),
        Ok(_) => Finding::good(NAME, "ACCEPT"),
        Err(_) => Finding::good(NAME, "no iptables here"),
    }
}
