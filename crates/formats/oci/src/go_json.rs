//! JSON decoded as Go's `encoding/json` decodes it, which Docker and most makers of images use:
//! names of members compare without case, and null is the zero value of whatever is wanted, also as
//! an item of a list or a value in a map.
//!
//! Unlike in Go, a document that names a member twice is refused: readers would differ on which of
//! the two counts, so that one could be shown to who checks and the other to who runs.

use std::fmt;
use std::iter;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

/// Decodes a whole document.
pub(crate) fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> serde_json::Result<T> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = T::deserialize(Go(&mut json))?;
    json.end()?;
    Ok(value)
}

/// A deserializer, a seed or a visitor under Go's rules.
struct Go<T>(T);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Go<D> {
    type Error = D::Error;

    /// For values that are kept as they stand.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_ignored_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(Go(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(OrZero(Want::Bool, visitor))
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(OrZero(Want::Integer, visitor))
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(OrZero(Want::Natural, visitor))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(OrZero(Want::Text, visitor))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(OrZero(Want::Text, visitor))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(OrZero(Want::List, visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(OrZero(Want::Map, visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0
            .deserialize_option(OrZero(Want::Struct(fields), visitor))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        tuple_struct enum identifier
    }
}

/// What a value is wanted as.
enum Want {
    Bool,
    Integer,
    Natural,
    Text,
    List,
    Map,
    Struct(&'static [&'static str]),
}

/// Gives the visitor what it wants, or that's zero value for null.
struct OrZero<V>(Want, V);

impl<'de, V: Visitor<'de>> Visitor<'de> for OrZero<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.expecting(f)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        let Self(want, visitor) = self;
        match want {
            Want::Bool => visitor.visit_bool(false),
            Want::Integer => visitor.visit_i64(0),
            Want::Natural => visitor.visit_u64(0),
            Want::Text => visitor.visit_str(""),
            Want::List => visitor.visit_seq(SeqDeserializer::new(iter::empty::<()>())),
            Want::Map | Want::Struct(_) => {
                visitor.visit_map(MapDeserializer::new(iter::empty::<((), ())>()))
            }
        }
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        let Self(want, visitor) = self;
        match want {
            Want::Bool => value.deserialize_bool(visitor),
            Want::Integer => value.deserialize_i64(visitor),
            Want::Natural => value.deserialize_u64(visitor),
            Want::Text => value.deserialize_string(visitor),
            Want::List => value.deserialize_seq(Go(visitor)),
            Want::Map => value.deserialize_map(Go(visitor)),
            Want::Struct(fields) => value.deserialize_map(Fields(fields, visitor)),
        }
    }
}

/// What stands inside a value is read under the same rules.
impl<'de, V: Visitor<'de>> Visitor<'de> for Go<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Go(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Go(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        let fields = None;
        self.0.visit_map(Members { fields, members })
    }
}

/// A visitor of a structure, whose members are named without regard to case.
struct Fields<V>(&'static [&'static str], V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Fields<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        let fields = Some(self.0);
        self.1.visit_map(Members { fields, members })
    }
}

/// The members of an object: of a structure when the names of its fields are known.
struct Members<A> {
    fields: Option<&'static [&'static str]>,
    members: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let Some(fields) = self.fields else {
            return self.members.next_key_seed(seed);
        };
        let Some(name) = self.members.next_key::<String>()? else {
            return Ok(None);
        };
        let field = fields
            .iter()
            .find(|field| field.eq_ignore_ascii_case(&name));
        let name: StrDeserializer<'_, A::Error> =
            serde::de::IntoDeserializer::into_deserializer(field.map_or(name.as_str(), |f| f));
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.members.next_value_seed(Go(seed))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Go<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Go(seed))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Go<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Go(value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, Default, PartialEq, Eq, serde::Deserialize)]
    #[serde(default, rename_all = "PascalCase")]
    struct Part {
        number: u64,
        on: bool,
    }

    #[derive(Debug, Default, PartialEq, Eq, serde::Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Whole {
        some_text: String,
        words: Vec<String>,
        labels: BTreeMap<String, String>,
        parts: BTreeMap<String, Vec<Part>>,
        part: Part,
        limit: Option<i64>,
        as_it_stands: Option<serde_json::Value>,
    }

    fn whole(text: &str) -> serde_json::Result<Whole> {
        decode(text.as_bytes())
    }

    #[test]
    fn null_is_the_zero_value_and_keeps_its_place() {
        let read = whole(
            r#"{"someText":null,"words":["a",null],"labels":{"a":null},"part":null,"limit":null,
                "parts":{"x":null,"y":[null,{"Number":null,"On":true}]}}"#,
        );
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
        assert_eq!(read.unwrap(), expected);
        assert_eq!(whole("null").unwrap(), Whole::default());
    }

    #[test]
    fn names_of_members_compare_without_case_and_keys_of_maps_do_not() {
        let read = whole(
            r#"{"SOMETEXT":"t","Labels":{"a":"1","A":"2"},"parts":{"x":[{"nUMBER":3}]},"other":[{}],
                "limit":-4,"asItStands":{"Aa":1}}"#,
        )
        .unwrap();
        assert_eq!((read.some_text.as_str(), read.labels.len()), ("t", 2));
        assert_eq!((read.parts["x"][0].number, read.limit), (3, Some(-4)));
        assert_eq!(read.as_it_stands, Some(serde_json::json!({"Aa": 1})));
    }

    #[test]
    fn a_member_named_twice_is_refused() {
        for text in [
            r#"{"words":[],"words":[]}"#,
            r#"{"words":[],"Words":["a"]}"#,
        ] {
            let message = whole(text).unwrap_err().to_string();
            assert!(message.starts_with("duplicate field `words`"), "{message}");
        }
    }

    #[test]
    fn other_types_depths_and_ends_are_refused() {
        let deep = format!("{}{}", "[".repeat(4096), "]".repeat(4096));
        let inside = format!(r#"{{"asItStands":{deep}}}"#);
        for text in [
            r#"{"words":"a"}"#,
            r#"{"words":{}}"#,
            r#"{"labels":[]}"#,
            r#"{"part":"x"}"#,
            r#"{"part":{"Number":-1}}"#,
            r#"{"part":{"On":1}}"#,
            "{} {}",
            "[]",
            "{",
            &deep,
            &inside,
        ] {
            assert!(whole(text).is_err(), "{text}");
        }
    }
}
