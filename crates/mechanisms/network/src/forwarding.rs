//! Getting past other firewalls.
//!
//! A packet passes only if every table lets it: accepting it in ours does not help when the
//! `FORWARD` chain of iptables drops by default, as dockerd and ufw make it. So rules for our
//! bridge go where its owner wants those of others: Docker's chain `DOCKER-USER` where there is
//! one, else the head of `FORWARD`. They are made by iptables itself, of the flavour that the
//! chain belongs to: iptables and dockerd refuse a table with rules in it that nft alone
//! understands. Each carries a comment by which it is found again.
//!
//! Other tables are not ours to change; [`obstacles`] names those that drop what we forward.
//! firewalld is told with `firewall-cmd --permanent --zone=trusted --add-interface=porthole0`,
//! any other by a rule of its administrator's.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::tool;

const COMMENT: &str = "porthole";

/// Where Docker wants the rules of others: before its own.
const DOCKER_CHAIN: &str = "DOCKER-USER";

/// iptables with its two ways into the kernel. The plain name is whichever the host prefers.
const FLAVOURS: [Flavour; 2] = [
    Flavour {
        save: "iptables-nft-save",
        restore: "iptables-nft-restore",
    },
    Flavour {
        save: "iptables-legacy-save",
        restore: "iptables-legacy-restore",
    },
];

/// Lists the tables that the legacy flavour has in the calling thread's namespace; asking that
/// flavour itself would make them.
const LEGACY_TABLES: &str = "/proc/thread-self/net/ip_tables_names";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flavour {
    save: &'static str,
    restore: &'static str,
}

/// Puts our rules where they are needed, and takes them from where they are not.
pub(crate) async fn allow(bridge: &str) -> Result<()> {
    for flavour in present().await? {
        let listing = save(flavour).await?;
        restore(flavour, &changes(&listing, Some(bridge))).await?;
    }
    Ok(())
}

/// Takes all our rules back.
pub(crate) async fn disallow() -> Result<()> {
    for flavour in present().await? {
        let listing = save(flavour).await?;
        restore(flavour, &changes(&listing, None)).await?;
    }
    Ok(())
}

/// The tables, besides those that [`allow`] takes care of, that do not let `bridge` through: each
/// with what to do.
pub(crate) async fn obstacles(bridge: &str) -> Result<Vec<String>> {
    let listing = tool::run("nft", &["-j", "-t", "list", "ruleset"], "").await?;
    let listing: serde_json::Value = serde_json::from_slice(&listing).map_err(|error| {
        Error::new(
            ErrorKind::Tool,
            "read listing of",
            "nft",
            "not what nft prints",
        )
        .with_source(error)
    })?;
    let objects = listing["nftables"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    Ok(obstacles_in(objects, bridge))
}

fn obstacles_in(objects: &[serde_json::Value], bridge: &str) -> Vec<String> {
    let mentions_bridge = |family: &str, table: &str| {
        objects.iter().map(|object| &object["rule"]).any(|rule| {
            rule["family"] == family
                && rule["table"] == table
                && rule.to_string().contains(&format!("\"{bridge}\""))
        })
    };
    let mut obstacles = Vec::new();
    for chain in objects.iter().map(|object| &object["chain"]) {
        let [family, table, name] =
            ["family", "table", "name"].map(|key| chain[key].as_str().unwrap_or_default());
        let drops = chain["hook"] == "forward" && chain["policy"] == "drop";
        // That of IPv6 does not matter as long as the network has none.
        let handled =
            table == "filter" && name == "FORWARD" && family.starts_with("ip") || family == "ip6";
        if table == "firewalld" && name == "filter_FORWARD" && !mentions_bridge(family, table) {
            obstacles.push(format!("firewalld: run firewall-cmd --permanent --zone=trusted --add-interface={bridge} and reload it"));
        } else if drops && !handled && !mentions_bridge(family, table) {
            obstacles.push(format!("nft chain {family} {table} {name} drops by default: add rules that accept iifname and oifname \"{bridge}\""));
        }
    }
    obstacles
}

/// The flavours whose `filter` table exists.
async fn present() -> Result<Vec<Flavour>> {
    let [nft, legacy] = FLAVOURS;
    let mut flavours = Vec::new();
    let tables = tool::run("nft", &["list", "tables", "ip"], "").await?;
    if String::from_utf8_lossy(&tables)
        .lines()
        .any(|line| line.trim() == "table ip filter")
    {
        flavours.push(nft);
    }
    let names = std::fs::read_to_string(Path::new(LEGACY_TABLES)).unwrap_or_default();
    if names.lines().any(|name| name == "filter") {
        flavours.push(legacy);
    }
    Ok(flavours)
}

async fn save(flavour: Flavour) -> Result<String> {
    match tool::run(flavour.save, &["-t", "filter"], "").await {
        Ok(listing) => Ok(String::from_utf8_lossy(&listing).into_owned()),
        // Somebody made the table with nft alone; without iptables nobody expects us in it.
        Err(error) if error.kind() == ErrorKind::ToolMissing => Ok(String::new()),
        Err(error) => Err(error),
    }
}

async fn restore(flavour: Flavour, commands: &[String]) -> Result<()> {
    if commands.is_empty() {
        return Ok(());
    }
    let script = format!("*filter\n{}\nCOMMIT\n", commands.join("\n"));
    // Others change the same table: wait for their lock.
    let result = tool::run(flavour.restore, &["--noflush", "--wait", "5"], &script).await;
    result.map(drop).map_err(|error| {
        let message = "the host's iptables rules for forwarding could not be changed";
        Error::new(ErrorKind::Tool, "let through", COMMENT, message).with_source(error)
    })
}

/// The iptables commands that turn the table of `listing` into one that lets `bridge` through, or
/// that has no rule of ours.
fn changes(listing: &str, bridge: Option<&str>) -> Vec<String> {
    let ours = |line: &&str| line.contains(&format!("--comment {COMMENT} "));
    let present: Vec<&str> = listing
        .lines()
        .filter(|line| line.starts_with("-A "))
        .filter(ours)
        .collect();
    let wanted = bridge
        .zip(chain(listing))
        .map_or_else(Vec::new, |(bridge, chain)| rules(chain, bridge));
    if present == wanted {
        return Vec::new();
    }
    let delete = present.iter().map(|rule| rule.replacen("-A ", "-D ", 1));
    // Each goes to the head, so the last comes first.
    let insert = wanted
        .iter()
        .rev()
        .map(|rule| rule.replacen("-A ", "-I ", 1));
    delete.chain(insert).collect()
}

/// The chain that our rules belong in, if the table needs any.
fn chain(listing: &str) -> Option<&'static str> {
    if listing
        .lines()
        .any(|line| line.starts_with(&format!(":{DOCKER_CHAIN} ")))
    {
        return Some(DOCKER_CHAIN);
    }
    listing
        .lines()
        .any(|line| line.starts_with(":FORWARD DROP "))
        .then_some("FORWARD")
}

/// Our rules, as iptables-save prints them. What our containers send to Docker's networks is for
/// Docker's own rules to judge, which follow its chain for users.
fn rules(chain: &str, bridge: &str) -> Vec<String> {
    let rule = |matches: &str, target: &str| {
        format!("-A {chain} {matches} -m comment --comment {COMMENT} -j {target}")
    };
    let mut rules = Vec::new();
    if chain == DOCKER_CHAIN {
        rules.push(rule(&format!("-i {bridge} -o docker+"), "RETURN"));
        rules.push(rule(&format!("-i {bridge} -o br-+"), "RETURN"));
    }
    rules.push(rule(&format!("-i {bridge}"), "ACCEPT"));
    rules.push(rule(
        &format!("-o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED"),
        "ACCEPT",
    ));
    rules.push(rule(
        &format!("-o {bridge} -m conntrack --ctstate DNAT"),
        "ACCEPT",
    ));
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n";
    const UFW: &str = "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -j ufw-before-forward\nCOMMIT\n";
    const DOCKER: &str = "*filter\n:FORWARD DROP [1:2]\n:DOCKER-USER - [0:0]\n\
        -A FORWARD -j DOCKER-USER\n-A DOCKER-USER -j RETURN\nCOMMIT\n";

    /// What the table looks like afterwards, as far as our rules go.
    fn applied(commands: &[String]) -> String {
        let inserted = commands
            .iter()
            .rev()
            .filter(|command| command.starts_with("-I "));
        inserted
            .map(|command| command.replacen("-I ", "-A ", 1) + "\n")
            .collect()
    }

    #[test]
    fn leaves_alone_what_lets_us_through() {
        assert!(changes(PLAIN, Some("porthole0")).is_empty());
        assert!(changes("", Some("porthole0")).is_empty());
    }

    #[test]
    fn goes_where_the_owner_wants_it() {
        assert!(
            changes(DOCKER, Some("porthole0"))
                .iter()
                .all(|command| command.starts_with("-I DOCKER-USER "))
        );
        assert!(
            changes(UFW, Some("porthole0"))
                .iter()
                .all(|command| command.starts_with("-I FORWARD "))
        );
    }

    #[test]
    fn is_idempotent_and_taken_back() {
        let listing = format!("{DOCKER}{}", applied(&changes(DOCKER, Some("porthole0"))));
        assert!(changes(&listing, Some("porthole0")).is_empty(), "{listing}");
        let removal = changes(&listing, None);
        assert_eq!(removal.len(), 5);
        assert!(
            removal
                .iter()
                .all(|command| command.starts_with("-D DOCKER-USER "))
        );
        assert!(changes(DOCKER, None).is_empty());
    }

    #[test]
    fn names_the_tables_that_drop() {
        let chain = |family: &str, table: &str, name: &str, policy: &str| serde_json::json!({"chain": {"family": family, "table": table, "name": name, "hook": "forward", "policy": policy}});
        let fine = [
            chain("ip", "filter", "FORWARD", "drop"),
            chain("ip6", "filter", "FORWARD", "drop"),
            chain("inet", "porthole", "forward", "accept"),
        ];
        assert!(obstacles_in(&fine, "porthole0").is_empty());
        let rule = serde_json::json!({"rule": {"family": "inet", "table": "own", "expr": [
            {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "porthole0"}}]}});
        let own = chain("inet", "own", "forward", "drop");
        let found = obstacles_in(std::slice::from_ref(&own), "porthole0");
        assert!(
            found[0].starts_with("nft chain inet own forward drops"),
            "{found:?}"
        );
        assert!(obstacles_in(&[own, rule], "porthole0").is_empty());
        let firewalld = chain("inet", "firewalld", "filter_FORWARD", "accept");
        assert!(obstacles_in(&[firewalld], "porthole0")[0].starts_with("firewalld: "));
    }

    #[test]
    fn moves_when_the_chain_appears() {
        let old = applied(&changes(UFW, Some("porthole0")));
        let commands = changes(&format!("{DOCKER}{old}"), Some("porthole0"));
        assert_eq!(
            commands
                .iter()
                .filter(|command| command.starts_with("-D FORWARD "))
                .count(),
            3
        );
        assert_eq!(
            commands
                .iter()
                .filter(|command| command.starts_with("-I DOCKER-USER "))
                .count(),
            5
        );
    }
}
