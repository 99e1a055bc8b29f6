//! Reading what stands between `{{` and `}}`.

use super::{Call, FUNCTIONS, Operand, Refusal};

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

/// The calls of a pipe.
pub(super) fn calls(inside: &str) -> Result<Vec<Call>, Refusal> {
    let mut calls = vec![Vec::new()];
    for word in words(inside)? {
        if word == "|" {
            calls.push(Vec::new());
        } else if let Some(last) = calls.last_mut() {
            last.push(word);
        }
    }
    let empty = || Refusal(format!("{{{{{inside}}}}} says nothing to show"));
    calls
        .into_iter()
        .enumerate()
        .map(|(position, words)| {
            if words.is_empty() {
                return Err(empty());
            }
            call(words, position)
        })
        .collect()
}

fn call(mut words: Vec<String>, position: usize) -> Result<Call, Refusal> {
    let is_name = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    let first = words[0].clone();
    if is_name(&first) {
        if !FUNCTIONS.contains(&first.as_str()) {
            return Err(Refusal(format!(
                "{first} is not supported: there are fields such as {{{{.ID}}}} and the functions {}; \
                 --json prints everything for other tools",
                FUNCTIONS.join(", ")
            )));
        }
        words.remove(0);
        let operands = words.iter().map(|word| operand(word));
        let operands = operands.collect::<Result<Vec<_>, _>>()?;
        return Ok(Call {
            function: Some(first),
            operands,
        });
    }
    if words.len() > 1 || position > 0 {
        return Err(Refusal(format!(
            "{first} cannot be called with a value: it is no function"
        )));
    }
    Ok(Call {
        function: None,
        operands: vec![operand(&first)?],
    })
}

/// The words of an action; a string is one word, with its opening quote.
fn words(inside: &str) -> Result<Vec<String>, Refusal> {
    let mut words = Vec::new();
    let mut characters = inside.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' | '\r' => {}
            '|' => words.push("|".to_owned()),
            '"' | '`' => {
                let mut word = "\"".to_owned();
                loop {
                    match characters.next() {
                        Some('\\') if character == '"' => match characters.next() {
                            Some('n') => word.push('\n'),
                            Some('t') => word.push('\t'),
                            Some(other) => word.push(other),
                            None => {}
                        },
                        Some(end) if end == character => break,
                        Some(other) => word.push(other),
                        None => return Err(Refusal(format!("{inside}: a string has no end"))),
                    }
                }
                words.push(word);
            }
            first => {
                let mut word = first.to_string();
                let belongs = |c: &char| !c.is_whitespace() && !matches!(c, '|' | '"' | '`');
                while let Some(next) = characters.next_if(belongs) {
                    word.push(next);
                }
                words.push(word);
            }
        }
    }
    Ok(words)
}

fn operand(word: &str) -> Result<Operand, Refusal> {
    if let Some(text) = word.strip_prefix('"') {
        return Ok(Operand::Text(text.to_owned()));
    }
    if word == "." {
        return Ok(Operand::Field(Vec::new()));
    }
    if let Some(path) = word.strip_prefix('.') {
        let is_name =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if path.split('.').all(is_name) {
            return Ok(Operand::Field(path.split('.').map(str::to_owned).collect()));
        }
    }
    let refused = || Refusal(format!("{word} is neither a field, a string nor a number"));
    word.parse().map(Operand::Number).map_err(|_| refused())
}
