//! Environments: variables whose names differ not by case.

use std::collections::BTreeMap;

/// Variables by name; setting `Path` replaces `PATH`. Iteration is in order of the upper-cased
/// names, as Windows wants an environment block sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Upper-cased name to the name as written, and the value.
    variables: BTreeMap<String, (String, String)>,
}

/// A variable that Windows cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// No name before the equals sign.
    #[error("environment variable without a name: {0:?}")]
    Name(String),
    /// NUL ends a variable.
    #[error("environment variable {0:?} contains a NUL character")]
    Nul(String),
}

impl Environment {
    /// An environment without variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An environment of `NAME=value` entries, of which later ones win.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn from_entries<S: AsRef<str>>(
        entries: impl IntoIterator<Item = S>,
    ) -> Result<Self, EnvironmentError> {
        let mut environment = Self::new();
        environment.apply_all(entries)?;
        Ok(environment)
    }

    /// Takes in one entry: `NAME=value` sets, `NAME` alone removes, as Docker has it. A name may
    /// begin with an equals sign, as `cmd` keeps each drive's directory under `=C:`.
    ///
    /// # Errors
    /// An empty name, or NUL.
    pub fn apply(&mut self, entry: &str) -> Result<(), EnvironmentError> {
        let first = entry.chars().next().map_or(0, char::len_utf8);
        let (name, value) = match entry[first..].find('=') {
            Some(equals) => (&entry[..first + equals], Some(&entry[first + equals + 1..])),
            None => (entry, None),
        };
        if name.is_empty()
            || name == "="
            || (first + name.len() > 1 && value.is_none() && name.starts_with('='))
        {
            return Err(EnvironmentError::Name(entry.to_owned()));
        }
        if entry.contains('\0') {
            return Err(EnvironmentError::Nul(name.replace('\0', "\u{fffd}")));
        }
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
        Ok(())
    }

    /// Takes in entries one after another.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn apply_all<S: AsRef<str>>(
        &mut self,
        entries: impl IntoIterator<Item = S>,
    ) -> Result<(), EnvironmentError> {
        entries
            .into_iter()
            .try_for_each(|entry| self.apply(entry.as_ref()))
    }

    /// Sets a variable; the name is from now on spelled as here.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables
            .insert(name.to_uppercase(), (name.to_owned(), value.to_owned()));
    }

    /// Sets a variable unless it is there.
    pub fn set_default(&mut self, name: &str, value: &str) {
        let missing = || (name.to_owned(), value.to_owned());
        self.variables
            .entry(name.to_uppercase())
            .or_insert_with(missing);
    }

    /// Removes a variable.
    pub fn remove(&mut self, name: &str) {
        self.variables.remove(&name.to_uppercase());
    }

    /// A variable's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(&name.to_uppercase())
            .map(|(_, value)| value.as_str())
    }

    /// Names as written and values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.variables
            .values()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// `NAME=value` entries.
    #[must_use]
    pub fn to_entries(&self) -> Vec<String> {
        self.iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    /// Replaces `%NAME%` by the variable's value; names that are not there stay, as
    /// `ExpandEnvironmentStrings` leaves them.
    #[must_use]
    pub fn expand(&self, text: &str) -> String {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            expanded.push_str(before);
            match after
                .split_once('%')
                .and_then(|(name, after)| Some((self.get(name)?, after)))
            {
                Some((value, after)) => {
                    expanded.push_str(value);
                    rest = after;
                }
                None => {
                    expanded.push('%');
                    rest = after;
                }
            }
        }
        expanded + rest
    }
}

#[cfg(test)]
mod tests {
    use super::{Environment, EnvironmentError};
    use proptest::prelude::*;

    #[test]
    fn later_entries_win_whatever_their_case() {
        let environment =
            Environment::from_entries(["Path=a", "TEMP=t", "PATH=b", "temp"]).expect("well-formed");
        assert_eq!(environment.to_entries(), ["PATH=b"]);
        assert_eq!(environment.get("path"), Some("b"));
    }

    #[test]
    fn values_may_hold_equals_signs_and_names_begin_with_one() {
        let environment =
            Environment::from_entries(["=C:=C:\\x", "A=b=c", "B="]).expect("well-formed");
        assert_eq!(
            environment.iter().collect::<Vec<_>>(),
            [("=C:", "C:\\x"), ("A", "b=c"), ("B", "")]
        );
    }

    #[test]
    fn impossible_variables_are_refused() {
        for entry in ["", "=", "==", "=x"] {
            assert_eq!(
                Environment::new().apply(entry),
                Err(EnvironmentError::Name(entry.to_owned())),
                "{entry}"
            );
        }
        assert!(matches!(
            Environment::new().apply("A=\0"),
            Err(EnvironmentError::Nul(_))
        ));
    }

    #[test]
    fn defaults_do_not_replace() {
        let mut environment = Environment::from_entries(["TEMP=mine"]).expect("well-formed");
        environment.set_default("Temp", "theirs");
        environment.set_default("TMP", "theirs");
        assert_eq!(environment.to_entries(), ["TEMP=mine", "TMP=theirs"]);
    }

    #[test]
    fn known_names_are_expanded_and_others_stay() {
        let environment =
            Environment::from_entries(["SystemRoot=C:\\Windows"]).expect("well-formed");
        assert_eq!(
            environment.expand("%SYSTEMROOT%\\x;%NOPE%;100%"),
            "C:\\Windows\\x;%NOPE%;100%"
        );
    }

    proptest! {
        #[test]
        fn entries_come_back(entries in prop::collection::vec("[=a-cA-Cé%\u{0}]{0,6}", 0..8)) {
            let mut environment = Environment::new();
            for entry in &entries {
                let _ = environment.apply(entry);
            }
            let again = Environment::from_entries(environment.to_entries()).expect("our own");
            prop_assert_eq!(again, environment);
        }
    }
}
