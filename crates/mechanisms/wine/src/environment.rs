//! Variables, paths and accounts of a silo, as seen from its Unix side.

/// The loader that starts a PE file; its first argument is the file's Unix or Windows path.
pub const LOADER: &str = "/usr/lib/wine/wine64";

/// The server that holds the silo's objects and registry.
pub const WINESERVER: &str = "/usr/lib/wine/wineserver64";

/// The directory that holds `system.reg`, `user.reg`, `userdef.reg` and `dosdevices`.
pub const PREFIX: &str = "/prefix";

/// The mount point of C:. Whatever is started through Wine must have its working directory here
/// or below: a directory on no drive shows up as `unix\…` in programs.
pub const DRIVE_C: &str = "/c";

/// Where Wine's PE files are, below [`DRIVE_C`].
pub const SYSTEM_DIRECTORY: &str = "Windows/System32";

/// An account that a container's processes run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account {
    /// May change everything inside the container.
    ContainerAdministrator,
    /// May write its profile, temporary directories and volumes.
    ContainerUser,
}

impl Account {
    /// Reads a name as it stands in an image's configuration or in a request: any case, with or
    /// without a domain (`User Manager\ContainerAdministrator`). Nothing for another account.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.rsplit('\\').next().unwrap_or_default();
        let all = [Self::ContainerAdministrator, Self::ContainerUser];
        all.into_iter()
            .find(|account| account.name().eq_ignore_ascii_case(name))
    }

    /// The name as programs see it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ContainerAdministrator => "ContainerAdministrator",
            Self::ContainerUser => "ContainerUser",
        }
    }

    /// The Unix user and group ID inside the silo.
    #[must_use]
    pub const fn uid(self) -> u32 {
        match self {
            Self::ContainerAdministrator => 0,
            Self::ContainerUser => 1000,
        }
    }

    /// The profile directory on C:.
    #[must_use]
    pub fn profile(self) -> String {
        format!(r"C:\Users\{}", self.name())
    }
}

/// The environment in which wineserver and the first program of a silo start.
///
/// `LC_ALL` makes file names UTF-8; the locale of programs is en-US by it. `WINESERVER` spares the
/// loader a search, `WINEDEBUG` the messages that would mix with the programs' output.
#[must_use]
pub fn variables(account: Account) -> [(&'static str, &'static str); 6] {
    [
        ("WINEPREFIX", PREFIX),
        ("WINESERVER", WINESERVER),
        ("WINEDEBUG", "-all"),
        ("LC_ALL", "C.UTF-8"),
        ("HOME", PREFIX),
        ("USER", account.name()),
    ]
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn accounts_are_known_in_any_spelling() {
        for name in [
            "containeruser",
            r"User Manager\ContainerUser",
            "ContainerUser",
        ] {
            assert_eq!(Account::from_name(name), Some(Account::ContainerUser));
        }
        assert_eq!(
            Account::from_name("CONTAINERADMINISTRATOR").map(Account::uid),
            Some(0)
        );
        assert_eq!(Account::from_name("root"), None);
        assert_eq!(Account::ContainerUser.profile(), r"C:\Users\ContainerUser");
    }
}
