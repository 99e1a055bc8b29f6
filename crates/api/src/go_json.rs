//! JSON decoded as Go's `encoding/json` decodes it, which Docker's clients are written against:
//! names of members compare without case, and null is the zero value of whatever is wanted, also as
//! an item of a list or a value in a map. Unlike in Go, a member that the wanted type does not have
//! is refused, unless it says nothing.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value, json};

/// Decodes a value; an error begins with the path of the member that is wrong.
pub(crate) fn decode<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    let path = String::new();
    T::deserialize(GoValue { path, value })
}

/// Go's zero value: null, false, 0, "", or nothing in it.
pub(crate) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// A value and where it stands.
struct GoValue {
    path: String,
    value: Value,
}

impl GoValue {
    fn member(&self, name: &str, value: Value) -> Self {
        let path = if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        };
        Self { path, value }
    }

    fn items(&self, items: Vec<Value>) -> Vec<Self> {
        let path = &self.path;
        let item = |value| Self {
            path: path.clone(),
            value,
        };
        items.into_iter().map(item).collect()
    }

    fn wrong(&self, error: &Error) -> Error {
        if self.path.is_empty() {
            Error::custom(error)
        } else {
            Error::custom(format!("{}: {error}", self.path))
        }
    }

    /// Takes the value out, with `zero` for null.
    fn take(&mut self, zero: Value) -> Value {
        match self.value.take() {
            Value::Null => zero,
            value => value,
        }
    }
}

impl IntoDeserializer<'_, Error> for GoValue {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Methods for values without parts.
macro_rules! scalars {
    ($($method:ident: $zero:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
            let value = self.take(json!($zero));
            value.$method(visitor).map_err(|error| self.wrong(&error))
        }
    )*};
}

impl<'de> Deserializer<'de> for GoValue {
    type Error = Error;

    scalars! {
        deserialize_bool: false;
        deserialize_i64: 0;
        deserialize_u8: 0;
        deserialize_u16: 0;
        deserialize_u32: 0;
        deserialize_u64: 0;
        deserialize_str: "";
        deserialize_string: "";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Self { path, value } = self;
        let place = Self {
            path,
            value: Value::Null,
        };
        value
            .deserialize_any(visitor)
            .map_err(|error| place.wrong(&error))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        match self.take(json!([])) {
            Value::Array(items) => {
                visitor.visit_seq(SeqDeserializer::new(self.items(items).into_iter()))
            }
            other => other
                .deserialize_seq(visitor)
                .map_err(|error| self.wrong(&error)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        mut self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.take(json!([])) {
            Value::Array(mut items) if items.len() <= length => {
                items.resize(length, Value::Null);
                visitor.visit_seq(SeqDeserializer::new(self.items(items).into_iter()))
            }
            other => other
                .deserialize_tuple(length, visitor)
                .map_err(|error| self.wrong(&error)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        match self.take(json!({})) {
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| {
                    let value = self.member(&name, value);
                    (name, value)
                });
                visitor.visit_map(MapDeserializer::new(members))
            }
            other => other
                .deserialize_map(visitor)
                .map_err(|error| self.wrong(&error)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let members = match self.take(json!({})) {
            Value::Object(members) => members,
            other => {
                return other
                    .deserialize_struct(name, fields, visitor)
                    .map_err(|error| self.wrong(&error));
            }
        };
        let mut known = Vec::new();
        for (name, value) in members {
            let field = fields
                .iter()
                .find(|field| field.eq_ignore_ascii_case(&name));
            match field {
                Some(field) => known.push((*field, self.member(field, value))),
                None if is_zero(&value) => {}
                None => {
                    let unknown = format!("Porthole does not know the option {name}");
                    return Err(self.wrong(&Error::custom(unknown)));
                }
            }
        }
        visitor.visit_map(MapDeserializer::new(known.into_iter()))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct
        tuple_struct enum identifier
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Eq, Deserialize)]
    #[serde(default, rename_all = "PascalCase")]
    struct Part {
        number: u16,
        on: bool,
    }

    #[derive(Debug, Default, PartialEq, Eq, Deserialize)]
    #[serde(default, rename_all = "PascalCase")]
    struct Whole {
        text: String,
        words: Vec<String>,
        labels: BTreeMap<String, String>,
        parts: BTreeMap<String, Vec<Part>>,
        size: Option<[u16; 2]>,
        limit: Option<i64>,
    }

    fn refusal(value: Value) -> String {
        decode::<Whole>(value).expect_err("a refusal").to_string()
    }

    #[test]
    fn null_is_the_zero_value_and_keeps_its_place() {
        let whole: Whole = decode(json!({
            "Text": null,
            "Words": ["a", null],
            "Labels": {"a": null},
            "Parts": {"x": null, "y": [null, {"Number": null, "On": true}]},
            "Size": null,
            "Limit": null,
        }))
        .expect("a value");
        let expected = Whole {
            words: vec!["a".to_owned(), String::new()],
            labels: BTreeMap::from([("a".to_owned(), String::new())]),
            parts: BTreeMap::from([
                ("x".to_owned(), Vec::new()),
                (
                    "y".to_owned(),
                    vec![
                        Part::default(),
                        Part {
                            number: 0,
                            on: true,
                        },
                    ],
                ),
            ]),
            ..Whole::default()
        };
        assert_eq!(whole, expected);
        assert_eq!(decode::<Whole>(Value::Null).ok(), Some(Whole::default()));
    }

    #[test]
    fn names_of_members_compare_without_case_and_keys_of_maps_do_not() {
        let whole: Whole = decode(json!({
            "tEXT": "t", "labels": {"a": "1", "A": "2"}, "parts": {"x": [{"number": 3}]}, "size": [5]
        }))
        .expect("a value");
        assert_eq!((whole.text.as_str(), whole.labels.len()), ("t", 2));
        assert_eq!(whole.parts["x"][0].number, 3);
        assert_eq!(whole.size, Some([5, 0]));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_path() {
        let told = refusal(json!({"Parts": {"x": [{"Number": "3"}]}}));
        assert!(
            told.starts_with("Parts.x.Number: invalid type: string"),
            "{told}"
        );
        let told = refusal(json!({"Parts": {"x": [{"Teleport": 1}]}}));
        assert_eq!(told, "Parts.x: Porthole does not know the option Teleport");
        assert!(decode::<Whole>(json!({"Parts": {"x": [{"Teleport": 0}]}})).is_ok());
        assert!(refusal(json!({"Words": "a"})).starts_with("Words: "));
        assert!(refusal(json!({"Size": [1, 2, 3]})).starts_with("Size: "));
    }
}
