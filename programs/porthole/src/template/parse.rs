//! Reading what stands between `{{` and `}}`.

use std::iter::Peekable;

use super::{Call, FUNCTIONS, Operand, Origin, Pipe, Refusal};

/// How deep parentheses may stand in each other.
const DEPTH: usize = 64;

/// A word of an action.
#[derive(Debug)]
enum Word {
    Plain(String),
    /// A string, without its quotes.
    Text(String),
    Pipe,
    Open,
    /// A closing parenthesis, with the path that follows it.
    Close(String),
}

/// Where `}}` ends an action: not inside a string.
pub(super) fn end_of_action(action: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, character) in action.char_indices() {
        match (quote, character) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), close) if open == close && !escaped => quote = None,
            (None, '"' | '`') => quote = Some(character),
            (None, '}') if action[at..].starts_with("}}") => return Some(at),
            _ => {}
        }
        escaped = false;
    }
    None
}

/// Reads the calls of a pipe.
pub(super) fn pipe(inside: &str) -> Result<Pipe, Refusal> {
    let words = words(inside)?;
    match calls(&mut words.into_iter(), inside, 0)? {
        (pipe, None) => Ok(pipe),
        (_, Some(_)) => Err(Refusal(format!("{inside}: a ) has no ("))),
    }
}

/// The calls up to the end or a closing parenthesis, and the path that follows that.
fn calls(
    words: &mut std::vec::IntoIter<Word>,
    inside: &str,
    depth: usize,
) -> Result<(Pipe, Option<String>), Refusal> {
    if depth > DEPTH {
        return Err(Refusal(format!("parentheses stand more than {DEPTH} deep")));
    }
    let mut calls = Vec::new();
    let mut current = Unfinished::default();
    loop {
        match words.next() {
            Some(Word::Plain(word)) => current.add(&word)?,
            Some(Word::Text(text)) => current.operands.push(Operand::Text(text)),
            Some(Word::Open) => {
                let (pipe, Some(path)) = self::calls(words, inside, depth + 1)? else {
                    return Err(Refusal(format!("{inside}: a ( has no )")));
                };
                let names = names(&path).ok_or_else(|| neither(&path))?;
                current
                    .operands
                    .push(Operand::Field(Origin::Pipe(pipe), names));
            }
            Some(Word::Pipe) => {
                let call = std::mem::take(&mut current).finish(calls.is_empty(), inside)?;
                calls.push(call);
            }
            end @ (None | Some(Word::Close(_))) => {
                calls.push(current.finish(calls.is_empty(), inside)?);
                let path = match end {
                    Some(Word::Close(path)) => Some(path),
                    _ => None,
                };
                return Ok((Pipe(calls), path));
            }
        }
    }
}

/// A call whose words are still coming.
#[derive(Default)]
struct Unfinished {
    function: Option<String>,
    operands: Vec<Operand>,
}

impl Unfinished {
    fn add(&mut self, word: &str) -> Result<(), Refusal> {
        let is_first = self.function.is_none() && self.operands.is_empty();
        let is_name = word.starts_with(|c: char| c.is_ascii_alphabetic());
        if is_first && is_name && !matches!(word, "true" | "false") {
            if !FUNCTIONS.contains(&word) {
                return Err(Refusal(format!(
                    "{word} is not supported: there are fields such as {{{{.ID}}}}, if, with, range \
                     and the functions {}; --json prints everything for other tools",
                    FUNCTIONS.join(", ")
                )));
            }
            self.function = Some(word.to_owned());
        } else {
            self.operands.push(operand(word)?);
        }
        Ok(())
    }

    fn finish(self, is_first: bool, inside: &str) -> Result<Call, Refusal> {
        let Self { function, operands } = self;
        if function.is_none() && operands.is_empty() {
            return Err(Refusal(format!("{{{{{inside}}}}} says nothing to show")));
        }
        let is_label = matches!(
            operands.as_slice(),
            [Operand::Field(Origin::Dot, names), _] if *names == ["Label"]
        );
        if function.is_none() && !is_label && (operands.len() > 1 || !is_first) {
            let first = inside.split_whitespace().next().unwrap_or_default();
            return Err(Refusal(format!(
                "{first} cannot be called with a value: it is no function"
            )));
        }
        Ok(Call { function, operands })
    }
}

fn words(inside: &str) -> Result<Vec<Word>, Refusal> {
    let mut words = Vec::new();
    let mut characters = inside.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' | '\r' => {}
            '|' => words.push(Word::Pipe),
            '(' => words.push(Word::Open),
            ')' => words.push(Word::Close(plain(String::new(), &mut characters))),
            '"' | '`' => {
                let text = string(character, &mut characters);
                let text = text.ok_or_else(|| Refusal(format!("{inside}: a string has no end")))?;
                words.push(Word::Text(text));
            }
            first => words.push(Word::Plain(plain(first.to_string(), &mut characters))),
        }
    }
    Ok(words)
}

/// The rest of a word.
fn plain(mut word: String, characters: &mut Peekable<impl Iterator<Item = char>>) -> String {
    let belongs = |c: &char| !c.is_whitespace() && !matches!(c, '|' | '"' | '`' | '(' | ')');
    while let Some(next) = characters.next_if(belongs) {
        word.push(next);
    }
    word
}

/// The rest of a string; none when it has no end.
fn string(quote: char, characters: &mut impl Iterator<Item = char>) -> Option<String> {
    let mut text = String::new();
    loop {
        match characters.next()? {
            '\\' if quote == '"' => text.push(match characters.next()? {
                'n' => '\n',
                't' => '\t',
                other => other,
            }),
            end if end == quote => return Some(text),
            other => text.push(other),
        }
    }
}

fn operand(word: &str) -> Result<Operand, Refusal> {
    if word == "." {
        return Ok(Operand::Field(Origin::Dot, Vec::new()));
    }
    if word.starts_with('.') {
        let names = names(word).ok_or_else(|| neither(word))?;
        return Ok(Operand::Field(Origin::Dot, names));
    }
    if word.starts_with('$') {
        let end = word.find('.').unwrap_or(word.len());
        let names = names(&word[end..]).ok_or_else(|| neither(word))?;
        let variable = Origin::Variable(word[..end].to_owned());
        return Ok(Operand::Field(variable, names));
    }
    match word {
        "true" | "false" => Ok(Operand::Truth(word == "true")),
        _ => word.parse().map(Operand::Number).map_err(|_| neither(word)),
    }
}

fn neither(word: &str) -> Refusal {
    Refusal(format!("{word} is neither a field, a string nor a number"))
}

/// The names of a path: `.State.Status`; none of an empty one.
fn names(path: &str) -> Option<Vec<String>> {
    if path.is_empty() {
        return Some(Vec::new());
    }
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let names: Vec<_> = path.strip_prefix('.')?.split('.').collect();
    let names = names.iter().all(|name| is_name(name)).then_some(names)?;
    Some(names.into_iter().map(str::to_owned).collect())
}
