//! What becomes of each field of a body and each parameter of a query: it works, or it is refused by
//! name when it is set to anything but its default. None is ignored.

use serde_json::{Map, Value};

use crate::go_json::is_zero;

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Read and acted upon.
    Works,
    /// Taken, and of no effect: the notes in `docs/api.md` say why that is right.
    Inert,
    /// Refused with dockerd's sentence on Windows, `invalid option: Windows does not support …`.
    NotOnWindows,
    /// Refused with this sentence after `invalid option: `.
    Refused(&'static str),
    /// Refused: not there yet.
    Planned,
}

/// A field by its name in JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// Its name in JSON.
    pub(crate) name: &'static str,
    /// What becomes of it.
    pub(crate) fate: Fate,
}

pub(crate) const fn works(name: &'static str) -> Field {
    Field {
        name,
        fate: Fate::Works,
    }
}

pub(crate) const fn inert(name: &'static str) -> Field {
    Field {
        name,
        fate: Fate::Inert,
    }
}

pub(crate) const fn planned(name: &'static str) -> Field {
    Field {
        name,
        fate: Fate::Planned,
    }
}

pub(crate) const fn not_on_windows(name: &'static str) -> Field {
    Field {
        name,
        fate: Fate::NotOnWindows,
    }
}

pub(crate) const fn refused(name: &'static str, sentence: &'static str) -> Field {
    Field {
        name,
        fate: Fate::Refused(sentence),
    }
}

impl Field {
    /// Why a setting of this field is refused; `name` is how the client wrote it.
    pub(crate) fn refusal(&self, name: &str) -> Option<String> {
        match self.fate {
            Fate::Works | Fate::Inert => None,
            Fate::NotOnWindows => Some(format!("invalid option: Windows does not support {name}")),
            Fate::Refused(sentence) => Some(format!("invalid option: {sentence}")),
            Fate::Planned => Some(format!(
                "invalid option: this version of Porthole does not support {name}"
            )),
        }
    }
}

/// The members of an object that work, under their exact names. Names are compared as dockerd's
/// decoder does: without regard to case. A member that does not work, or is in no table, is refused
/// when it is set.
pub(crate) fn supported(
    object: Map<String, Value>,
    table: &[Field],
) -> Result<Map<String, Value>, String> {
    let mut members = Map::new();
    for (name, value) in object {
        let field = table
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(&name));
        let Some(field) = field else {
            if is_zero(&value) {
                continue;
            }
            return Err(format!(
                "invalid option: Porthole does not know the option {name}"
            ));
        };
        if field.fate == Fate::Works {
            members.insert(field.name.to_owned(), value);
            continue;
        }
        match field.refusal(&name) {
            Some(refusal) if !is_neutral(field.name, &value) => return Err(refusal),
            _ => {}
        }
    }
    Ok(members)
}

/// Whether a value says nothing beyond the default.
fn is_neutral(name: &str, value: &Value) -> bool {
    match name {
        // A pointer in the API: zero is a setting, -1 is what the docker CLI sends for none.
        "MemorySwappiness" => value.is_null() || value.as_i64() == Some(-1),
        "PidsLimit" => is_zero(value) || value.as_i64() == Some(-1),
        "IPAMConfig" => is_zero_struct(value),
        _ => is_zero(value),
    }
}

/// A structure none of whose members says anything.
fn is_zero_struct(value: &Value) -> bool {
    value
        .as_object()
        .map_or(value.is_null(), |members| members.values().all(is_zero))
}
