//! `NAME=VALUE` options.

use serde_json::{Map, Value};

/// The pairs as an object; a name alone has an empty value.
pub(crate) fn pairs(texts: &[String]) -> Map<String, Value> {
    let pairs = texts.iter().map(|text| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (name.to_owned(), Value::from(value))
    });
    pairs.collect()
}
