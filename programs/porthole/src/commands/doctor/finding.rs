//! What an examination found.

use serde::Serialize;

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Good,
    /// Worth knowing; containers run all the same.
    Note,
    /// Containers do not run without it.
    Missing,
}

/// One thing that was examined.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    /// What it is.
    pub(super) name: &'static str,
    /// How it stands.
    pub(super) state: State,
    /// What was seen.
    pub(super) found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Finding {
    /// As it should be.
    pub(super) fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Good,
            found: found.into(),
            remedy: None,
        }
    }

    /// Worth knowing.
    pub(super) fn note(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            name,
            state: State::Note,
            found: found.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// What only root can see, for whoever is not root: no claim is made of it.
    pub(super) fn not_looked_at(name: &'static str) -> Self {
        Self::note(
            name,
            "not looked at: only root can",
            "run 'porthole doctor' as root",
        )
    }

    /// Missing, and needed.
    pub(super) fn missing(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            name,
            state: State::Missing,
            found: found.into(),
            remedy: Some(remedy.into()),
        }
    }
}

/// An error with its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
