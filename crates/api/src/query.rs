//! Query strings, read as dockerd reads them.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use porthole_engine::filter::Filters;

use crate::error::ApiError;

/// The parameters of a request. A name that occurs more than once keeps all its values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(HashMap<String, Vec<String>>);

impl Params {
    /// The first value of a parameter, if it is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .and_then(|values| values.first())
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// A switch: absent, empty, `0`, `no`, `false` and `none` are off, anything else is on.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| {
            !matches!(
                value.trim().to_ascii_lowercase().as_str(),
                "" | "0" | "no" | "false" | "none"
            )
        })
    }

    /// A number.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        self.get(name)
            .map(|value| {
                value.parse().map_err(|_| {
                    ApiError::bad_parameter(format!(
                        "invalid value for {name}: {value:?} is not a number"
                    ))
                })
            })
            .transpose()
    }

    /// The `filters` parameter, in its form of today (`{"label":["a"]}`) or that of old clients
    /// (`{"label":{"a":true}}`).
    pub(crate) fn filters(&self) -> Result<Filters, ApiError> {
        let Some(text) = self.get("filters") else {
            return Ok(Filters::none());
        };
        parse_filters(text).ok_or_else(|| ApiError::bad_parameter("invalid filter"))
    }
}

fn parse_filters(text: &str) -> Option<Filters> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    object
        .into_iter()
        .map(|(name, values)| {
            let values = match values {
                serde_json::Value::Array(values) => values
                    .into_iter()
                    .map(|value| value.as_str().map(str::to_owned))
                    .collect::<Option<Vec<_>>>()?,
                serde_json::Value::Object(values) => values
                    .into_iter()
                    .filter(|(_, on)| on.as_bool() == Some(true))
                    .map(|(value, _)| value)
                    .collect(),
                _ => return None,
            };
            Some((name, values))
        })
        .collect::<Option<_>>()
        .map(Filters)
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let mut params: HashMap<String, Vec<String>> = HashMap::new();
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            params
                .entry(name.into_owned())
                .or_default()
                .push(value.into_owned());
        }
        Ok(Self(params))
    }
}

#[cfg(test)]
impl Params {
    /// These parameters.
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        let mut map: HashMap<String, Vec<String>> = HashMap::new();
        for (name, value) in pairs {
            map.entry((*name).to_owned())
                .or_default()
                .push((*value).to_owned());
        }
        Self(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_read_as_in_dockerd() {
        let params = Params::of(&[("a", "1"), ("b", "False"), ("c", ""), ("d", "yes")]);
        assert!(params.flag("a") && params.flag("d"));
        assert!(!params.flag("b") && !params.flag("c") && !params.flag("absent"));
    }

    #[test]
    fn numbers_that_are_none_are_refused_by_name() {
        let error = Params::of(&[("t", "soon")])
            .number::<i64>("t")
            .expect_err("no number");
        assert!(error.to_string().contains("invalid value for t"));
        assert_eq!(
            Params::of(&[("t", "-1")]).number::<i64>("t").ok(),
            Some(Some(-1))
        );
    }

    #[test]
    fn filters_have_a_form_of_today_and_one_of_old() {
        let today = Params::of(&[("filters", r#"{"label":["a=b","c"]}"#)])
            .filters()
            .expect("today's form");
        assert_eq!(today.values("label"), ["a=b", "c"]);
        let old = Params::of(&[("filters", r#"{"dangling":{"true":true}}"#)])
            .filters()
            .expect("old form");
        assert_eq!(old.values("dangling"), ["true"]);
        assert!(Params::of(&[("filters", "{")]).filters().is_err());
        assert!(Params::of(&[("filters", r#"{"a":1}"#)]).filters().is_err());
    }
}
