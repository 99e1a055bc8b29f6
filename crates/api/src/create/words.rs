//! Command lines in bodies.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::go_json;

/// A list of words (`["cmd", "/c", "ver"]`), or one word in the place of a list (`"cmd"`).
#[derive(Debug)]
pub(crate) struct Words(Vec<String>);

impl Words {
    /// The words.
    pub(crate) fn into_list(self) -> Vec<String> {
        self.0
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(word) => Ok(Self(vec![word])),
            list => go_json::decode(list).map(Self).map_err(|_| {
                serde::de::Error::custom("a command is a list of strings, or one string")
            }),
        }
    }
}
