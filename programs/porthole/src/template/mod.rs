//! `--format`: the part of Go's templates that lists and `inspect` need.
//!
//! Text, fields (`{{.Names}}`, `{{.State.Health.Status}}`), strings, pipes, parentheses, variables,
//! `if`, `with`, `range`, and the functions of [`FUNCTIONS`]. Anything else of Go's language is
//! refused by name.

mod blocks;
mod evaluate;
mod functions;
mod parse;

use std::fmt;

use serde_json::Value;

use evaluate::Scope;
use functions::FUNCTIONS;

/// A template that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Node>);

#[derive(Debug, PartialEq, Eq)]
enum Node {
    Text(String),
    /// A value to show.
    Action(Pipe),
    /// A variable that is set: nothing is shown.
    Set(String, Pipe),
    If(Branch),
    /// As `If`, with the value as the body's dot.
    With(Branch),
    Range {
        /// The variables for key and value; the last is the value.
        variables: Vec<String>,
        branch: Branch,
    },
}

/// What depends on a value.
#[derive(Debug, PartialEq, Eq)]
struct Branch {
    on: Pipe,
    body: Vec<Node>,
    otherwise: Vec<Node>,
}

/// Calls, each of which gives its value to the next.
#[derive(Debug, PartialEq, Eq)]
struct Pipe(Vec<Call>);

#[derive(Debug, PartialEq, Eq)]
struct Call {
    function: Option<String>,
    operands: Vec<Operand>,
}

#[derive(Debug, PartialEq, Eq)]
enum Operand {
    /// The names on the way to a value; none is the origin itself.
    Field(Origin, Vec<String>),
    Text(String),
    Number(i64),
    Truth(bool),
}

/// Where the way to a value begins.
#[derive(Debug, PartialEq, Eq)]
enum Origin {
    Dot,
    /// A variable; `$` alone is the whole, as it was given.
    Variable(String),
    Pipe(Pipe),
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
        blocks::nodes(text).map(Self)
    }

    /// Fills in the fields of `value`. `labels` are what `.Label "name"` looks in; null where there
    /// are none.
    pub(crate) fn render(&self, value: &Value, labels: &Value) -> Result<String, Refusal> {
        let mut text = String::new();
        Scope::new(value, labels).show(&self.0, value, &mut text)?;
        Ok(text)
    }

    /// Refuses fields that a value like `sample` does not have. What stands in `range` and `with`
    /// depends on values, and is not looked at.
    pub(crate) fn check(&self, sample: &Value) -> Result<(), Refusal> {
        let check = |operand: &Operand| match operand {
            Operand::Field(Origin::Dot, names) => match names.first() {
                // A call, for which a list has labels.
                Some(name) if name == "Label" && sample.get("Labels").is_some() => Ok(()),
                Some(name) if sample.get(name).is_none() => Err(no_field(name, sample)),
                _ => Ok(()),
            },
            _ => Ok(()),
        };
        let pipes = self.0.iter().filter_map(|node| match node {
            Node::Action(pipe) | Node::Set(_, pipe) => Some(pipe),
            Node::If(branch) | Node::With(branch) | Node::Range { branch, .. } => Some(&branch.on),
            Node::Text(_) => None,
        });
        let mut operands = pipes.flat_map(Pipe::operands);
        operands.try_for_each(check)
    }

    /// The headings of a table with this template's lines: each action's field, by `title`.
    pub(crate) fn headings(&self, title: impl Fn(&str) -> Option<String>) -> String {
        let heading = |pipe: &Pipe| {
            let name = pipe.operands().find_map(|operand| match operand {
                Operand::Field(_, names) => names.last(),
                _ => None,
            })?;
            Some(title(name).unwrap_or_else(|| name.to_uppercase()))
        };
        let pieces = self.0.iter().map(|node| match node {
            Node::Text(text) => text.clone(),
            Node::Action(pipe) => heading(pipe).unwrap_or_default(),
            Node::Set(..) => String::new(),
            Node::If(branch) | Node::With(branch) | Node::Range { branch, .. } => {
                heading(&branch.on).unwrap_or_default()
            }
        });
        pieces.collect()
    }
}

impl Pipe {
    fn operands(&self) -> impl Iterator<Item = &Operand> {
        self.0.iter().flat_map(|call| &call.operands)
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
mod tests;
