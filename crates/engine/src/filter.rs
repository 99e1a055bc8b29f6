//! Docker's filters: names with the values that each accepts.

use std::collections::BTreeMap;

use regex_lite::Regex;
use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::moment;

/// Filters by name. Values of one filter are alternatives (`label` values all have to match);
/// different filters all have to match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(pub BTreeMap<String, Vec<String>>);

impl Filters {
    /// No filter.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The values of a filter; empty when it is not there.
    #[must_use]
    pub fn values(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether the filter is there; one without values is none.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        !self.values(name).is_empty()
    }

    /// Refuses filters that `accepted` does not name.
    ///
    /// # Errors
    /// `InvalidParameter` with the filter's name.
    pub fn check(&self, accepted: &[&str]) -> Result<()> {
        match self
            .0
            .keys()
            .find(|name| !accepted.contains(&name.as_str()))
        {
            Some(name) => Err(Error::invalid(format!("invalid filter '{name}'"))),
            None => Ok(()),
        }
    }

    /// Whether any value of the filter equals `candidate`; true when the filter is not there.
    pub(crate) fn allows(&self, name: &str, candidate: &str) -> bool {
        !self.has(name) || self.values(name).iter().any(|value| value == candidate)
    }

    /// The filter's values as patterns. One that is wrong is refused.
    pub(crate) fn patterns(&self, name: &str) -> Result<Vec<Regex>> {
        let patterns = self.values(name).iter().map(|pattern| {
            Regex::new(pattern).map_err(|error| {
                Error::invalid(format!("invalid filter '{name}={pattern}': {error}"))
                    .with_source(error)
            })
        });
        patterns.collect()
    }

    /// The one boolean value of a filter, Docker's spellings accepted.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>> {
        match self.values(name) {
            [] => Ok(None),
            [value] => match value.as_str() {
                "1" | "true" | "True" => Ok(Some(true)),
                "0" | "false" | "False" => Ok(Some(false)),
                other => Err(Error::invalid(format!("invalid filter '{name}={other}'"))),
            },
            _ => Err(Error::invalid(format!(
                "invalid filter '{name}': more than one value"
            ))),
        }
    }

    /// The point in time before which something must have been made.
    pub(crate) fn until(&self) -> Result<Option<OffsetDateTime>> {
        match self.values("until") {
            [] => Ok(None),
            [value] => moment::parse(value, OffsetDateTime::now_utc())
                .map(Some)
                .ok_or_else(|| Error::invalid(format!("invalid filter 'until={value}'"))),
            _ => Err(Error::invalid("more than one until filter specified")),
        }
    }

    /// Whether `labels` has every wanted label and none of the unwanted ones.
    pub(crate) fn prunes_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        let unwanted = self.values("label!").iter();
        self.matches_labels(labels) && !unwanted.into_iter().any(|label| has_label(labels, label))
    }

    /// Whether `labels` has every wanted label: `key` or `key=value`.
    pub(crate) fn matches_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        let mut wanted = self.values("label").iter();
        wanted.all(|wanted| has_label(labels, wanted))
    }
}

fn has_label(labels: &BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|actual| actual == value),
        None => labels.contains_key(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(pairs: &[(&str, &[&str])]) -> Filters {
        Filters(
            pairs
                .iter()
                .map(|(name, values)| {
                    (
                        (*name).to_owned(),
                        values.iter().map(|value| (*value).to_owned()).collect(),
                    )
                })
                .collect(),
        )
    }

    #[test]
    fn an_unknown_filter_is_refused_by_name() {
        let error = filters(&[("colour", &["red"])])
            .check(&["label"])
            .unwrap_err();
        assert_eq!(error.to_string(), "invalid filter 'colour'");
    }

    #[test]
    fn a_filter_without_values_lets_everything_through() {
        let empty = filters(&[("status", &[])]);
        assert!(empty.allows("status", "running"));
        assert!(!empty.has("status"));
        assert!(empty.check(&["label"]).is_err());
    }

    #[test]
    fn all_labels_must_match() {
        let labels = BTreeMap::from([
            ("a".to_owned(), "1".to_owned()),
            ("b".to_owned(), String::new()),
        ]);
        assert!(filters(&[("label", &["a=1", "b"])]).matches_labels(&labels));
        assert!(!filters(&[("label", &["a=2"])]).matches_labels(&labels));
        assert!(!filters(&[("label", &["a=1", "c"])]).matches_labels(&labels));
    }

    #[test]
    fn booleans_accept_dockers_spellings() {
        assert_eq!(
            filters(&[("dangling", &["1"])])
                .boolean("dangling")
                .unwrap(),
            Some(true)
        );
        assert_eq!(filters(&[]).boolean("dangling").unwrap(), None);
        assert!(
            filters(&[("dangling", &["maybe"])])
                .boolean("dangling")
                .is_err()
        );
    }
}
