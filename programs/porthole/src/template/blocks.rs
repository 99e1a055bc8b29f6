//! A template's text as nodes: what stands between `{{` and `}}`, and the blocks that it opens.

use super::parse::{self, end_of_action};
use super::{Branch, Node, Refusal};

/// How deep blocks may stand in each other.
const DEPTH: usize = 64;

/// A piece of a template.
enum Piece<'a> {
    Text(String),
    Action(&'a str),
}

/// What a block ended with.
enum Stop<'a> {
    /// The template's own end.
    Template,
    /// `{{end}}`.
    End,
    /// `{{else}}`, with what it says further.
    Else(&'a str),
}

/// Reads a whole template.
pub(super) fn nodes(text: &str) -> Result<Vec<Node>, Refusal> {
    let mut pieces = pieces(text)?.into_iter();
    match block(&mut pieces, 0)? {
        (nodes, Stop::Template) => Ok(nodes),
        _ => Err(Refusal(
            "an {{else}} or {{end}} belongs to no if, with or range".to_owned(),
        )),
    }
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Refusal> {
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
            return Ok(pieces);
        };
        let end = end_of_action(action)
            .ok_or_else(|| Refusal(format!("{{{{{action} has no }}}} at its end")))?;
        let inside = &action[..end];
        trims = inside.ends_with(" -");
        let inside = inside.strip_suffix(" -").unwrap_or(inside);
        let inside = inside.strip_prefix("- ").unwrap_or(inside).trim();
        if !(inside.starts_with("/*") && inside.ends_with("*/")) {
            pieces.push(Piece::Action(inside));
        }
        rest = &action[end + 2..];
    }
}

/// The nodes up to the end of a block.
fn block<'a>(
    pieces: &mut impl Iterator<Item = Piece<'a>>,
    depth: usize,
) -> Result<(Vec<Node>, Stop<'a>), Refusal> {
    if depth > DEPTH {
        return Err(Refusal(format!("blocks stand more than {DEPTH} deep")));
    }
    let mut nodes = Vec::new();
    while let Some(piece) = pieces.next() {
        let inside = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Piece::Action(inside) => inside,
        };
        let (word, rest) = inside
            .split_once(char::is_whitespace)
            .unwrap_or((inside, ""));
        let node = match word {
            "end" => return Ok((nodes, Stop::End)),
            "else" => return Ok((nodes, Stop::Else(rest.trim()))),
            "if" => Node::If(branch(rest, pieces, depth)?),
            "with" => Node::With(branch(rest, pieces, depth)?),
            "range" => {
                let (variables, over) = variables(rest)?;
                let branch = branch(over, pieces, depth)?;
                Node::Range { variables, branch }
            }
            _ => match variables(inside)? {
                (names, value) if names.len() == 1 => {
                    Node::Set(names.concat(), parse::pipe(value)?)
                }
                _ => Node::Action(parse::pipe(inside)?),
            },
        };
        nodes.push(node);
    }
    Ok((nodes, Stop::Template))
}

fn branch<'a>(
    on: &str,
    pieces: &mut impl Iterator<Item = Piece<'a>>,
    depth: usize,
) -> Result<Branch, Refusal> {
    let on = parse::pipe(on)?;
    let open = || Refusal("an if, with or range has no {{end}}".to_owned());
    let (body, stop) = nested(pieces, depth)?;
    let otherwise = match stop {
        Stop::Template => return Err(open()),
        Stop::End => Vec::new(),
        Stop::Else("") => match nested(pieces, depth)? {
            (otherwise, Stop::End) => otherwise,
            _ => return Err(open()),
        },
        Stop::Else(further) => match further.strip_prefix("if ") {
            // It ends with the same {{end}}.
            Some(on) => vec![Node::If(branch(on, pieces, depth + 1)?)],
            None => return Err(Refusal(format!("else {further} is not supported"))),
        },
    };
    Ok(Branch {
        on,
        body,
        otherwise,
    })
}

/// One level down. The iterator's type is hidden, or it would grow with each level.
fn nested<'a>(
    pieces: &mut impl Iterator<Item = Piece<'a>>,
    depth: usize,
) -> Result<(Vec<Node>, Stop<'a>), Refusal> {
    let pieces: &mut dyn Iterator<Item = Piece<'a>> = pieces;
    block(&mut { pieces }, depth + 1)
}

/// The variables that are set (`$key, $value := …`), and what follows.
fn variables(inside: &str) -> Result<(Vec<String>, &str), Refusal> {
    let Some((names, value)) = inside.split_once(":=").filter(|_| inside.starts_with('$')) else {
        return Ok((Vec::new(), inside));
    };
    let names: Vec<_> = names
        .split(',')
        .map(|name| name.trim().to_owned())
        .collect();
    let is_name = |name: &String| {
        name.strip_prefix('$')
            .is_some_and(|name| !name.is_empty() && name.chars().all(char::is_alphanumeric))
    };
    if names.len() > 2 || !names.iter().all(is_name) {
        return Err(Refusal(format!(
            "{inside}: expected $NAME := or $KEY, $VALUE :="
        )));
    }
    Ok((names, value))
}
