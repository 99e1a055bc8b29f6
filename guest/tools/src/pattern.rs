//! The patterns of `findstr`: `.`, `*`, `^`, `$`, `[class]`, `[^class]`, `\x`, `\<`, `\>`.

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pieces: Vec<Piece>,
    ignore_case: bool,
    whole_start: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    atom: Atom,
    repeated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Atom {
    Any,
    One(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    LineEnd,
    WordStart,
    WordEnd,
}

impl Pattern {
    /// A pattern that matches `text` as it stands.
    #[must_use]
    pub fn literal(text: &str, ignore_case: bool) -> Self {
        let pieces = text
            .chars()
            .map(|c| Piece {
                atom: Atom::One(c),
                repeated: false,
            })
            .collect();
        Self {
            pieces,
            ignore_case,
            whole_start: false,
        }
    }

    /// Compiles a regular expression. Every text is one: what has no meaning stands for itself.
    #[must_use]
    pub fn regular(text: &str, ignore_case: bool) -> Self {
        let mut characters = text.chars().peekable();
        let whole_start = characters.next_if_eq(&'^').is_some();
        let mut pieces: Vec<Piece> = Vec::new();
        while let Some(character) = characters.next() {
            let atom = match character {
                '.' => Atom::Any,
                '*' if !pieces.is_empty() => {
                    if let Some(last) = pieces.last_mut() {
                        last.repeated = true;
                    }
                    continue;
                }
                '$' if characters.peek().is_none() => Atom::LineEnd,
                '[' => class(&mut characters),
                '\\' => match characters.next() {
                    Some('<') => Atom::WordStart,
                    Some('>') => Atom::WordEnd,
                    Some(escaped) => Atom::One(escaped),
                    None => Atom::One('\\'),
                },
                other => Atom::One(other),
            };
            pieces.push(Piece {
                atom,
                repeated: false,
            });
        }
        Self {
            pieces,
            ignore_case,
            whole_start,
        }
    }

    /// Whether the pattern occurs in `line`; with `begin` and `end`, only at its start or end.
    #[must_use]
    pub fn occurs(&self, line: &str, begin: bool, end: bool) -> bool {
        let line: Vec<char> = line.chars().collect();
        let last_start = if begin || self.whole_start {
            0
        } else {
            line.len()
        };
        (0..=last_start).any(|start| self.ends_from(&line, start, end))
    }

    /// Simulates all ways at once: the set of places reached after each piece. No backtracking, so
    /// a hostile pattern costs at most pieces × characters.
    fn ends_from(&self, line: &[char], start: usize, end: bool) -> bool {
        let mut places = vec![false; line.len() + 1];
        places[start] = true;
        for piece in &self.pieces {
            let mut next = vec![false; line.len() + 1];
            for place in 0..=line.len() {
                if !places[place] {
                    continue;
                }
                if piece.repeated {
                    let mut reached = place;
                    next[reached] = true;
                    while self.step(&piece.atom, line, reached) == Some(1) && !next[reached + 1] {
                        reached += 1;
                        next[reached] = true;
                    }
                } else if let Some(width) = self.step(&piece.atom, line, place) {
                    next[place + width] = true;
                }
            }
            places = next;
        }
        if end {
            places[line.len()]
        } else {
            places.contains(&true)
        }
    }

    /// How many characters the atom takes at `place`, if it matches there.
    fn step(&self, atom: &Atom, line: &[char], place: usize) -> Option<usize> {
        let here = line.get(place).copied();
        let before = place
            .checked_sub(1)
            .and_then(|index| line.get(index))
            .copied();
        let word =
            |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
        match atom {
            Atom::LineEnd => here.is_none().then_some(0),
            Atom::WordStart => (!word(before) && word(here)).then_some(0),
            Atom::WordEnd => (word(before) && !word(here)).then_some(0),
            Atom::Any => here.map(|_| 1),
            Atom::One(wanted) => here.filter(|&c| self.same(c, *wanted)).map(|_| 1),
            Atom::Class { negated, ranges } => here
                .filter(|&c| self.in_ranges(c, ranges) != *negated)
                .map(|_| 1),
        }
    }

    fn same(&self, a: char, b: char) -> bool {
        a == b || self.ignore_case && a.to_lowercase().eq(b.to_lowercase())
    }

    fn in_ranges(&self, character: char, ranges: &[(char, char)]) -> bool {
        let within = |c: char| ranges.iter().any(|&(low, high)| (low..=high).contains(&c));
        within(character)
            || self.ignore_case
                && (character.to_lowercase().any(within) || character.to_uppercase().any(within))
    }
}

fn class(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Atom {
    let negated = characters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while let Some(low) = characters.next() {
        if low == ']' && !ranges.is_empty() {
            break;
        }
        let high = match characters.next_if_eq(&'-') {
            Some(_) => match characters.peek() {
                Some(']') | None => {
                    ranges.push(('-', '-'));
                    low
                }
                Some(_) => characters.next().unwrap_or(low),
            },
            None => low,
        };
        ranges.push((low, high));
    }
    Atom::Class { negated, ranges }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, line: &str) -> bool {
        Pattern::regular(pattern, false).occurs(line, false, false)
    }

    #[test]
    fn the_documented_constructs_match() {
        assert!(found("^a.*e$", "apple") && !found("^a.*e$", "apples"));
        assert!(found("[a-c]x", "bx") && !found("[^a-c]x", "bx") && found("[]x]", "]"));
        assert!(found(r"\<word\>", "a word here") && !found(r"\<word\>", "swords"));
        assert!(found(r"a\.b", "a.b") && !found(r"a\.b", "axb") && found("x*", ""));
        assert!(found("a-", "a-") && found("[a-]", "-"));
    }

    #[test]
    fn case_is_ignored_on_request() {
        assert!(Pattern::regular("[A-C]É", true).occurs("bé", false, false));
        assert!(Pattern::literal("a.b", true).occurs("xA.By", false, false));
        assert!(!Pattern::literal("a.b", false).occurs("axb", false, false));
    }

    #[test]
    fn begin_and_end_bind_the_match() {
        let pattern = Pattern::literal("ab", false);
        assert!(pattern.occurs("abc", true, false) && !pattern.occurs("cab", true, false));
        assert!(pattern.occurs("cab", false, true) && !pattern.occurs("abc", false, true));
        assert!(pattern.occurs("ab", true, true));
    }
}
