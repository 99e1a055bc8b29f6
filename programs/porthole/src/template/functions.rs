//! The functions of templates.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Refusal, shown};

/// The functions that there are.
pub(super) const FUNCTIONS: [&str; 17] = [
    "json", "print", "println", "index", "join", "split", "len", "lower", "upper", "title", "eq",
    "ne", "lt", "gt", "and", "or", "not",
];

/// Calls one.
pub(super) fn call(function: &str, operands: &[Value]) -> Result<Value, Refusal> {
    let wrong = || {
        let given: Vec<_> = operands.iter().map(shown).collect();
        Refusal(format!("{function} cannot take {}", given.join(" ")))
    };
    let equal = |operands: &[Value]| match operands {
        [one, others @ ..] if !others.is_empty() => Ok(others.contains(one)),
        _ => Err(wrong()),
    };
    Ok(match (function, operands) {
        ("json", [value]) => value.to_string().into(),
        ("print", values) => words(values).concat().into(),
        ("println", values) => format!("{}\n", words(values).join(" ")).into(),
        ("index", [value, keys @ ..]) => index(value, keys)?,
        ("join", [Value::Array(items), Value::String(between)]) => {
            words(items).join(between).into()
        }
        ("split", [Value::String(text), Value::String(at)]) => {
            text.split(at.as_str()).collect::<Vec<_>>().into()
        }
        ("len", [Value::Array(items)]) => items.len().into(),
        ("len", [Value::Object(items)]) => items.len().into(),
        ("len", [Value::String(text)]) => text.len().into(),
        ("len", [Value::Null]) => 0.into(),
        ("lower", [Value::String(text)]) => text.to_lowercase().into(),
        ("upper", [Value::String(text)]) => text.to_uppercase().into(),
        ("title", [Value::String(text)]) => title(text).into(),
        ("eq", operands) => equal(operands)?.into(),
        ("ne", operands) => (!equal(operands)?).into(),
        ("lt", [one, other]) => (order(one, other).ok_or_else(wrong)? == Ordering::Less).into(),
        ("gt", [one, other]) => (order(one, other).ok_or_else(wrong)? == Ordering::Greater).into(),
        ("not", [value]) => (!is_true(value)).into(),
        ("and", [.., last]) => {
            let mut values = operands.iter();
            values.find(|value| !is_true(value)).unwrap_or(last).clone()
        }
        ("or", [.., last]) => {
            let mut values = operands.iter();
            values.find(|value| is_true(value)).unwrap_or(last).clone()
        }
        _ => return Err(wrong()),
    })
}

/// Whether Go's `if` would take it: what is nothing, zero or empty is not true.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

fn words(values: &[Value]) -> Vec<String> {
    values.iter().map(shown).collect()
}

fn title(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}

fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64()?.partial_cmp(&other.as_f64()?),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// An item of a list, or what a map has for a key; as in Go, an absent key has nothing.
fn index(value: &Value, keys: &[Value]) -> Result<Value, Refusal> {
    let mut value = value.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::Array(items), Value::Number(at)) => {
                let item = at
                    .as_u64()
                    .and_then(|at| items.get(usize::try_from(at).ok()?));
                item.cloned().ok_or_else(|| {
                    Refusal(format!(
                        "index {at} is beyond the end of {} items",
                        items.len()
                    ))
                })?
            }
            (Value::Object(map), Value::String(key)) => {
                map.get(key).cloned().unwrap_or_else(|| "".into())
            }
            (Value::Null, _) => "".into(),
            (value, key) => {
                return Err(Refusal(format!(
                    "index cannot find {} in {}",
                    shown(key),
                    shown(value)
                )));
            }
        };
    }
    Ok(value)
}
