//! `--format`: the part of Go's templates that a line of a list needs.
//!
//! Text, fields (`{{.Names}}`, `{{.State.Health.Status}}`), strings, pipes, and the functions of
//! [`FUNCTIONS`]. Anything else of Go's language is refused by name.

mod parse;

use std::fmt;

use serde_json::Value;

use parse::{calls, end_of_action};

/// The functions that there are.
const FUNCTIONS: [&str; 7] = ["json", "println", "index", "join", "len", "lower", "upper"];

/// A template that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// Calls, each of which gives its value to the next.
    Action(Vec<Call>),
}

#[derive(Debug, PartialEq, Eq)]
struct Call {
    function: Option<String>,
    operands: Vec<Operand>,
}

#[derive(Debug, PartialEq, Eq)]
enum Operand {
    /// The names on the way to a value; none is the whole.
    Field(Vec<String>),
    Text(String),
    Number(usize),
}

/// Why a template cannot be read or filled in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--format: {}", self.0)
    }
}

impl std::error::Error for Refusal {}

impl Template {
    /// Reads a template. `\t` and `\n` in its text are a tab and a line break.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut trims = false;
        loop {
            let (before, action) = match rest.split_once("{{") {
                Some((before, action)) => (before, Some(action)),
                None => (rest, None),
            };
            let before = if trims { before.trim_start() } else { before };
            let before = match action {
                Some(action) if action.starts_with("- ") => before.trim_end(),
                _ => before,
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(
                    before.replace(r"\t", "\t").replace(r"\n", "\n"),
                ));
            }
            let Some(action) = action else {
                return Ok(Self(pieces));
            };
            let end = end_of_action(action)
                .ok_or_else(|| Refusal(format!("{{{{{action} has no }}}} at its end")))?;
            let inside = &action[..end];
            trims = inside.ends_with(" -");
            let inside = inside.strip_suffix(" -").unwrap_or(inside);
            let inside = inside.strip_prefix("- ").unwrap_or(inside).trim();
            if !(inside.starts_with("/*") && inside.ends_with("*/")) {
                pieces.push(Piece::Action(calls(inside)?));
            }
            rest = &action[end + 2..];
        }
    }

    /// Fills in the fields of `value`.
    pub(crate) fn render(&self, value: &Value) -> Result<String, Refusal> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Action(calls) => {
                    let mut last = None;
                    for call in calls {
                        last = Some(call.evaluate(value, last)?);
                    }
                    text.push_str(&shown(&last.unwrap_or_default()));
                }
            }
        }
        Ok(text)
    }

    /// The headings of a table with this template's lines: each action's field, by `title`.
    pub(crate) fn headings(&self, title: impl Fn(&str) -> Option<String>) -> String {
        let heading = |calls: &[Call]| {
            let mut operands = calls.iter().flat_map(|call| &call.operands);
            let name = operands.find_map(|operand| match operand {
                Operand::Field(names) => names.last(),
                _ => None,
            })?;
            Some(title(name).unwrap_or_else(|| name.to_uppercase()))
        };
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Action(calls) => heading(calls).unwrap_or_default(),
        });
        pieces.collect()
    }
}

impl Operand {
    fn evaluate(&self, whole: &Value) -> Result<Value, Refusal> {
        match self {
            Self::Text(text) => Ok(text.clone().into()),
            Self::Number(number) => Ok((*number).into()),
            Self::Field(names) => {
                let mut value = whole;
                for name in names {
                    value = value.get(name).ok_or_else(|| no_field(name, value))?;
                }
                Ok(value.clone())
            }
        }
    }
}

fn no_field(name: &str, of: &Value) -> Refusal {
    match of {
        Value::Object(object) => {
            let names: Vec<&str> = object.keys().map(String::as_str).collect();
            Refusal(format!(
                "there is no field {name}; there are: {}",
                names.join(", ")
            ))
        }
        other => Refusal(format!("there is no field {name} in {}", shown(other))),
    }
}

impl Call {
    fn evaluate(&self, whole: &Value, piped: Option<Value>) -> Result<Value, Refusal> {
        let operands = self.operands.iter().map(|operand| operand.evaluate(whole));
        let mut operands = operands.collect::<Result<Vec<_>, _>>()?;
        operands.extend(piped);
        let Some(function) = &self.function else {
            return Ok(operands.swap_remove(0));
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let wrong = || {
            let given: Vec<_> = operands.iter().map(shown).collect();
            Refusal(format!("{function} cannot take {}", given.join(" ")))
        };
        Ok(match (function.as_str(), operands.as_slice()) {
            ("json", [value]) => value.to_string().into(),
            ("println", values) => {
                let values: Vec<_> = values.iter().map(shown).collect();
                format!("{}\n", values.join(" ")).into()
            }
            ("index", [value, keys @ ..]) => index(value, keys)?,
            ("join", [Value::Array(items), Value::String(between)]) => {
                let items: Vec<_> = items.iter().map(shown).collect();
                items.join(between).into()
            }
            ("len", [Value::Array(items)]) => items.len().into(),
            ("len", [Value::Object(items)]) => items.len().into(),
            ("len", [Value::String(text)]) => text.len().into(),
            ("len", [Value::Null]) => 0.into(),
            ("lower", [value]) => text(value).ok_or_else(wrong)?.to_lowercase().into(),
            ("upper", [value]) => text(value).ok_or_else(wrong)?.to_uppercase().into(),
            _ => return Err(wrong()),
        })
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

/// A value as Go's templates print it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(shown).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let mut items: Vec<_> = map
                .iter()
                .map(|(name, value)| format!("{name}:{}", shown(value)))
                .collect();
            items.sort();
            format!("map[{}]", items.join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(template: &str) -> Result<String, String> {
        let value = json!({
            "ID": "abc", "Count": 3, "Up": true, "None": null, "List": ["a", "b"],
            "State": { "Health": { "Status": "healthy" } },
            "Labels": { "z.y": "1", "b": "x" }
        });
        let template = Template::parse(template).map_err(|refusal| refusal.to_string())?;
        template
            .render(&value)
            .map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn fields_and_functions_are_filled_in() {
        for (template, expected) in [
            ("", ""),
            ("text", "text"),
            ("{{.ID}}", "abc"),
            ("{{ .ID }}\\t{{.Count}}\\n", "abc\t3\n"),
            ("{{.State.Health.Status}}", "healthy"),
            ("{{.Up}} {{.None}}", "true <no value>"),
            ("{{.List}} {{.Labels}}", "[a b] map[b:x z.y:1]"),
            ("{{json .State}}", r#"{"Health":{"Status":"healthy"}}"#),
            ("{{.List | json}}", r#"["a","b"]"#),
            ("{{println .ID .Count}}", "abc 3\n"),
            ("{{index .Labels \"z.y\"}}{{index .Labels \"q\"}}", "1"),
            ("{{index .List 1}}", "b"),
            ("{{join .List \", \"}}", "a, b"),
            (
                "{{len .List}} {{upper .ID}} {{.ID | upper | lower}}",
                "2 ABC abc",
            ),
            ("{{\"}}\"}}{{`\\t`}}{{\"\\t\"}}", "}}\\t\t"),
            ("a {{- .ID -}} b{{/* said */}}", "aabcb"),
        ] {
            assert_eq!(filled(template), Ok(expected.to_owned()), "{template}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        for (template, words) in [
            ("{{.ID", "has no }} at its end"),
            ("{{\"}}", "has no }} at its end"),
            ("{{}}", "says nothing"),
            ("{{.ID |}}", "says nothing"),
            ("{{range .List}}{{.}}{{end}}", "range is not supported"),
            ("{{if .Up}}x{{end}}", "if is not supported"),
            ("{{title .ID}}", "title is not supported"),
            ("{{.Label \"x\"}}", ".Label cannot be called"),
            ("{{.Nope}}", "no field Nope; there are: "),
            ("{{.ID.Nope}}", "no field Nope in abc"),
            ("{{index .List 7}}", "beyond the end"),
            ("{{upper .List}}", "upper cannot take [a b]"),
            ("{{$x}}", "$x is neither"),
            ("{{.a..b}}", "neither a field"),
        ] {
            let refusal = filled(template).expect_err(template);
            assert!(refusal.contains(words), "{template}: {refusal}");
        }
    }

    #[test]
    fn a_table_has_its_fields_as_headings() {
        let template = Template::parse("{{.ID}}\\t{{json .State.Health}}").expect("a template");
        let title = |name: &str| (name == "ID").then(|| "CONTAINER ID".to_owned());
        assert_eq!(template.headings(title), "CONTAINER ID\tHEALTH");
    }
}
