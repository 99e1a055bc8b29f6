//! Who a client is to a registry.

use std::fmt;

/// Who a client is to a registry: what Docker's clients send as `X-Registry-Auth`. Empty parts are
/// missing ones.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// The account.
    pub username: String,
    /// Its password.
    pub password: String,
    /// A token of a token server, which stands for account and password.
    pub identity_token: String,
    /// A token of the registry itself, sent as it is.
    pub registry_token: String,
}

impl Credentials {
    /// Nobody in particular.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// An account and its password.
    #[must_use]
    pub fn basic(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password: password.into(),
            ..Self::default()
        }
    }

    /// Whether they name nobody.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        *self == Self::default()
    }
}

/// Shows no secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
