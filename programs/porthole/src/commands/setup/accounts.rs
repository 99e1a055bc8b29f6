//! The group, and the users that set up.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::manifest::Manifest;
use super::report::Report;

/// The group whose members may use the socket.
pub(super) const GROUP: &str = "porthole";

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) home: PathBuf,
}

/// Makes the group unless it is there.
pub(super) fn make_group(manifest: &mut Manifest, report: &mut Report) -> Result<()> {
    let what = format!("group {GROUP}");
    if database("group", GROUP)?.is_some() {
        report.unchanged(what);
        return Ok(());
    }
    if report.change(what, || tool("groupadd", &["--system", GROUP]))? {
        manifest.group = true;
        manifest.save()?;
    }
    Ok(())
}

/// Removes the group if setup made it.
pub(super) fn remove_group(manifest: &mut Manifest, report: &mut Report) -> Result<()> {
    if !manifest.group {
        return Ok(());
    }
    let remove = || match database("group", GROUP)? {
        Some(_) => tool("groupdel", &[GROUP]),
        None => Ok(()),
    };
    if report.change(format!("remove group {GROUP}"), remove)? {
        manifest.group = false;
        manifest.save()?;
    }
    Ok(())
}

/// Root, and the user who became root by sudo.
pub(super) fn callers() -> Result<Vec<User>> {
    let by_sudo = std::env::var("SUDO_USER").ok();
    let names = ["root".to_owned()].into_iter().chain(by_sudo);
    let mut users = Vec::new();
    for name in names {
        if let Some(user) = user(&name)?
            && !users.contains(&user)
        {
            users.push(user);
        }
    }
    Ok(users)
}

/// A user by name.
pub(super) fn user(name: &str) -> Result<Option<User>> {
    let entry = database("passwd", name)?;
    Ok(entry.and_then(|entry| parse_user(&entry)))
}

/// `name:password:uid:gid:comment:home:shell`
fn parse_user(entry: &str) -> Option<User> {
    let mut fields = entry.trim_end().split(':');
    let name = fields.next()?.to_owned();
    let home = fields.nth(4)?.into();
    Some(User { name, home })
}

/// An entry of a database of the name service, which may know more than the files in /etc.
fn database(database: &str, key: &str) -> Result<Option<String>> {
    let output = Command::new("getent")
        .args([database, key])
        .output()
        .context("cannot run getent")?;
    Ok(output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Runs a program that must succeed.
pub(super) fn tool(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    ensure!(
        output.status.success(),
        "'{program} {}' failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_name_and_a_home() {
        let user = parse_user("ada:x:1000:1000:Ada,,,:/home/ada:/bin/bash\n");
        let ada = User {
            name: "ada".to_owned(),
            home: "/home/ada".into(),
        };
        assert_eq!(user, Some(ada));
        assert_eq!(parse_user("ada:x"), None);
    }
}
