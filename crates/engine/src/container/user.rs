//! The accounts that a container has.

use crate::error::{Error, Result};

const ADMINISTRATOR: &str = "ContainerAdministrator";
const USER: &str = "ContainerUser";

/// The account a client named, as Windows spells it. Empty is the administrator, as on Windows.
pub(crate) fn account(name: &str) -> Result<&'static str> {
    let bare = name.rsplit_once('\\').map_or(name, |(_, account)| account);
    match bare {
        "" => Ok(ADMINISTRATOR),
        bare if bare.eq_ignore_ascii_case(ADMINISTRATOR) => Ok(ADMINISTRATOR),
        bare if bare.eq_ignore_ascii_case(USER) => Ok(USER),
        _ => Err(Error::invalid(format!(
            "unable to find user {name}: a container has {ADMINISTRATOR} and {USER}"
        ))),
    }
}

/// Whether an account that [`account`] gave is the administrator.
pub(crate) fn is_administrator(account: &str) -> bool {
    account == ADMINISTRATOR
}

/// The account of a further process: the container's, unless one is named. A container that runs
/// as `ContainerUser` has no other (the kernel enforces that).
pub(crate) fn exec_account(named: &str, container: &str) -> Result<&'static str> {
    let own = account(container)?;
    if named.is_empty() {
        return Ok(own);
    }
    let named = account(named)?;
    if is_administrator(named) && !is_administrator(own) {
        return Err(Error::invalid(format!(
            "the container runs as {own}: {named} is not to be had in it; create it with --user {named}"
        )));
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_known_in_any_spelling() {
        for (name, expected) in [
            ("", ADMINISTRATOR),
            ("containeradministrator", ADMINISTRATOR),
            (r"User Manager\ContainerUser", USER),
        ] {
            assert_eq!(account(name).unwrap(), expected);
        }
        let error = account("root").unwrap_err();
        assert!(
            error.to_string().starts_with("unable to find user root"),
            "{error}"
        );
    }

    #[test]
    fn a_user_does_not_become_administrator() {
        assert_eq!(exec_account("", USER).unwrap(), USER);
        assert_eq!(exec_account(USER, ADMINISTRATOR).unwrap(), USER);
        assert!(exec_account(ADMINISTRATOR, USER).is_err());
    }
}
