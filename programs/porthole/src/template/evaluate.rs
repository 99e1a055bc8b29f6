//! Filling a template in.

use serde_json::Value;

use super::{Branch, Call, Node, Operand, Origin, Pipe, Refusal, functions, no_field, shown};

/// What names stand for.
pub(super) struct Scope<'a> {
    whole: &'a Value,
    labels: &'a Value,
    /// The innermost last.
    variables: Vec<(String, Value)>,
}

impl<'a> Scope<'a> {
    pub(super) const fn new(whole: &'a Value, labels: &'a Value) -> Self {
        Self {
            whole,
            labels,
            variables: Vec::new(),
        }
    }

    /// Appends what nodes show, where `dot` is what `.` stands for.
    pub(super) fn show(
        &mut self,
        nodes: &[Node],
        dot: &Value,
        text: &mut String,
    ) -> Result<(), Refusal> {
        let outer = self.variables.len();
        for node in nodes {
            match node {
                Node::Text(piece) => text.push_str(piece),
                Node::Action(pipe) => text.push_str(&shown(&self.value(pipe, dot)?)),
                Node::Set(name, pipe) => {
                    let value = self.value(pipe, dot)?;
                    self.variables.push((name.clone(), value));
                }
                Node::If(branch) => {
                    let nodes = if functions::is_true(&self.value(&branch.on, dot)?) {
                        &branch.body
                    } else {
                        &branch.otherwise
                    };
                    self.show(nodes, dot, text)?;
                }
                Node::With(branch) => {
                    let value = self.value(&branch.on, dot)?;
                    if functions::is_true(&value) {
                        self.show(&branch.body, &value, text)?;
                    } else {
                        self.show(&branch.otherwise, dot, text)?;
                    }
                }
                Node::Range { variables, branch } => self.range(variables, branch, dot, text)?,
            }
        }
        self.variables.truncate(outer);
        Ok(())
    }

    fn range(
        &mut self,
        variables: &[String],
        branch: &Branch,
        dot: &Value,
        text: &mut String,
    ) -> Result<(), Refusal> {
        let items: Vec<(Value, Value)> = match self.value(&branch.on, dot)? {
            Value::Null => Vec::new(),
            Value::Array(items) => items
                .into_iter()
                .enumerate()
                .map(|(at, item)| (at.into(), item))
                .collect(),
            Value::Object(map) => {
                let mut items: Vec<_> = map.into_iter().collect();
                items.sort_by(|(one, _), (other, _)| one.cmp(other));
                items
                    .into_iter()
                    .map(|(name, item)| (name.into(), item))
                    .collect()
            }
            other => {
                return Err(Refusal(format!("range cannot go over {}", shown(&other))));
            }
        };
        if items.is_empty() {
            return self.show(&branch.otherwise, dot, text);
        }
        for (key, item) in items {
            let outer = self.variables.len();
            let values = [&key, &item];
            // One variable alone is the value's.
            let values = &values[2 - variables.len().min(2)..];
            for (name, value) in variables.iter().zip(values) {
                self.variables.push((name.clone(), (*value).clone()));
            }
            self.show(&branch.body, &item, text)?;
            self.variables.truncate(outer);
        }
        Ok(())
    }

    fn value(&self, pipe: &Pipe, dot: &Value) -> Result<Value, Refusal> {
        let mut last = None;
        for call in &pipe.0 {
            last = Some(self.call(call, dot, last)?);
        }
        Ok(last.unwrap_or_default())
    }

    fn call(&self, call: &Call, dot: &Value, piped: Option<Value>) -> Result<Value, Refusal> {
        if call.function.is_none() && call.operands.len() > 1 {
            return self.label(&call.operands[1], dot);
        }
        let operands = call
            .operands
            .iter()
            .map(|operand| self.operand(operand, dot));
        let mut operands = operands.collect::<Result<Vec<_>, _>>()?;
        operands.extend(piped);
        match &call.function {
            Some(function) => functions::call(function, &operands),
            None => Ok(operands.swap_remove(0)),
        }
    }

    /// `.Label "name"`: nothing where there is none.
    fn label(&self, name: &Operand, dot: &Value) -> Result<Value, Refusal> {
        let name = self.operand(name, dot)?;
        match (self.labels, name.as_str()) {
            (Value::Object(labels), Some(name)) => {
                Ok(labels.get(name).cloned().unwrap_or_else(|| "".into()))
            }
            _ => Err(Refusal(
                ".Label cannot be called here: it is for the labels of a list's rows".to_owned(),
            )),
        }
    }

    fn operand(&self, operand: &Operand, dot: &Value) -> Result<Value, Refusal> {
        let (origin, names) = match operand {
            Operand::Text(text) => return Ok(text.clone().into()),
            Operand::Number(number) => return Ok((*number).into()),
            Operand::Truth(truth) => return Ok((*truth).into()),
            Operand::Field(origin, names) => (origin, names),
        };
        let computed;
        let mut value = match origin {
            Origin::Dot => dot,
            Origin::Variable(name) if name == "$" => self.whole,
            Origin::Variable(name) => {
                let mut known = self.variables.iter().rev();
                let found = known.find(|(known, _)| known == name);
                let missing = || Refusal(format!("there is no variable {name}"));
                &found.ok_or_else(missing)?.1
            }
            Origin::Pipe(pipe) => {
                computed = self.value(pipe, dot)?;
                &computed
            }
        };
        for name in names {
            value = value.get(name).ok_or_else(|| no_field(name, value))?;
        }
        Ok(value.clone())
    }
}
