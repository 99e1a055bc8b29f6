//! The words of an instruction: quotes, variables, and the backslash.

use crate::error::{Error, Result};

/// The value of a variable.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The longest text that variables may grow to.
const MAX_LENGTH: usize = 1 << 20;

/// The words of a line, without their quotes and with the values of variables in place.
pub(super) fn split(line: &str, lookup: Lookup<'_>) -> Result<Vec<String>> {
    let mut reader = Reader::new(line, lookup);
    let mut words = Vec::new();
    while let Some(word) = reader.word(true)? {
        words.push(word);
    }
    Ok(words)
}

/// The line as one word.
pub(super) fn expand(line: &str, lookup: Lookup<'_>) -> Result<String> {
    Ok(Reader::new(line, lookup).word(false)?.unwrap_or_default())
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    lookup: Lookup<'a>,
}

impl<'a> Reader<'a> {
    fn new(line: &'a str, lookup: Lookup<'a>) -> Self {
        Self {
            rest: line.chars().peekable(),
            lookup,
        }
    }

    /// The next word, up to a blank outside quotes if blanks end it.
    fn word(&mut self, ends_at_blank: bool) -> Result<Option<String>> {
        while ends_at_blank && self.rest.next_if(|c| c.is_whitespace()).is_some() {}
        if self.rest.peek().is_none() {
            return Ok(None);
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(&next) = self.rest.peek() {
            if quote.is_none() && ends_at_blank && next.is_whitespace() {
                break;
            }
            self.rest.next();
            match next {
                '\'' | '"' if quote == Some(next) => quote = None,
                '\'' | '"' if quote.is_none() => quote = Some(next),
                '\\' if quote != Some('\'') => word.push(self.escaped()),
                '$' if quote != Some('\'') => word.push_str(&self.variable()?),
                other => word.push(other),
            }
            if word.len() > MAX_LENGTH {
                return Err(Error::invalid("a change grows too long"));
            }
        }
        match quote {
            None => Ok(Some(word)),
            Some(quote) => Err(Error::invalid(format!(
                "unexpected end of statement while looking for matching {quote}"
            ))),
        }
    }

    /// What a backslash stands for, which is itself before anything that needs none.
    fn escaped(&mut self) -> char {
        let needs_one = |c: &char| matches!(c, '$' | '"' | '\'' | '\\') || c.is_whitespace();
        self.rest.next_if(needs_one).unwrap_or('\\')
    }

    /// The value of `$NAME`, `${NAME}`, `${NAME:-default}` or `${NAME:+other}`.
    fn variable(&mut self) -> Result<String> {
        if self.rest.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Ok(match name.as_str() {
                "" => "$".to_owned(),
                name => (self.lookup)(name).unwrap_or_default(),
            });
        }
        let name = self.name();
        let value = (self.lookup)(&name).filter(|value| !value.is_empty());
        let malformed =
            || Error::invalid(format!("unsupported modifier in substitution of {name}"));
        match self.rest.next() {
            Some('}') if !name.is_empty() => Ok(value.unwrap_or_default()),
            Some(':') => {
                let kind = self.rest.next();
                let text = self.up_to_brace()?;
                let lookup = self.lookup;
                match kind {
                    Some('-') => value.map_or_else(|| expand(&text, lookup), Ok),
                    Some('+') if value.is_some() => expand(&text, lookup),
                    Some('+') => Ok(String::new()),
                    _ => Err(malformed()),
                }
            }
            _ => Err(malformed()),
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(next) = self
            .rest
            .next_if(|c| c.is_ascii_alphanumeric() || *c == '_')
        {
            name.push(next);
        }
        name
    }

    /// The text up to the closing brace; there are no braces in it.
    fn up_to_brace(&mut self) -> Result<String> {
        let mut text = String::new();
        for next in self.rest.by_ref() {
            match next {
                '}' => return Ok(text),
                '{' => break,
                other => text.push(other),
            }
        }
        Err(Error::invalid("a substitution without its closing brace"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        let value = |name: &str| (name == "a").then(|| "x y".to_owned());
        split(line, &value).unwrap()
    }

    #[test]
    fn words_end_at_blanks_outside_quotes() {
        for (line, expected) in [
            ("a  b", &["a", "b"][..]),
            ("'a b' \"c d\"", &["a b", "c d"]),
            (r"C:\dir\name", &[r"C:\dir\name"]),
            (r"C:\\dir a\ b \$a", &[r"C:\dir", "a b", "$a"]),
            ("$a '$a' \"$a!\"", &["x y", "$a", "x y!"]),
            (
                "${a} ${b:-d} ${a:+e} ${b:+e}z $",
                &["x y", "d", "e", "z", "$"],
            ),
            ("\"\"", &[""]),
            ("", &[]),
        ] {
            assert_eq!(words(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_closed_is_refused() {
        for line in ["'a", "\"a", "${a", "${a:-b", "${a:?b}", "${}", "${a-b}"] {
            assert!(split(line, &|_| None).is_err(), "{line}");
        }
    }
}
